// SPDX-License-Identifier: Apache-2.0
// static_configs: targets as they stand in the configuration. Pure.
#pragma once

#include <string>
#include <vector>

#include "agent/config/node.h"
#include "agent/core/diagnostics.h"
#include "agent/model/target.h"

namespace agent::app {

// One target per string of `targets` (default: one, `localhost`), with the group's
// labels and `__address__`. A null list is none.
std::vector<DiscoveredTarget> StaticTargets(const config::Node* list, const std::string& path,
                                            Diagnostics& diagnostics);

}  // namespace agent::app
