// SPDX-License-Identifier: Apache-2.0
#include "agent/model/stream_list.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace agent {
namespace {

constexpr Duration kSweepEvery = std::chrono::minutes(1);  // while the list is full

}  // namespace

StreamUse::StreamUse(std::string text) : labels(std::move(text)), hash(std::hash<std::string>{}(labels)) {}

std::shared_ptr<StreamUse> StreamList::Join(std::shared_ptr<StreamUse> use, MonoTime now) {
  const MutexLock lock(mutex_);
  auto found = std::ranges::lower_bound(entries_, use->hash, {}, &Entry::hash);
  if (found == entries_.end() || found->hash != use->hash) {
    if (named_ >= kMostNamed && now >= next_sweep_) {
      Sweep(now);
      next_sweep_ = now + kSweepEvery;
      found = std::ranges::lower_bound(entries_, use->hash, {}, &Entry::hash);
    }
    if (entries_.size() >= kMostNamed + kMostCounted) return use;
    found = entries_.insert(found, Entry{.hash = use->hash, .last = now, .use = nullptr});
  }
  found->last = now;
  if (found->use == nullptr) {
    if (named_ >= kMostNamed) return use;
    ++named_;
    found->use = std::move(use);
  }
  return found->use;
}

void StreamList::Sweep(MonoTime now) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.last + kWindow < now; });
  named_ = static_cast<size_t>(std::ranges::count_if(entries_, [](const Entry& entry) { return entry.use != nullptr; }));
}

std::vector<StreamList::Row> StreamList::Named(MonoTime now, uint64_t& others) const {
  std::vector<Row> rows;
  others = 0;
  const MutexLock lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.last + kWindow < now) continue;
    if (entry.use == nullptr) {
      ++others;
    } else {
      rows.push_back({entry.use, entry.last});
    }
  }
  return rows;
}

uint64_t StreamList::Count(MonoTime now) const {
  const MutexLock lock(mutex_);
  return static_cast<uint64_t>(
      std::ranges::count_if(entries_, [&](const Entry& entry) { return entry.last + kWindow >= now; }));
}

}  // namespace agent
