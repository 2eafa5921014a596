// SPDX-License-Identifier: Apache-2.0
// The options of the label room, all from `limits_config`: Loki's limits and the
// cardinality guard (PolicyOptions), rates and fair shares (ShareOptions).
// Plain data; const once decoded.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/config/decode.h"
#include "agent/core/time.h"

namespace agent::label {

// What happens to a label that has too many values.
enum class GuardAction {
  kStructuredMetadata,  // the value leaves the stream and goes along with the line
  kOverflow,            // every line gets the one value `overflow_value`
  kDropLabel,
  kDropEntry,
};
const char* NameOf(GuardAction action);

// limits_config.cardinality
struct CardinalityOptions {
  bool enabled = true;
  Duration window = std::chrono::hours(1);
  uint64_t max_values_per_label = 200;
  std::map<std::string, uint64_t, std::less<>> labels;  // own budgets; 0 = never a label
  GuardAction action = GuardAction::kStructuredMetadata;
  std::string overflow_value = "__overflow__";
  std::set<std::string, std::less<>> exempt;
};

struct PolicyOptions {
  uint32_t max_label_names = 15;  // 0 = no limit, and so below
  uint32_t max_label_name_length = 1024;
  uint32_t max_label_value_length = 2048;
  uint32_t max_active_streams = 10000;
  CardinalityOptions cardinality;
  // Names that clients[].external_labels add to every stream: they count, too.
  std::set<std::string, std::less<>> external_labels;
};

// limits_config.namespaces.NAME
struct NamespaceShare {
  enum class Action { kSlow, kDrop };
  uint32_t weight = 1;            // turns of reading compared with its neighbours
  uint64_t bytes_per_second = 0;  // 0 = no budget
  uint64_t burst_bytes = 0;       // 0 = what a second allows
  Action action = Action::kSlow;

  bool operator==(const NamespaceShare&) const = default;
};

struct ShareOptions {
  // Promtail's rate for the whole program, in lines.
  bool readline_rate_enabled = false;
  double readline_rate = 10000;
  int64_t readline_burst = 10000;
  bool readline_rate_drop = true;
  std::map<std::string, NamespaceShare, std::less<>> namespaces;

  bool operator==(const ShareOptions&) const = default;
};

// Each takes its keys out of limits_config; the caller calls Finish.
//   cardinality, max_label_names, max_label_name_length, max_label_value_length,
//   max_active_streams
void Decode(config::MapReader& reader, PolicyOptions& options);
//   readline_rate_enabled, readline_rate, readline_burst, readline_rate_drop, namespaces
void Decode(config::MapReader& reader, ShareOptions& options);

}  // namespace agent::label
