// SPDX-License-Identifier: Apache-2.0
#include "tests/support/faulty_fs.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace agent::testing {

using platform::OpenMode;

namespace {

std::unexpected<Error> Failure(const std::string& path, int number) {
  return Fail(platform::CodeOf(number), path + ": " + std::generic_category().message(number), number);
}

}  // namespace

int FaultyFs::Check(FsCall call, const std::string& path) {
  if (before_) before_(call, path);
  if (calls_++ >= crash_at_) return EIO;
  if (const auto found = always_.find(call); found != always_.end()) return found->second;
  if (const auto found = sometimes_.find(call); found != sometimes_.end() && OneIn(found->second.one_in)) {
    return found->second.sys_errno;
  }
  return 0;
}

void FaultyFs::Heal() {
  sometimes_.clear();
  always_.clear();
  short_reads_ = 0;
  space_ = UINT64_MAX;
}

class FaultyFs::FaultyFile final : public platform::File {
 public:
  FaultyFile(FaultyFs& fs, std::unique_ptr<platform::File> base, std::string path)
      : fs_(fs), base_(std::move(base)), path_(std::move(path)) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override {
    if (const int error = fs_.Check(FsCall::kRead, path_); error != 0) return Failure(path_, error);
    if (into.size() > 1 && fs_.OneIn(fs_.short_reads_)) into = into.first(1 + fs_.random_() % (into.size() - 1));
    return base_->ReadAt(offset, into);
  }
  Status Write(std::string_view bytes) override {
    const bool was_crashed = fs_.crashed();
    int error = fs_.Check(FsCall::kWrite, path_);
    if (error != 0 && fs_.crashed() && !was_crashed) {
      (void)base_->Write(bytes.substr(0, bytes.size() / 2)).has_value();
    }
    if (error != 0) return Failure(path_, error);
    const std::string_view fits = bytes.substr(0, std::min<uint64_t>(bytes.size(), fs_.space_));
    if (fs_.space_ != UINT64_MAX) fs_.space_ -= fits.size();
    if (Status put = base_->Write(fits); !put) return put;
    if (fits.size() < bytes.size()) return Failure(path_, ENOSPC);
    return {};
  }
  Result<platform::FileStat> Stat() override {
    if (const int error = fs_.Check(FsCall::kFileStat, path_); error != 0) return Failure(path_, error);
    return base_->Stat();
  }
  Status Sync() override {
    if (const int error = fs_.Check(FsCall::kSync, path_); error != 0) return Failure(path_, error);
    return base_->Sync();
  }
  Result<bool> TryLock() override {
    if (const int error = fs_.Check(FsCall::kLock, path_); error != 0) return Failure(path_, error);
    return base_->TryLock();
  }

 private:
  FaultyFs& fs_;
  const std::unique_ptr<platform::File> base_;
  const std::string path_;
};

Result<std::unique_ptr<platform::File>> FaultyFs::Open(const std::string& path, OpenMode mode,
                                                       uint32_t permissions) {
  const FsCall call = mode == OpenMode::kRead ? FsCall::kOpenRead : FsCall::kOpenWrite;
  if (const int error = Check(call, path); error != 0) return Failure(path, error);
  auto file = base_.Open(path, mode, permissions);
  if (!file) return Forward(file);
  return std::make_unique<FaultyFile>(*this, std::move(*file), path);
}

Result<platform::FileStat> FaultyFs::Stat(const std::string& path) {
  if (const int error = Check(FsCall::kStat, path); error != 0) return Failure(path, error);
  return base_.Stat(path);
}

Result<platform::FileStat> FaultyFs::LinkStat(const std::string& path) {
  if (const int error = Check(FsCall::kStat, path); error != 0) return Failure(path, error);
  return base_.LinkStat(path);
}

Result<std::vector<platform::DirEntry>> FaultyFs::List(const std::string& directory) {
  if (const int error = Check(FsCall::kList, directory); error != 0) return Failure(directory, error);
  return base_.List(directory);
}

Result<std::string> FaultyFs::RealPath(const std::string& path) {
  if (const int error = Check(FsCall::kRealPath, path); error != 0) return Failure(path, error);
  return base_.RealPath(path);
}

Status FaultyFs::Rename(const std::string& from, const std::string& to) {
  if (const int error = Check(FsCall::kRename, from); error != 0) return Failure(from, error);
  return base_.Rename(from, to);
}

Status FaultyFs::Remove(const std::string& path) {
  if (const int error = Check(FsCall::kRemove, path); error != 0) return Failure(path, error);
  return base_.Remove(path);
}

Status FaultyFs::MakeDirectory(const std::string& path, uint32_t permissions) {
  if (const int error = Check(FsCall::kMakeDirectory, path); error != 0) return Failure(path, error);
  return base_.MakeDirectory(path, permissions);
}

Status FaultyFs::SyncDirectory(const std::string& directory) {
  if (const int error = Check(FsCall::kSyncDirectory, directory); error != 0) return Failure(directory, error);
  return base_.SyncDirectory(directory);
}

Result<platform::DiskSpace> FaultyFs::Space(const std::string& path) {
  if (const int error = Check(FsCall::kSpace, path); error != 0) return Failure(path, error);
  return base_.Space(path);
}

}  // namespace agent::testing
