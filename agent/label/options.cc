// SPDX-License-Identifier: Apache-2.0
#include "agent/label/options.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "agent/label/relabel.h"

namespace agent::label {
namespace {

constexpr int64_t kMostNames = 63;        // verdicts keep a bit for each (internal/lane_cache.h)
constexpr int64_t kMostStreams = 1'000'000;

struct GuardActionName {
  std::string_view name;
  GuardAction action;
};
constexpr GuardActionName kGuardActions[] = {
    {"structured_metadata", GuardAction::kStructuredMetadata},
    {"overflow", GuardAction::kOverflow},
    {"drop_label", GuardAction::kDropLabel},
    {"drop_entry", GuardAction::kDropEntry},
};

void ReadLimit(config::MapReader& reader, std::string_view key, int64_t most, uint32_t& out) {
  int64_t value = out;
  if (!reader.Int(key, value)) return;
  if (value < 0 || value > most) {
    reader.Error(key, std::to_string(value) + " is not between 0 (no limit) and " + std::to_string(most));
    return;
  }
  out = static_cast<uint32_t>(value);
}

void ReadBudget(config::MapReader& reader, std::string_view key, uint64_t& out) {
  int64_t value = static_cast<int64_t>(out);
  if (!reader.Int(key, value)) return;
  if (value < 0) {
    reader.Error(key, std::to_string(value) + " is negative; give the number of values that a label may have");
    return;
  }
  out = static_cast<uint64_t>(value);
}

void ReadOwnBudgets(config::MapReader& parent, CardinalityOptions& options) {
  const config::Node* node = parent.Child("labels");
  if (node == nullptr) return;
  config::MapReader reader(*node, parent.PathOf("labels"), parent.diagnostics());
  for (const auto& [key, value] : node->members) {
    uint64_t budget = 0;
    ReadBudget(reader, key.scalar, budget);
    if (value.is_null()) reader.Error(key.scalar, "give a number; 0 = never a label");
    options.labels[key.scalar] = budget;
  }
  reader.Finish();
}

void ReadAction(config::MapReader& reader, GuardAction& out) {
  std::string text;
  if (!reader.String("action", text)) return;
  std::vector<std::string> names;
  for (const GuardActionName& known : kGuardActions) {
    if (known.name == text) {
      out = known.action;
      return;
    }
    names.emplace_back(known.name);
  }
  const std::string guess = config::DidYouMean(text, names);
  reader.Error("action", "\"" + text + "\" is not one of structured_metadata, overflow, drop_label, drop_entry" +
                             (guess.empty() ? "" : "; did you mean \"" + guess + "\"?"));
}

void ReadCardinality(config::MapReader& parent, CardinalityOptions& options) {
  const config::Node* node = parent.Child("cardinality");
  if (node == nullptr) return;
  config::MapReader reader(*node, parent.PathOf("cardinality"), parent.diagnostics());
  reader.Bool("enabled", options.enabled);
  if (reader.PrometheusDuration("window", options.window) && options.window < std::chrono::seconds(10)) {
    reader.Error("window", "is shorter than 10s");
  }
  ReadBudget(reader, "max_values_per_label", options.max_values_per_label);
  ReadOwnBudgets(reader, options);
  ReadAction(reader, options.action);
  reader.String("overflow_value", options.overflow_value);
  if (options.overflow_value.empty()) reader.Error("overflow_value", "must not be empty: Loki takes no empty label");
  std::vector<std::string> exempt;
  reader.StringList("exempt", exempt);
  options.exempt.insert(exempt.begin(), exempt.end());
  reader.Finish();
}

NamespaceShare ReadShare(const config::Node& node, const std::string& path, Diagnostics& diagnostics) {
  NamespaceShare share;
  config::MapReader reader(node, path, diagnostics);
  int64_t weight = share.weight;
  if (reader.Int("weight", weight) && (weight < 1 || weight > 1000)) {
    reader.Error("weight", std::to_string(weight) + " is not between 1 and 1000");
  } else {
    share.weight = static_cast<uint32_t>(weight);
  }
  reader.Bytes("bytes_per_second", share.bytes_per_second);
  reader.Bytes("burst", share.burst_bytes);
  std::string action = "slow";
  if (reader.String("action", action) && action != "slow" && action != "drop") {
    reader.Error("action", "\"" + action + "\" is neither slow (lossless) nor drop");
  }
  share.action = action == "drop" ? NamespaceShare::Action::kDrop : NamespaceShare::Action::kSlow;
  if (share.bytes_per_second == 0 && (share.burst_bytes > 0 || action == "drop")) {
    reader.Error("bytes_per_second", "is missing: without it there is no budget to keep");
  }
  reader.Finish();
  return share;
}

}  // namespace

const char* NameOf(GuardAction action) {
  for (const GuardActionName& known : kGuardActions) {
    if (known.action == action) return known.name.data();
  }
  return "";
}

void Decode(config::MapReader& reader, PolicyOptions& options) {
  ReadLimit(reader, "max_label_names", kMostNames, options.max_label_names);
  ReadLimit(reader, "max_label_name_length", std::numeric_limits<int32_t>::max(), options.max_label_name_length);
  ReadLimit(reader, "max_label_value_length", std::numeric_limits<int32_t>::max(), options.max_label_value_length);
  ReadLimit(reader, "max_active_streams", kMostStreams, options.max_active_streams);
  ReadCardinality(reader, options.cardinality);
}

void Decode(config::MapReader& reader, ShareOptions& options) {
  reader.Bool("readline_rate_enabled", options.readline_rate_enabled);
  reader.Double("readline_rate", options.readline_rate);
  reader.Int("readline_burst", options.readline_burst);
  if (options.readline_rate_enabled && !(options.readline_rate > 0)) {
    reader.Error("readline_rate", "must be more than 0 lines a second");
  }
  if (options.readline_rate_enabled && options.readline_burst < 1) {
    reader.Error("readline_burst", "must be at least 1 line");
  }
  reader.Bool("readline_rate_drop", options.readline_rate_drop);
  const config::Node* node = reader.Child("namespaces");
  if (node == nullptr) return;
  const std::string path = reader.PathOf("namespaces");
  config::MapReader list(*node, path, reader.diagnostics());
  for (const auto& [key, value] : node->members) {
    list.Child(key.scalar);
    options.namespaces[key.scalar] = ReadShare(value, path + "." + key.scalar, reader.diagnostics());
  }
  list.Finish();
}

}  // namespace agent::label
