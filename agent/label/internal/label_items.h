// SPDX-License-Identifier: Apache-2.0
// The labels of one set while the policy works on them: what each of them is, and the
// repairs that make Loki take them. Reused from set to set, so that its memory is, too.
// Lane-local. Views are into the label set, the options, or repaired texts that live
// until the next Load.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "agent/label/options.h"
#include "agent/model/label_set.h"

namespace agent::label {

// Why a label was changed to meet Loki's limits; bits of a mask.
enum Repair : uint8_t {
  kNameIllegal = 1,
  kNameTooLong = 2,
  kValueTooLong = 4,
  kValueNotUtf8 = 8,
  kTooManyNames = 16,
  kNoLabels = 32,
};
inline constexpr size_t kRepairs = 6;
const char* NameOfRepair(size_t bit);

struct LabelItem {
  std::string_view name;
  std::string_view value;
  uint32_t index = 0;       // in the label set
  bool from_target = false; // not set, and not changed, by a pipeline
  bool guarded = false;     // the cardinality guard may take it
};

class LabelItems {
 public:
  static constexpr std::string_view kTenant = "__tenant_id__";
  // What a stream is called that would have no label at all; Loki's own word for it.
  static constexpr std::string_view kNoLabelName = "service_name";
  static constexpr std::string_view kNoLabelValue = "unknown_service";
  static constexpr uint32_t kAdded = ~uint32_t{0};  // the index of an added label

  // `base`: the labels of the record's file.
  void Load(const LabelSet& set, const LabelSet& base, const PolicyOptions& options);
  std::vector<LabelItem>& items() { return items_; }
  const std::vector<LabelItem>& items() const { return items_; }

  // Makes the labels such that Loki takes them. An empty value stays, as Promtail sends
  // it: Loki takes the label for absent, and does not count its name. Labels beyond max_label_names are moved
  // to surplus(). Returns the mask of repairs made.
  uint8_t MakeLegal(const PolicyOptions& options);
  const std::vector<LabelItem>& surplus() const { return surplus_; }

  bool SameAs(const LabelSet& set) const;
  uint64_t Hash() const;  // of names and values; stable over restarts

 private:
  uint8_t RepairName(LabelItem& item, const PolicyOptions& options);
  uint8_t RepairValue(LabelItem& item, const PolicyOptions& options);
  bool LimitNames(const PolicyOptions& options);
  std::string_view Keep(std::string text);

  std::vector<LabelItem> items_;
  std::vector<LabelItem> surplus_;
  std::deque<std::string> repaired_;
};

// Cuts a text to at most `most` bytes without cutting a character in two.
std::string_view CutUtf8(std::string_view text, size_t most);
// The text with every byte that is not UTF-8 replaced by U+FFFD.
std::string ToUtf8(std::string_view text);

}  // namespace agent::label
