// SPDX-License-Identifier: Apache-2.0
// Sources for packed files: rotated `.gz` archives and decompression targets.
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

// Unpacks forwards, as often over as there are members in the file.
class Inflater {
 public:
  explicit Inflater(int window) : window_(window) { Start(); }
  ~Inflater() { ::inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Fills `into` as far as the file goes. What was unpacked before an error is given
  // first: it cannot be unpacked again.
  Result<size_t> Next(platform::File& file, std::span<char> into) {
    size_t filled = 0;
    while (filled < into.size() && !done_) {
      auto ready = Ready(file);
      if (!ready && filled > 0) break;
      if (!ready) return Forward(ready);
      if (!*ready) break;
      stream_.next_out = reinterpret_cast<Bytef*>(into.data() + filled);
      stream_.avail_out = static_cast<uInt>(into.size() - filled);
      const int code = ::inflate(&stream_, Z_NO_FLUSH);
      filled = into.size() - stream_.avail_out;
      if (code == Z_STREAM_END) {
        member_ended_ = true;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        if (filled > 0) break;  // the good bytes first
        return Fail(Code::kCorrupt, "the compressed data is damaged");
      }
    }
    return filled;
  }

 private:
  void Start() {
    std::memset(&stream_, 0, sizeof stream_);
    ::inflateInit2(&stream_, window_);
  }
  Result<bool> Refill(platform::File& file) {
    auto got = ReadFully(file, packed_, packed_bytes_);
    if (!got) return Forward(got);
    packed_ += *got;
    stream_.next_in = reinterpret_cast<Bytef*>(packed_bytes_.data());
    stream_.avail_in = static_cast<uInt>(*got);
    return *got > 0;
  }
  // There are bytes to unpack. Without any the file is cut off (what follows may still be
  // written) or at its end. gzip files may be concatenated; what follows and is no member
  // is padding.
  Result<bool> Ready(platform::File& file) {
    if (stream_.avail_in == 0) {
      auto more = Refill(file);
      if (!more) return more;
    }
    if (!member_ended_) return stream_.avail_in > 0;
    done_ = stream_.avail_in == 0 || window_ != kGzipWindow || stream_.next_in[0] != 0x1F;
    if (!done_) ::inflateReset(&stream_);
    member_ended_ = false;
    return !done_;
  }

  const int window_;
  z_stream stream_;
  uint64_t packed_ = 0;
  bool member_ended_ = false;
  bool done_ = false;
  std::array<char, kPackedChunk> packed_bytes_;
};

// Keeps the unpacked bytes that may be asked for again: from the last Consumed on.
class InflateSource final : public TailSource {
 public:
  InflateSource(std::shared_ptr<platform::File> file, int window)
      : TailSource(std::move(file)), window_(window), inflater_(std::make_unique<Inflater>(window)) {}

  void Consumed(uint64_t consumed) override { consumed_ = std::max(consumed_, consumed); }

 private:
  Result<size_t> Fetch(platform::File& file, uint64_t offset, std::span<char> into) override {
    if (offset < start_) {  // before what is kept: from the beginning again
      inflater_ = std::make_unique<Inflater>(window_);
      window_bytes_.clear();
      start_ = 0;
    }
    DropBelow(std::min(std::max(consumed_, start_), offset));
    while (start_ + window_bytes_.size() < offset + into.size()) {
      const size_t old = window_bytes_.size();
      const size_t step = std::max<size_t>(into.size(), kPackedChunk);
      window_bytes_.resize(old + step);
      auto got = inflater_->Next(file, {window_bytes_.data() + old, step});
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

  const int window_;
  std::unique_ptr<Inflater> inflater_;
  std::vector<char> window_bytes_;  // unpacked bytes from start_ on
  uint64_t start_ = 0;
  uint64_t consumed_ = 0;
};

}  // namespace

Result<std::unique_ptr<TailSource>> MakeUnpackingSource(Packing packing, std::shared_ptr<platform::File> file) {
  switch (packing) {
    case Packing::kPlain: return std::make_unique<PlainSource>(std::move(file));
    case Packing::kGzip: return std::make_unique<InflateSource>(std::move(file), kGzipWindow);
    case Packing::kZlib: return std::make_unique<InflateSource>(std::move(file), kZlibWindow);
    case Packing::kBzip2: break;
  }
  return Fail(Code::kConfig, "bz2 is not supported");
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
