// SPDX-License-Identifier: Apache-2.0
// The options of a `cri` stage, read once for the framer (leading stage) and for the
// stage itself (anywhere else).
#pragma once

#include "agent/stage/pipeline.h"

namespace agent::stage {

// Reads the options of the stage that `context.path` names; problems go to the
// diagnostics.
CriOptions ReadCriOptions(const config::Node& options, BuildContext& context);

}  // namespace agent::stage
