// SPDX-License-Identifier: Apache-2.0
// `labelallow`: removes every label but these (the tenant's, too).
//
//   labelallow: [namespace, app]
#include <algorithm>
#include <string>
#include <vector>

#include "agent/stage/internal/label_edit.h"
#include "agent/stage/internal/options.h"

namespace agent::stage {
namespace {

struct KeepNamed {
  const LabelSet* operator()(const LabelSet* labels, LabelInterner& interner) const {
    std::vector<LabelSet::Pair> kept;
    for (const LabelSet::Pair& pair : labels->pairs()) {
      if (std::find(names.begin(), names.end(), pair.first) != names.end()) kept.push_back(pair);
    }
    return interner.Intern(std::move(kept));
  }
  std::vector<std::string> names;
};

std::unique_ptr<StagePlan> BuildLabelAllow(const config::Node& options, BuildContext& context) {
  KeepNamed edit;
  if (!ReadNameList(options, context.path, context.diagnostics, edit.names)) return nullptr;
  if (edit.names.empty()) {
    context.diagnostics.AddError(options.place, context.path,
                                 "name at least one label to keep, or remove the stage");
    return nullptr;
  }
  return std::make_unique<LabelEditPlan<KeepNamed>>(std::move(edit));
}

}  // namespace

const StageSpec kStage_labelallow{"labelallow", "", BuildLabelAllow};

}  // namespace agent::stage
