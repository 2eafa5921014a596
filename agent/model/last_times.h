// SPDX-License-Identifier: Apache-2.0
// The last time known for a label set: what a line without a readable time gets, one
// nanosecond later ("fudge"). Lane-local; remembers the kMost sets used last, and
// pins them. No allocation once all sets of a pipeline are known.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <unordered_map>
#include <vector>

#include "agent/core/time.h"
#include "agent/model/label_set.h"

namespace agent {

class LastTimes {
 public:
  static constexpr size_t kMost = 10000;

  void Remember(const LabelSet* labels, WallNanos time) { Touch(labels).time = time; }

  // Moves `time` to just after the last one known; false, and no change, if none is.
  bool Fudge(const LabelSet* labels, WallNanos& time) {
    if (entries_.empty() || (entries_[newest_].labels.get() != labels && Find(labels) == kNone)) return false;
    WallNanos& last = Touch(labels).time;
    if (last < std::numeric_limits<WallNanos>::max()) ++last;
    time = last;
    return true;
  }

 private:
  using Index = std::unordered_map<const LabelSet*, uint32_t>;
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kFew = 8;
  struct Entry {  // of a list in order of use
    LabelPin labels;
    WallNanos time = 0;
    uint32_t newer = kNone;
    uint32_t older = kNone;
  };

  Entry& Touch(const LabelSet* labels) {
    if (!entries_.empty() && entries_[newest_].labels.get() == labels) return entries_[newest_];
    uint32_t at = Find(labels);
    if (at != kNone) {
      Unlink(at);
    } else if (entries_.size() < kMost) {
      at = static_cast<uint32_t>(entries_.size());
      entries_.emplace_back();
      Assign(at, labels);
    } else {
      at = oldest_;
      Unlink(at);
      index_->erase(entries_[at].labels.get());
      Assign(at, labels);
    }
    Entry& entry = entries_[at];
    entry.older = entries_.size() == 1 ? kNone : newest_;
    entry.newer = kNone;
    if (entry.older != kNone) entries_[entry.older].newer = at;
    if (entries_.size() == 1) oldest_ = at;
    newest_ = at;
    return entry;
  }

  void Assign(uint32_t at, const LabelSet* labels) {
    entries_[at].labels = LabelPin(labels);
    entries_[at].time = 0;
    if (index_ != nullptr) {
      index_->emplace(labels, at);
    } else if (entries_.size() > kFew) {
      index_ = std::make_unique<Index>();
      for (uint32_t i = 0; i < entries_.size(); ++i) index_->emplace(entries_[i].labels.get(), i);
    }
  }

  uint32_t Find(const LabelSet* labels) const {
    if (index_ != nullptr) {
      const auto found = index_->find(labels);
      return found == index_->end() ? kNone : found->second;
    }
    for (uint32_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].labels.get() == labels) return i;
    }
    return kNone;
  }

  void Unlink(uint32_t at) {
    const Entry& entry = entries_[at];
    if (entry.newer != kNone) entries_[entry.newer].older = entry.older;
    if (entry.older != kNone) entries_[entry.older].newer = entry.newer;
    if (oldest_ == at) oldest_ = entry.newer;
    if (newest_ == at) newest_ = entry.older;
  }

  std::vector<Entry> entries_;
  std::unique_ptr<Index> index_;  // of more than a few: a file has one or two, and files are many
  uint32_t newest_ = 0;
  uint32_t oldest_ = 0;
};

}  // namespace agent
