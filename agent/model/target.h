// SPDX-License-Identifier: Apache-2.0
// A target: which files belong together, which labels they start with, and which
// pipeline they go through. Immutable once made; shared by source and lanes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/model/label_set.h"

namespace agent {

struct Target {
  std::string job;         // scrape_configs[].job_name
  uint32_t pipeline = 0;   // index of the scrape config, which is that of its pipeline
  LabelMap labels;         // after relabelling, without names that begin with "__"
  LabelMap discovered;     // before relabelling, for people ("/service-discovery")
  std::string path;        // __path__: a glob; empty for standard input
  std::string exclude;     // __path_exclude__: a glob, or empty
  bool filename_label = true;  // whether files get Promtail's `filename` label
  std::string multiline_firstline;  // what the pod's annotation asks for; empty: nothing
  // Where labels come from a file's path: called once per file that is opened, may
  // change `labels`; false excludes the file, and `why` says by which rule.
  std::function<bool(const std::string& path, LabelMap& labels, std::string& why)> resolve;
  std::string rules;  // what `resolve` does, as text: the same text labels the same way
};

// What a discovery (static, file, Kubernetes) hands over: raw labels of one target,
// before relabelling. `__path__` may come from a rule.
struct DiscoveredTarget {
  LabelMap labels;
};

// All targets of one scrape config as of now; replaces what was said before.
using DiscoverySink = std::function<void(uint32_t scrape_config, std::vector<DiscoveredTarget> targets)>;

}  // namespace agent
