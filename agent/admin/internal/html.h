// SPDX-License-Identifier: Apache-2.0
// /targets and /service-discovery as plain HTML tables, for people without scripts and
// for those who know Promtail's pages; and the live page's bytes. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/admin/api.h"

namespace agent::admin::internal {

// agent/admin/page/index.html, embedded by cmake/embed.cmake.
extern const std::string_view kPage;

std::string TargetsHtml(const std::vector<TargetView>& targets);
std::string DiscoveryHtml(const std::vector<DiscoveryView>& targets);

}  // namespace agent::admin::internal
