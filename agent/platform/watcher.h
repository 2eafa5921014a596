// SPDX-License-Identifier: Apache-2.0
// Changes of directories, behind one interface: inotify, or MemFs in tests. One
// instance serves the whole process; it watches directories only, and events name the
// entry that changed.
//
// Two paths of one directory share one watch: Watch returns the same number and the
// newer mask replaces the older (as inotify does). Not thread-safe: io thread only.
// Limits: the kernel's max_user_watches (Watch fails with kLimit) and its queue, whose
// overflow arrives as one event with kOverflow; then look at everything again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"

namespace agent::platform {

namespace watch {  // bits as in <sys/inotify.h>
inline constexpr uint32_t kModify = 0x2;
inline constexpr uint32_t kAttrib = 0x4;
inline constexpr uint32_t kMovedFrom = 0x40;
inline constexpr uint32_t kMovedTo = 0x80;
inline constexpr uint32_t kCreate = 0x100;
inline constexpr uint32_t kDelete = 0x200;
inline constexpr uint32_t kDeleteSelf = 0x400;
inline constexpr uint32_t kMoveSelf = 0x800;
inline constexpr uint32_t kUnmount = 0x2000;   // events only
inline constexpr uint32_t kOverflow = 0x4000;  // events only; watch is -1
inline constexpr uint32_t kIgnored = 0x8000;   // events only: the watch is gone
inline constexpr uint32_t kIsDirectory = 0x40000000;
}  // namespace watch

struct WatchEvent {
  int watch = -1;
  uint32_t mask = 0;
  uint32_t cookie = 0;    // pairs kMovedFrom with its kMovedTo
  std::string_view name;  // of the entry; valid until the next Read
};

class Watcher {
 public:
  virtual ~Watcher() = default;
  // Adds a watch, or replaces the mask of the one that is there.
  virtual Result<int> Watch(const std::string& directory, uint32_t mask) = 0;
  virtual void Unwatch(int watch) = 0;
  // Appends what has happened since the last call, up to a buffer's worth; false =
  // there was nothing. Call until it says so.
  virtual bool Read(std::vector<WatchEvent>& events) = 0;
  // Becomes readable when there are events; -1 if there is no such thing (tests).
  virtual int fd() const = 0;
};

Result<std::unique_ptr<Watcher>> MakeInotify();

}  // namespace agent::platform
