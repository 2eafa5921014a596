// SPDX-License-Identifier: Apache-2.0
// What one lane remembers of the policy's verdicts: a slot per label set, found by
// LabelSet::id. A slot is good while its stamp is the lane's (a stamp ends with a sweep
// of the label sets and with every decision of the guard) and while the record comes
// from a file with the same labels. Lane-local. 40 bytes per label set.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/label/internal/label_items.h"
#include "agent/model/record.h"

namespace agent::label {

enum class Verdict : uint8_t { kKeep, kChange, kDropCardinality, kDropStreams };

struct Slot {
  static constexpr uint16_t kNone = 0xFFFF;

  uint32_t stamp = 0;
  Verdict verdict = Verdict::kKeep;
  uint8_t repairs = 0;
  bool capped = false;
  std::array<uint16_t, 3> demoted{kNone, kNone, kNone};  // numbers of labels, to count their lines
  const LabelSet* base = nullptr;
  const LabelSet* result = nullptr;
  // Bit i: pair i of the set goes along as structured metadata. The last bit stands for
  // all pairs from 63 on.
  uint64_t metadata = 0;
};

class LaneCache {
 public:
  // Begins a batch; forgets what `version` or a sweep made void.
  void Begin(LabelInterner& labels, uint64_t version) {
    file_ = nullptr;
    if (version != version_ || labels.generation() != generation_ || &labels != labels_) Forget(labels, version);
  }

  // Follows the record's file; true if the slot of its labels is good.
  bool Find(const Record& record, Slot*& slot) {
    if (record.origin.file != file_ || base_ == nullptr) SwitchFile(record.origin.file);
    const uint32_t id = record.labels->id();
    if (id >= slots_.size()) Grow();
    slot = &slots_[id];
    return slot->stamp == stamp_ && slot->base == base_;
  }
  void Fill(Slot& slot) const {
    slot = Slot{};
    slot.stamp = stamp_;
    slot.base = base_;
  }

  const LabelSet& base() const { return *base_; }
  const std::string& pod() const { return *pod_; }  // of the current file, for people
  // The interned set of `items`; allocates only for a set that is new to the lane.
  const LabelSet* Intern(const LabelItems& items, uint64_t hash);

 private:
  struct File {
    const LabelSet* base;
    std::string pod;
  };
  void Forget(LabelInterner& labels, uint64_t version);
  void SwitchFile(const TailedFile* file);
  void Grow();

  LabelInterner* labels_ = nullptr;
  uint64_t generation_ = ~uint64_t{0};
  uint64_t version_ = 0;
  uint32_t stamp_ = 0;
  const TailedFile* file_ = nullptr;
  const LabelSet* base_ = nullptr;
  const std::string* pod_ = nullptr;
  std::vector<Slot> slots_;
  std::unordered_map<uint64_t, File> files_;  // by TailedFile::id
  std::unordered_map<uint64_t, const LabelSet*> results_;
};

}  // namespace agent::label
