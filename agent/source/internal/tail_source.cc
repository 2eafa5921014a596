// SPDX-License-Identifier: Apache-2.0
#include "agent/source/internal/tail_source.h"

#include <algorithm>

#include "agent/source/identity.h"

namespace agent::source {

Result<size_t> TailSource::ReadAt(uint64_t offset, std::span<char> into) {
  std::shared_ptr<platform::File> file;
  {
    MutexLock lock(mutex_);
    if (sealed_) {
      seal_seen_.store(true, std::memory_order_release);  // partner: seal_seen()
      return size_t{0};
    }
    if (offset >= limit_) return size_t{0};
    into = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), limit_ - offset)));
    file = file_;
  }
  auto got = Fetch(*file, offset, into);
  if (!got) return got;
  MutexLock lock(mutex_);
  if (sealed_) return size_t{0};
  const uint64_t end = std::min(offset + *got, std::max(limit_, offset));
  handed_out_ = std::max(handed_out_, end);
  return static_cast<size_t>(end - offset);
}

void TailSource::CutAt(uint64_t limit) {
  MutexLock lock(mutex_);
  limit_ = std::min(limit_, limit);
}

void TailSource::Seal() {
  std::shared_ptr<platform::File> closing;
  MutexLock lock(mutex_);
  sealed_ = true;
  closing.swap(file_);
}

void TailSource::Replace(std::shared_ptr<platform::File> file) {
  MutexLock lock(mutex_);
  if (!sealed_) file_.swap(file);
}

uint64_t TailSource::handed_out() {
  MutexLock lock(mutex_);
  return handed_out_;
}

std::shared_ptr<platform::File> TailSource::file() {
  MutexLock lock(mutex_);
  return file_;
}

Result<size_t> PlainSource::Fetch(platform::File& file, uint64_t offset, std::span<char> into) {
  return ReadFully(file, offset, into);
}

}  // namespace agent::source
