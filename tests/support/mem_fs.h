// SPDX-License-Identifier: Apache-2.0
// A file system in memory, the twin of RealFs() and of inotify.
//
// What it is true to: inodes and hard names are different things; open handles survive
// rename and unlink; a freed inode number is given to the next file; symlinks; renames
// that replace; flock; watches produce the events that inotify would, in its order,
// with equal neighbours merged and a queue that overflows; content that was not fsynced
// and names whose directory was not are lost in a Crash.
// Permission bits: a file or directory without an owner's read bit cannot be opened.
// Thread-safe (one mutex), so that lanes may read from their own threads.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/mutex.h"
#include "agent/platform/fs.h"
#include "agent/platform/watcher.h"
#include "tests/support/manual_clock.h"

namespace agent::testing {

class MemFs final : public platform::Fs {
 public:
  struct Inode;
  struct Handle {  // a writer's descriptor
    std::shared_ptr<Inode> inode;
  };

  explicit MemFs(Clock& clock);
  ~MemFs() override;

  // -- the interface --
  Result<std::unique_ptr<platform::File>> Open(const std::string& path, platform::OpenMode mode,
                                               uint32_t permissions = 0600) override;
  Result<platform::FileStat> Stat(const std::string& path) override;
  Result<platform::FileStat> LinkStat(const std::string& path) override;
  Result<std::vector<platform::DirEntry>> List(const std::string& directory) override;
  Result<std::string> RealPath(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status MakeDirectory(const std::string& path, uint32_t permissions) override;
  Status SyncDirectory(const std::string& directory) override;
  Result<platform::DiskSpace> Space(const std::string& path) override;

  // -- what writers do; a failure is a bug of the test and aborts --
  void MakeDirectories(const std::string& path);
  void Append(const std::string& path, std::string_view bytes);  // creates
  std::shared_ptr<Handle> OpenToAppend(const std::string& path);  // creates
  void Append(const std::shared_ptr<Handle>& handle, std::string_view bytes);
  void Overwrite(const std::string& path, std::string_view bytes);  // truncate, write
  void Truncate(const std::string& path, uint64_t size);
  void Move(const std::string& from, const std::string& to);
  void Unlink(const std::string& path);
  void RemoveAll(const std::string& path);
  void Symlink(const std::string& target, const std::string& path);
  void Chmod(const std::string& path, uint32_t mode);
  std::string Content(const std::string& path);
  bool Exists(const std::string& path);
  uint64_t InodeOf(const std::string& path);

  // -- watches --
  std::unique_ptr<platform::Watcher> MakeWatcher();
  void set_max_queued_events(size_t most) { max_queued_ = most; }
  void set_max_watches(size_t most) { max_watches_ = most; }
  void set_events_per_read(size_t most) { events_per_read_ = most; }
  size_t watches() const;

  // -- properties of the disk --
  void set_has_birth_times(bool has) { has_birth_times_ = has; }
  void set_remote(bool remote) { remote_ = remote; }
  // New files get inode numbers that were freed, newest first.
  void set_reuse_inodes(bool reuse) { reuse_inodes_ = reuse; }
  enum class Lost {
    kNothing,          // the process was killed, the machine lives
    kUnsyncedContent,  // names survive, bytes that were not fsynced do not
    kUnsynced,         // nothing that was not fsynced survives
  };
  // Everything so far is on the disk.
  void SyncAll();
  // Drops what the machine's crash would; open handles and watches are dead afterwards.
  void Crash(Lost lost);
  size_t open_handles() const;  // of readers

 private:
  class MemFile;
  class MemWatcher;
  using InodePtr = std::shared_ptr<Inode>;
  struct Place {  // where a path ends
    InodePtr parent;
    std::string name;
    InodePtr inode;  // null if there is no such name
    std::string real;
  };

  InodePtr NewInode(platform::FileType type, uint32_t mode) AGENT_REQUIRES(mutex_);
  void Unlinked(const InodePtr& inode) AGENT_REQUIRES(mutex_);
  void FreeIfUnused(Inode& inode) AGENT_REQUIRES(mutex_);
  int Walk(const std::string& path, bool follow_last, Place& place, int depth = 0) AGENT_REQUIRES(mutex_);
  void AddName(const InodePtr& parent, const std::string& name, const InodePtr& inode) AGENT_REQUIRES(mutex_);
  int DropName(const Place& place) AGENT_REQUIRES(mutex_);
  InodePtr CreateAt(const Place& place, platform::FileType type, uint32_t mode) AGENT_REQUIRES(mutex_);
  InodePtr OpenOrCreate(const std::string& path) AGENT_REQUIRES(mutex_);
  void RemoveTree(const std::string& path) AGENT_REQUIRES(mutex_);
  int RenameLocked(const std::string& from, const std::string& to) AGENT_REQUIRES(mutex_);
  platform::FileStat StatOf(const Inode& inode) const AGENT_REQUIRES(mutex_);
  void WriteTo(Inode& inode, std::string_view bytes) AGENT_REQUIRES(mutex_);
  void Touch(Inode& inode) AGENT_REQUIRES(mutex_);
  void NotifyModified(Inode& inode, uint32_t mask) AGENT_REQUIRES(mutex_);
  void Notify(Inode& directory, uint32_t mask, const std::string& name, uint32_t cookie = 0) AGENT_REQUIRES(mutex_);
  void Restore(const InodePtr& inode, Lost lost, std::set<Inode*>& seen) AGENT_REQUIRES(mutex_);

  Clock& clock_;
  mutable Mutex mutex_;
  InodePtr root_;
  uint64_t next_inode_ = 100;
  std::vector<uint64_t> free_inodes_;
  uint32_t next_cookie_ = 1;
  size_t open_handles_ = 0;
  std::vector<MemWatcher*> watchers_;
  size_t max_queued_ = 16384, max_watches_ = 100000, events_per_read_ = 1000;
  bool has_birth_times_ = true, remote_ = false, reuse_inodes_ = true;
};

}  // namespace agent::testing
