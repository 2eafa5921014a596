// SPDX-License-Identifier: Apache-2.0
#include "agent/platform/fs.h"

#include <cerrno>

namespace agent::platform {

Result<std::string> ReadWhole(Fs& fs, const std::string& path, uint64_t limit) {
  auto file = fs.Open(path, OpenMode::kRead);
  if (!file) return Forward(file);
  std::string content;
  constexpr size_t kStep = 64 * 1024;
  while (true) {
    const size_t old = content.size();
    if (old > limit) {
      return Fail(Code::kLimit, path + ": larger than " + std::to_string(limit) + " bytes");
    }
    content.resize(old + kStep);
    auto got = (*file)->ReadAt(old, {content.data() + old, kStep});
    content.resize(old + (got ? *got : 0));
    if (!got && got.error().code == Code::kRetry) continue;
    if (!got) return Forward(got);
    if (*got == 0) return content;
  }
}

std::string_view DirectoryOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? path.substr(0, 1) : path.substr(0, slash);
}

std::string_view BaseOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string Join(std::string_view directory, std::string_view name) {
  std::string path;
  path.reserve(directory.size() + name.size() + 1);
  path = directory;
  if (path.empty() || path.back() != '/') path += '/';
  path += name;
  return path;
}

Code CodeOf(int sys_errno) {
  switch (sys_errno) {
    case EINTR:
    case EAGAIN: return Code::kRetry;
    case ENOENT:
    case ENOTDIR: return Code::kNotFound;
    case EACCES:
    case EPERM: return Code::kPermission;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE: return Code::kLimit;
    default: return Code::kIo;
  }
}

}  // namespace agent::platform
