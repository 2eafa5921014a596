// SPDX-License-Identifier: Apache-2.0
// `-inspect`: says what every stage did to every record, in Promtail's words and for
// every stage, nested ones too. For looking at pipelines: one record at a time, with
// copies of everything.
// Threads: the text is handed out by the lane's thread; lanes share `say`.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/stage/stage.h"

namespace agent::stage {

// Takes one stage's text about one record, with its newline.
using Inspector = std::function<void(const std::string& text)>;

// The plan, with an inspector around it. `symbols` and `say` outlive it.
std::unique_ptr<StagePlan> Inspected(std::unique_ptr<StagePlan> plan, std::string name, const SymbolTable& symbols,
                                     const Inspector& say);

}  // namespace agent::stage
