// SPDX-License-Identifier: Apache-2.0
// The values of api.h as the JSON of docs/API.md. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/admin/api.h"
#include "agent/admin/options.h"
#include "agent/admin/tail.h"

namespace agent::admin::internal {

// `options` tells the page what it may offer (reload, live tail).
std::string ToJson(const NodeSummary& node, const ServerOptions& options, bool may_tail);
// The pods from `offset`, at most `limit` (0: all), whose id contains `search` in any
// case. `pods` is sorted.
struct PodsQuery {
  std::string search;
  size_t offset = 0;
  size_t limit = 0;
  bool only_trouble = false;
};
std::string ToJson(const std::vector<PodSummary>& pods, const PodsQuery& query, WallNanos now);
std::string ToJson(const PodDetail& detail, WallNanos now);
std::string ToJson(const Explanation& explanation);
std::string ToJson(const Ledger& ledger);
std::string ToJson(const Cardinality& cardinality);
std::string ToJson(const std::vector<TargetView>& targets);
std::string ToJson(const std::vector<DiscoveryView>& targets);
std::string ToJson(const TailLine& line);
// {"error": message}
std::string ErrorJson(std::string_view message);

}  // namespace agent::admin::internal
