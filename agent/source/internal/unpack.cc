// SPDX-License-Identifier: Apache-2.0
// Sources for packed files: rotated archives and decompression targets.
#include <bzlib.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "agent/source/internal/tail_source.h"

namespace agent::source {
namespace {

constexpr size_t kPackedChunk = 64 * 1024;
constexpr int kGzipWindow = 15 + 16;
constexpr int kZlibWindow = 15;

// One member of a packed file, decoded by a library. Run takes from `in` and fills `out`;
// both become what is left of them.
class Decoder {
 public:
  enum class State { kMore, kEnded, kDamaged };
  virtual ~Decoder() = default;
  virtual State Run(std::span<char>& in, std::span<char>& out) = 0;
  // Another member comes.
  virtual void Reset() = 0;
  // Whether a member that follows another may begin with this byte; false ends the file.
  virtual bool BeginsMember(char first) const = 0;
};

class ZlibDecoder final : public Decoder {
 public:
  explicit ZlibDecoder(int window) : window_(window) { ::inflateInit2(&stream_, window_); }
  ~ZlibDecoder() override { ::inflateEnd(&stream_); }
  ZlibDecoder(const ZlibDecoder&) = delete;
  ZlibDecoder& operator=(const ZlibDecoder&) = delete;

  State Run(std::span<char>& in, std::span<char>& out) override {
    stream_.next_in = reinterpret_cast<Bytef*>(in.data());
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int code = ::inflate(&stream_, Z_NO_FLUSH);
    in = in.last(stream_.avail_in);
    out = out.last(stream_.avail_out);
    if (code == Z_STREAM_END) return State::kEnded;
    return code == Z_OK || code == Z_BUF_ERROR ? State::kMore : State::kDamaged;
  }
  void Reset() override { ::inflateReset(&stream_); }
  bool BeginsMember(char first) const override { return window_ == kGzipWindow && first == '\x1F'; }

 private:
  const int window_;
  z_stream stream_ = {};
};

class Bzip2Decoder final : public Decoder {
 public:
  Bzip2Decoder() { ::BZ2_bzDecompressInit(&stream_, 0, 0); }
  ~Bzip2Decoder() override { ::BZ2_bzDecompressEnd(&stream_); }
  Bzip2Decoder(const Bzip2Decoder&) = delete;
  Bzip2Decoder& operator=(const Bzip2Decoder&) = delete;

  State Run(std::span<char>& in, std::span<char>& out) override {
    stream_.next_in = in.data();
    stream_.avail_in = static_cast<unsigned>(in.size());
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<unsigned>(out.size());
    const int code = ::BZ2_bzDecompress(&stream_);
    in = in.last(stream_.avail_in);
    out = out.last(stream_.avail_out);
    if (code == BZ_STREAM_END) return State::kEnded;
    return code == BZ_OK ? State::kMore : State::kDamaged;
  }
  void Reset() override {
    ::BZ2_bzDecompressEnd(&stream_);
    stream_ = {};
    ::BZ2_bzDecompressInit(&stream_, 0, 0);
  }
  bool BeginsMember(char first) const override { return first == 'B'; }

 private:
  bz_stream stream_ = {};
};

std::unique_ptr<Decoder> MakeDecoder(Packing packing) {
  if (packing == Packing::kBzip2) return std::make_unique<Bzip2Decoder>();
  return std::make_unique<ZlibDecoder>(packing == Packing::kGzip ? kGzipWindow : kZlibWindow);
}

// Unpacks forwards, as often over as there are members in the file.
class Unpacker {
 public:
  explicit Unpacker(Packing packing) : decoder_(MakeDecoder(packing)) {}

  // Fills `into` as far as the file goes. What was unpacked before an error is given
  // first: it cannot be unpacked again.
  Result<size_t> Next(platform::File& file, std::span<char> into) {
    std::span<char> left = into;
    while (!left.empty() && !done_) {
      auto ready = Ready(file);
      if (!ready && left.size() < into.size()) break;
      if (!ready) return Forward(ready);
      if (!*ready) break;
      const Decoder::State state = damaged_ ? Decoder::State::kDamaged : decoder_->Run(waiting_, left);
      member_ended_ = state == Decoder::State::kEnded;
      damaged_ = state == Decoder::State::kDamaged;
      if (!damaged_) continue;
      if (left.size() < into.size()) break;  // the good bytes first
      return Fail(Code::kCorrupt, "the compressed data is damaged");
    }
    return into.size() - left.size();
  }

