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
    if (held_ || offset >= limit_) return size_t{0};
    into = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), limit_ - offset)));
    file = file_;
  }
  auto got = Fetch(*file, offset, into);
  if (!got) return got;
  MutexLock lock(mutex_);
  if (sealed_ || held_) return size_t{0};
  const uint64_t end = std::min(offset + *got, std::max(limit_, offset));
  handed_out_ = std::max(handed_out_, end);
  if (head_.length < Fingerprint::kMost && offset <= head_.length && end > head_.length) {
    const std::string_view more(into.data() + (head_.length - offset), static_cast<size_t>(end - head_.length));
    head_.Extend(more.substr(0, Fingerprint::kMost - head_.length));
  }
  return static_cast<size_t>(end - offset);
}

bool TailSource::CutAt(uint64_t limit) {
  MutexLock lock(mutex_);
  if (handed_out_ > limit) return false;
  limit_ = std::min(limit_, limit);
  return true;
}

void TailSource::Hold(bool held) {
  MutexLock lock(mutex_);
  held_ = held;
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
  held_ = false;
}

uint64_t TailSource::handed_out() {
  MutexLock lock(mutex_);
  return handed_out_;
}

Fingerprint TailSource::head() {
  MutexLock lock(mutex_);
  return head_;
}

std::shared_ptr<platform::File> TailSource::file() {
  MutexLock lock(mutex_);
  return file_;
}

Result<size_t> PlainSource::Fetch(platform::File& file, uint64_t offset, std::span<char> into) {
  while (true) {
    auto got = file.ReadAt(offset, into);
    if (got || got.error().code != Code::kRetry) return got;
  }
}

}  // namespace agent::source
