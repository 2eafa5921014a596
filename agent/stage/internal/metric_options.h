// SPDX-License-Identifier: Apache-2.0
// The options of one metric of a `metrics` stage, read and checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/stage/stage.h"

namespace agent::stage {

enum class MetricType { kCounter, kGauge, kHistogram };
enum class MetricAction { kInc, kDec, kAdd, kSub, kSet, kObserve };

struct MetricOptions {
  std::string name;  // with its prefix
  std::string description;
  MetricType type = MetricType::kCounter;
  MetricAction action = MetricAction::kInc;
  std::optional<std::string> value;  // only for this value
  bool match_all = false;            // for every line, whatever is extracted
  bool count_bytes = false;          // of the line
  std::vector<double> buckets;
  int64_t max_idle_seconds = 300;
};

// Problems go to the diagnostics. `source` is left alone unless it is given.
void ReadMetricOptions(const std::string& name, const config::Node& node, BuildContext& context, MetricOptions& out,
                       std::string& source);

}  // namespace agent::stage
