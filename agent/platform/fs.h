// SPDX-License-Identifier: Apache-2.0
// The file system behind one interface, so that rotation, full disks and crashes are
// unit tests. RealFs() is Linux; tests/support has a memory twin (MemFs) and one that
// fails on a seeded schedule (FaultyFs).
//
// Threads: an Fs and a File are thread-safe (a File's reads carry their offset).
// Failure: every call may fail; Error::sys_errno is the system's number, Error::what
// names the call and the path. kRetry = interrupted, ask again; kNotFound = no such
// path; kPermission, kLimit (no space, no descriptors), kIo = the rest.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"

namespace agent::platform {

enum class FileType : uint8_t { kRegular, kDirectory, kSymlink, kOther, kUnknown };

struct FileStat {
  FileType type = FileType::kUnknown;
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  uint64_t links = 0;    // names it has; 0 = deleted, alive only through open handles
  uint32_t mode = 0;     // permission bits
  int64_t modified_ns = 0;
  int64_t born_ns = 0;   // 0 where the file system does not say
};

struct DirEntry {
  std::string name;
  FileType type = FileType::kUnknown;  // of the entry itself: a link is a link
  uint64_t inode = 0;
};

struct DiskSpace {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;  // for unprivileged users
  bool remote = false;      // a network or user-space file system: inotify sees nothing there
};

class File {
 public:
  virtual ~File() = default;
  // Up to into.size() bytes at `offset`, perhaps fewer; 0 = end of file.
  virtual Result<size_t> ReadAt(uint64_t offset, std::span<char> into) = 0;
  // Appends all of `bytes`, or fails having written a part of them.
  virtual Status Write(std::string_view bytes) = 0;
  virtual Result<FileStat> Stat() = 0;
  // Returns when the content has reached the disk.
  virtual Status Sync() = 0;
  // Exclusive lock for as long as the handle lives; false = someone else has it.
  virtual Result<bool> TryLock() = 0;
};

enum class OpenMode {
  kRead,      // existing, read only; never blocks (a FIFO)
  kTruncate,  // write; created or emptied
  kLock,      // read and write; created if missing, content kept
};

class Fs {
 public:
  virtual ~Fs() = default;

  // `permissions` are for a file that is created.
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode,
                                             uint32_t permissions = 0600) = 0;
  virtual Result<FileStat> Stat(const std::string& path) = 0;      // follows symlinks
  virtual Result<FileStat> LinkStat(const std::string& path) = 0;  // does not
  // Without "." and "..", in no order.
  virtual Result<std::vector<DirEntry>> List(const std::string& directory) = 0;
  // Absolute, without symlinks.
  virtual Result<std::string> RealPath(const std::string& path) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  virtual Status MakeDirectory(const std::string& path, uint32_t permissions) = 0;
  // Returns when names in the directory have reached the disk.
  virtual Status SyncDirectory(const std::string& directory) = 0;
  virtual Result<DiskSpace> Space(const std::string& path) = 0;
};

Fs& RealFs();

// The whole of a file; fails with kLimit if it is larger than `limit`.
Result<std::string> ReadWhole(Fs& fs, const std::string& path, uint64_t limit);

// "/a/b.log" -> "/a" and "b.log"; "/b.log" -> "/" and "b.log".
std::string_view DirectoryOf(std::string_view path);
std::string_view BaseOf(std::string_view path);
std::string Join(std::string_view directory, std::string_view name);

// The code that belongs to an errno.
Code CodeOf(int sys_errno);

}  // namespace agent::platform
