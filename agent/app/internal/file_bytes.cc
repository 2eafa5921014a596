// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/file_bytes.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/platform/fs.h"

namespace agent::app {
namespace {

class PlainFile final : public ByteSource {
 public:
  explicit PlainFile(std::unique_ptr<platform::File> file) : file_(std::move(file)) {}
  Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override { return file_->ReadAt(offset, into); }

 private:
  std::unique_ptr<platform::File> file_;
};

// A pipe cannot be read twice: what was read and not consumed stays in memory.
class Pipe final : public ByteSource {
 public:
  Pipe(int descriptor, bool waits) : descriptor_(descriptor), waits_(waits) {}

  bool ended() const { return end_; }

  Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override {
    size_t have = kept_.size() - static_cast<size_t>(offset - first_);
    if (have < into.size() && !end_ && (waits_ || Ready())) {
      const ssize_t n = ReadOnce(into.size() - have);
      if (n < 0) return Fail(Code::kIo, std::string("cannot read standard input: ") + std::strerror(errno), errno);
      if (n == 0) end_ = true;
      have += static_cast<size_t>(n);
    }
    const size_t n = std::min(have, into.size());
    std::memcpy(into.data(), kept_.data() + (offset - first_), n);
    return n;
  }
  void Consumed(uint64_t consumed) override {
    kept_.erase(0, static_cast<size_t>(consumed - first_));
    first_ = consumed;
  }

 private:
  ssize_t ReadOnce(size_t most) {
    const size_t before = kept_.size();
    kept_.resize(before + most);
    ssize_t n = 0;
    do {
      n = ::read(descriptor_, kept_.data() + before, most);
    } while (n < 0 && errno == EINTR);
    kept_.resize(before + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    return n;
  }

  bool Ready() const {
    pollfd wait{descriptor_, POLLIN, 0};
    return poll(&wait, 1, 0) > 0;
  }

  const int descriptor_;
  const bool waits_;
  std::string kept_;
  uint64_t first_ = 0;
  bool end_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> OpenForDryRun(const std::string& path) {
  if (path == "-") return std::unique_ptr<ByteSource>(std::make_unique<Pipe>(STDIN_FILENO, true));
  auto file = platform::RealFs().Open(path, platform::OpenMode::kRead);
  if (!file) return Forward(file);
  const auto stat = (*file)->Stat();
  if (stat && stat->type == platform::FileType::kDirectory) {
    return Fail(Code::kConfig, path + " is a directory; name the log files in it");
  }
  return std::unique_ptr<ByteSource>(std::make_unique<PlainFile>(std::move(*file)));
}

std::unique_ptr<ByteSource> OpenStdin() { return std::make_unique<Pipe>(STDIN_FILENO, false); }

bool StdinEnded(const ByteSource& stdin_bytes) { return static_cast<const Pipe&>(stdin_bytes).ended(); }

}  // namespace agent::app
