// SPDX-License-Identifier: Apache-2.0
// A file system that fails: wraps another one and breaks calls on a seeded schedule,
// on demand, or for good after the n-th call (a crash). A hook runs before each call,
// for what happens "in the middle": a rotation between two reads, say.
// The wrapped file system must outlive it, and it its files. Thread-compatible.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "agent/platform/fs.h"

namespace agent::testing {

enum class FsCall {
  kOpenRead, kOpenWrite, kRead, kWrite, kFileStat, kSync, kLock, kStat, kList,
  kRealPath, kRename, kRemove, kMakeDirectory, kSyncDirectory, kSpace,
};

class FaultyFs final : public platform::Fs {
 public:
  explicit FaultyFs(platform::Fs& base, uint64_t seed = 1) : base_(base), random_(seed) {}

  // One call in `one_in` fails with this errno.
  void FailSometimes(FsCall call, int sys_errno, unsigned one_in) { sometimes_[call] = {sys_errno, one_in}; }
  // Every call fails until Heal().
  void FailAlways(FsCall call, int sys_errno) { always_[call] = sys_errno; }
  void Heal();
  // One read in `one_in` returns fewer bytes than it could.
  void set_short_reads(unsigned one_in) { short_reads_ = one_in; }
  // Bytes that can be written before ENOSPC; a write stops in the middle.
  void set_space(uint64_t bytes) { space_ = bytes; }
  // The call with this number (from 0) and all later ones fail; a write that is cut
  // off has written the first half of its bytes.
  void CrashAt(uint64_t call) { crash_at_ = call; }
  bool crashed() const { return calls_ > crash_at_; }
  uint64_t calls() const { return calls_; }
  void set_before(std::function<void(FsCall, const std::string&)> hook) { before_ = std::move(hook); }

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

 private:
  class FaultyFile;
  struct Sometimes {
    int sys_errno;
    unsigned one_in;
  };
  bool OneIn(unsigned n) { return n > 0 && random_() % n == 0; }
  // 0, or the errno with which this call fails.
  int Check(FsCall call, const std::string& path);

  platform::Fs& base_;
  std::mt19937_64 random_;
  std::map<FsCall, Sometimes> sometimes_;
  std::map<FsCall, int> always_;
  unsigned short_reads_ = 0;
  uint64_t space_ = UINT64_MAX;
  uint64_t calls_ = 0;
  uint64_t crash_at_ = UINT64_MAX;
  std::function<void(FsCall, const std::string&)> before_;
};

}  // namespace agent::testing
