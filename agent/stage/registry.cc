// SPDX-License-Identifier: Apache-2.0
// The table of all stages, made from stages.inc. A constant list instead of objects
// that register themselves: a linker may leave those out of a static library.
#include "agent/stage/stage.h"

namespace agent::stage {
namespace {

const StageSpec* const kSpecs[] = {
#define AGENT_STAGE(name) &kStage_##name,
#include "agent/stage/stages.inc"
#undef AGENT_STAGE
};

}  // namespace

const StageSpec* FindStage(std::string_view name) {
  for (const StageSpec* spec : kSpecs) {
    if (spec->name == name || (!spec->alias.empty() && spec->alias == name)) return spec;
  }
  return nullptr;
}

std::vector<std::string> StageNames() {
  std::vector<std::string> names;
  for (const StageSpec* spec : kSpecs) {
    names.emplace_back(spec->name);
    if (!spec->alias.empty()) names.emplace_back(spec->alias);
  }
  return names;
}

}  // namespace agent::stage
