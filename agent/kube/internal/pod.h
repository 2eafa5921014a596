// SPDX-License-Identifier: Apache-2.0
// A pod as it is remembered: one string with what its labels need, about a kilobyte.
// From the JSON of an API server or kubelet; to the targets that Prometheus' pod
// discovery makes of it (its own rules: no target without a pod IP, one per container
// port, or one per container without ports; init containers too, ephemeral ones not).
// Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/arena.h"
#include "agent/kube/options.h"
#include "agent/model/target.h"
#include "agent/text/json_parse.h"

namespace agent::kube {

// Whether a rule can read the label of this name; null: yes.
using LabelFilter = std::function<bool(std::string_view name)>;

// An annotation longer than this is cut, unless a rule can read its label.
inline constexpr size_t kMaxUnreadAnnotation = 128;

struct Pod {
  std::string uid;
  std::string packed;  // equal exactly if all labels are
  std::string config_hash;  // of a static pod: what its directory is called
};

// Null if the object has no namespace, name or uid.
std::optional<Pod> ReadPod(const text::JsonValue& object, const LabelFilter& wanted);

void AppendTargets(std::string_view packed, const PodDiscoveryOptions& options, std::vector<DiscoveredTarget>& out);

// The labels of one container (of its first port), or null if it has no such container.
// Also without a pod IP.
std::optional<LabelMap> LabelsOfContainer(std::string_view packed, const PodDiscoveryOptions& options,
                                          std::string_view container);

}  // namespace agent::kube
