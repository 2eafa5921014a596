// SPDX-License-Identifier: Apache-2.0
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "agent/platform/fs.h"
#include "agent/platform/watcher.h"

namespace agent::platform {
namespace {

static_assert(watch::kModify == IN_MODIFY && watch::kAttrib == IN_ATTRIB);
static_assert(watch::kMovedFrom == IN_MOVED_FROM && watch::kMovedTo == IN_MOVED_TO);
static_assert(watch::kCreate == IN_CREATE && watch::kDelete == IN_DELETE);
static_assert(watch::kDeleteSelf == IN_DELETE_SELF && watch::kMoveSelf == IN_MOVE_SELF);
static_assert(watch::kUnmount == IN_UNMOUNT && watch::kOverflow == IN_Q_OVERFLOW);
static_assert(watch::kIgnored == IN_IGNORED && watch::kIsDirectory == IN_ISDIR);

class Inotify final : public Watcher {
 public:
  explicit Inotify(int descriptor) : descriptor_(descriptor) {}
  ~Inotify() override { ::close(descriptor_); }
  Inotify(const Inotify&) = delete;
  Inotify& operator=(const Inotify&) = delete;

  Result<int> Watch(const std::string& directory, uint32_t mask) override {
    const int watch = ::inotify_add_watch(descriptor_, directory.c_str(), mask | IN_ONLYDIR);
    if (watch >= 0) return watch;
    const int number = errno;
    std::string why = std::generic_category().message(number);
    if (number == ENOSPC) why = "the limit fs.inotify.max_user_watches is reached";
    return Fail(CodeOf(number), "watch " + directory + ": " + why, number);
  }

  void Unwatch(int watch) override { ::inotify_rm_watch(descriptor_, watch); }

  bool Read(std::vector<WatchEvent>& events) override {
    ssize_t got = 0;
    do {
      got = ::read(descriptor_, buffer_.data(), buffer_.size());
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return false;
    const char* at = buffer_.data();
    const char* const end = at + got;
    while (at < end) {
      inotify_event event;
      std::memcpy(&event, at, sizeof event);
      const char* name = at + sizeof event;
      events.push_back({event.wd, event.mask, event.cookie, {name, ::strnlen(name, event.len)}});
      at = name + event.len;
    }
    return true;
  }

  int fd() const override { return descriptor_; }

 private:
  const int descriptor_;
  std::array<char, 64 * 1024> buffer_;
};

}  // namespace

Result<std::unique_ptr<Watcher>> MakeInotify() {
  const int descriptor = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor < 0) {
    const int number = errno;
    const char* hint = number == EMFILE ? " (the limit fs.inotify.max_user_instances is reached)" : "";
    return Fail(CodeOf(number), "inotify: " + std::generic_category().message(number) + hint, number);
  }
  return std::make_unique<Inotify>(descriptor);
}

}  // namespace agent::platform
