// SPDX-License-Identifier: Apache-2.0
// What a lane is told about the clients. Pure.
#pragma once

#include <vector>

#include "agent/app/settings.h"
#include "agent/batch/batcher.h"

namespace agent::app {

// In order of the clients.
std::vector<batch::BatcherOptions> ClientBatchers(const Settings& settings);

}  // namespace agent::app
