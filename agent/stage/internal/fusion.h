// SPDX-License-Identifier: Apache-2.0
// Decides whether a leading `cri` or `docker` stage may be left to the framer. The
// framer sets line, time and the label `stream`, but not what the stage leaves in
// the extracted map (`time`, `flags`, `content`; `output`, `timestamp`); if a later
// stage may look at one of these, the real stage runs.
#pragma once

#include <string_view>

#include "agent/config/node.h"
#include "agent/stage/symbols.h"

namespace agent::stage {

// `list` is the whole pipeline_stages list, `symbols` those of every stage but the
// first.
bool MayFuse(std::string_view first_stage, const config::Node& list, const SymbolTable& symbols);

}  // namespace agent::stage
