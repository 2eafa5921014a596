// SPDX-License-Identifier: Apache-2.0
// What is allowed in a configuration and is probably not meant: warnings for
// `agent check`. Looks at the tree only; knows no file system and no network.
#pragma once

#include "agent/config/node.h"
#include "agent/core/diagnostics.h"

namespace agent::cli {

void FindSuspicions(const config::Node& tree, Diagnostics& diagnostics);

}  // namespace agent::cli