 private:
  Result<bool> Refill(platform::File& file) {
    auto got = ReadFully(file, packed_, packed_bytes_);
    if (!got) return Forward(got);
    packed_ += *got;
    waiting_ = std::span(packed_bytes_).first(*got);
    return *got > 0;
  }
  // There are bytes to unpack. Without any the file is cut off (what follows may still be
  // written) or at its end. Members may be concatenated; what follows and is none is padding.
  Result<bool> Ready(platform::File& file) {
    if (waiting_.empty()) {
      auto more = Refill(file);
      if (!more) return more;
    }
    if (!member_ended_) return !waiting_.empty();
    done_ = waiting_.empty() || !decoder_->BeginsMember(waiting_[0]);
    if (!done_) decoder_->Reset();
    member_ended_ = false;
    return !done_;
  }

  const std::unique_ptr<Decoder> decoder_;
  std::span<char> waiting_;  // packed bytes that were read and not yet taken
  uint64_t packed_ = 0;
  bool member_ended_ = false;
  bool damaged_ = false;
  bool done_ = false;
  std::array<char, kPackedChunk> packed_bytes_;
};

// Keeps the unpacked bytes that may be asked for again: from the last Consumed on.
class UnpackingSource final : public TailSource {
 public:
  UnpackingSource(std::shared_ptr<platform::File> file, Packing packing)
      : TailSource(std::move(file)), packing_(packing) {}

  void Consumed(uint64_t consumed) override { consumed_ = std::max(consumed_, consumed); }

 private:
  Result<size_t> Fetch(platform::File& file, uint64_t offset, std::span<char> into) override {
    if (offset < start_ || unpacker_ == nullptr) {  // before what is kept: from the beginning again
      unpacker_ = std::make_unique<Unpacker>(packing_);
      window_bytes_.clear();
      start_ = 0;
    }
    DropBelow(std::min(std::max(consumed_, start_), offset));
    while (start_ + window_bytes_.size() < offset + into.size()) {
      const size_t old = window_bytes_.size();
      const size_t step = std::max<size_t>(into.size(), kPackedChunk);
      window_bytes_.resize(old + step);
      auto got = unpacker_->Next(file, {window_bytes_.data() + old, step});
      window_bytes_.resize(old + (got ? *got : 0));
      if (!got && window_bytes_.size() + start_ <= offset) return Forward(got);
      if (!got || *got == 0) break;
      DropBelow(std::min(offset, start_ + window_bytes_.size()));
    }
    if (offset >= start_ + window_bytes_.size()) return size_t{0};
    const size_t at = static_cast<size_t>(offset - start_);
    const size_t count = std::min(into.size(), window_bytes_.size() - at);
    std::memcpy(into.data(), window_bytes_.data() + at, count);
    return count;
  }

  void DropBelow(uint64_t offset) {
    if (offset <= start_) return;
    const size_t gone = static_cast<size_t>(std::min<uint64_t>(offset - start_, window_bytes_.size()));
    window_bytes_.erase(window_bytes_.begin(), window_bytes_.begin() + static_cast<std::ptrdiff_t>(gone));
    start_ += gone;
  }

  const Packing packing_;
  std::unique_ptr<Unpacker> unpacker_;  // many wait for their turn: none before the first read
  std::vector<char> window_bytes_;  // unpacked bytes from start_ on
  uint64_t start_ = 0;
  uint64_t consumed_ = 0;
};

class UnpackedFile final : public platform::File {
 public:
  UnpackedFile(Packing packing, std::shared_ptr<platform::File> file)
      : file_(std::move(file)), source_(file_, packing) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override {
    MutexLock lock(mutex_);
    source_.Consumed(offset);
    return source_.ReadAt(offset, into);
  }
  Status Write(std::string_view) override { return Fail(Code::kInternal, "an archive is not written"); }
  Result<platform::FileStat> Stat() override { return file_->Stat(); }
  Status Sync() override { return {}; }
  Result<bool> TryLock() override { return false; }

 private:
  const std::shared_ptr<platform::File> file_;
  Mutex mutex_;
  UnpackingSource source_ AGENT_GUARDED_BY(mutex_);
};

}  // namespace

std::shared_ptr<platform::File> MakeUnpackedFile(Packing packing, std::shared_ptr<platform::File> file) {
  return std::make_shared<UnpackedFile>(packing, std::move(file));
}

Result<std::unique_ptr<TailSource>> MakeUnpackingSource(Packing packing, std::shared_ptr<platform::File> file) {
  if (packing == Packing::kPlain) return std::make_unique<PlainSource>(std::move(file));
  return std::make_unique<UnpackingSource>(std::move(file), packing);
}

Result<Fingerprint> UnpackedHead(Packing packing, const std::shared_ptr<platform::File>& file, uint32_t length) {
  auto source = MakeUnpackingSource(packing, file);
  if (!source) return Forward(source);
  std::array<char, Fingerprint::kMost> bytes;
  auto got = (*source)->ReadAt(0, std::span(bytes).first(std::min<size_t>(length, bytes.size())));
  if (!got) return Forward(got);
  return FingerprintOf({bytes.data(), *got});
}

}  // namespace agent::source
