// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "agent/platform/fs.h"

namespace agent::platform {
namespace {

std::unexpected<Error> SystemError(const char* call, const std::string& path, int number) {
  return Fail(CodeOf(number), std::string(call) + " " + path + ": " + std::generic_category().message(number),
              number);
}

FileType TypeOf(mode_t mode) {
  if (S_ISREG(mode)) return FileType::kRegular;
  if (S_ISDIR(mode)) return FileType::kDirectory;
  if (S_ISLNK(mode)) return FileType::kSymlink;
  return FileType::kOther;
}

int64_t Nanos(const statx_timestamp& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

// One call for both: statx knows the birth time that stat has no field for.
int StatInto(int directory, const char* path, int flags, FileStat& out) {
  struct statx got {};
  constexpr unsigned kWanted = STATX_BASIC_STATS | STATX_BTIME;
  if (::statx(directory, path, flags | AT_STATX_SYNC_AS_STAT, kWanted, &got) != 0) return errno;
  out.type = TypeOf(got.stx_mode);
  out.device = makedev(got.stx_dev_major, got.stx_dev_minor);
  out.inode = got.stx_ino;
  out.size = got.stx_size;
  out.links = got.stx_nlink;
  out.mode = got.stx_mode & 07777U;
  out.modified_ns = Nanos(got.stx_mtime);
  out.born_ns = (got.stx_mask & STATX_BTIME) != 0 ? Nanos(got.stx_btime) : 0;
  return 0;
}

class LinuxFile final : public File {
 public:
  LinuxFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~LinuxFile() override { ::close(descriptor_); }
  LinuxFile(const LinuxFile&) = delete;
  LinuxFile& operator=(const LinuxFile&) = delete;

  Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override {
    while (true) {
      const ssize_t got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) return SystemError("read", path_, errno);
    }
  }

  Status Write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t put = ::write(descriptor_, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return SystemError("write", path_, errno);
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return {};
  }

  Result<FileStat> Stat() override {
    FileStat stat;
    const int error = StatInto(descriptor_, "", AT_EMPTY_PATH, stat);
    if (error != 0) return SystemError("stat", path_, error);
    return stat;
  }

  Status Sync() override {
    while (::fsync(descriptor_) != 0) {
      if (errno != EINTR) return SystemError("fsync", path_, errno);
    }
    return {};
  }

  Result<bool> TryLock() override {
    while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return false;
      if (errno != EINTR) return SystemError("lock", path_, errno);
    }
    return true;
  }

 private:
  const int descriptor_;
  const std::string path_;
};

class LinuxFs final : public Fs {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode, uint32_t permissions) override {
    int flags = O_CLOEXEC | O_NOCTTY;
    switch (mode) {
      case OpenMode::kRead: flags |= O_RDONLY | O_NONBLOCK; break;
      case OpenMode::kTruncate: flags |= O_WRONLY | O_CREAT | O_TRUNC | O_APPEND; break;
      case OpenMode::kLock: flags |= O_RDWR | O_CREAT | O_APPEND; break;
    }
    int descriptor = -1;
    do {
      descriptor = ::open(path.c_str(), flags, static_cast<mode_t>(permissions));
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0) return SystemError("open", path, errno);
    return std::make_unique<LinuxFile>(descriptor, path);
  }

  Result<FileStat> Stat(const std::string& path) override { return StatPath(path, 0); }
  Result<FileStat> LinkStat(const std::string& path) override { return StatPath(path, AT_SYMLINK_NOFOLLOW); }

  Result<std::vector<DirEntry>> List(const std::string& directory) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), &::closedir);
    if (stream == nullptr) return SystemError("list", directory, errno);
    std::vector<DirEntry> entries;
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(stream.get());  // NOLINT: each stream has one user
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      entries.push_back({std::string(name), EntryType(entry->d_type), entry->d_ino});
    }
    if (errno != 0) return SystemError("list", directory, errno);
    return entries;
  }

  Result<std::string> RealPath(const std::string& path) override {
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), &::free);
    if (real == nullptr) return SystemError("resolve", path, errno);
    return std::string(real.get());
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return SystemError("rename", from, errno);
    return {};
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return SystemError("remove", path, errno);
    return {};
  }

  Status MakeDirectory(const std::string& path, uint32_t permissions) override {
    if (::mkdir(path.c_str(), static_cast<mode_t>(permissions)) != 0) return SystemError("mkdir", path, errno);
    return {};
  }

  Status SyncDirectory(const std::string& directory) override {
    const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return SystemError("open", directory, errno);
    LinuxFile handle(descriptor, directory);
    return handle.Sync();
  }

  Result<DiskSpace> Space(const std::string& path) override {
    struct statfs got {};
    if (::statfs(path.c_str(), &got) != 0) return SystemError("statfs", path, errno);
    const auto block = static_cast<uint64_t>(got.f_bsize);
    return DiskSpace{got.f_blocks * block, got.f_bavail * block, IsRemote(static_cast<uint64_t>(got.f_type))};
  }

 private:
  static Result<FileStat> StatPath(const std::string& path, int flags) {
    FileStat stat;
    const int error = StatInto(AT_FDCWD, path.c_str(), flags, stat);
    if (error != 0) return SystemError("stat", path, error);
    return stat;
  }

  static FileType EntryType(unsigned char type) {
    switch (type) {
      case DT_REG: return FileType::kRegular;
      case DT_DIR: return FileType::kDirectory;
      case DT_LNK: return FileType::kSymlink;
      case DT_UNKNOWN: return FileType::kUnknown;
      default: return FileType::kOther;
    }
  }

  static bool IsRemote(uint64_t magic) {
    constexpr uint64_t kCifs = 0xFF534D42, kSmb2 = 0xFE534D42, kFuse = 0x65735546, kCeph = 0x00C36400,
                       k9p = 0x01021997, kLustre = 0x0BD00BD0, kGfs2 = 0x01161970;
    switch (magic & 0xFFFFFFFFU) {
      case NFS_SUPER_MAGIC:
      case SMB_SUPER_MAGIC:
      case kCifs:
      case kSmb2:
      case kFuse:
      case kCeph:
      case k9p:
      case kLustre:
      case kGfs2: return true;
      default: return false;
    }
  }
};

}  // namespace

Fs& RealFs() {
  static LinuxFs fs;
  return fs;
}

}  // namespace agent::platform
