// SPDX-License-Identifier: Apache-2.0
// What the cardinality guard knows, as plain data: for GET /api/cardinality, the live
// page and the report of a dry run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/core/time.h"

namespace agent::label {

// A pod and how many of a label's new values came from it (an upper bound: only the
// busiest pods are remembered).
struct PodShare {
  std::string pod;  // namespace/name, or the file's path
  uint64_t values = 0;
};

struct LabelCardinality {
  std::string name;
  uint64_t values = 0;   // distinct in the window
  bool exact = true;     // false: estimated, error under 2 %
  uint64_t budget = 0;
  bool demoted = false;
  WallNanos since = 0;   // of the demotion
  uint64_t demoted_lines = 0;        // since the start
  std::vector<std::string> samples;  // up to three values
  std::vector<PodShare> pods;        // most first
};

struct Cardinality {
  bool enabled = true;
  Duration window{};
  std::string action;
  uint64_t streams = 0;      // active in the window
  uint64_t max_streams = 0;  // 0 = no cap
  bool streams_capped = false;
  std::vector<LabelCardinality> labels;  // most values first
};

}  // namespace agent::label
