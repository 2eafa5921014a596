// SPDX-License-Identifier: Apache-2.0
// `labeldrop`: removes the labels of these exact names.
//
//   labeldrop: [filename, stream]
#include <string>
#include <vector>

#include "agent/stage/internal/label_edit.h"
#include "agent/stage/internal/options.h"

namespace agent::stage {
namespace {

struct RemoveNamed {
  const LabelSet* operator()(const LabelSet* labels, LabelInterner& interner) const {
    for (const std::string& name : names) labels = interner.Without(labels, name);
    return labels;
  }
  std::vector<std::string> names;
};

std::unique_ptr<StagePlan> BuildLabelDrop(const config::Node& options, BuildContext& context) {
  RemoveNamed edit;
  if (!ReadNameList(options, context.path, context.diagnostics, edit.names)) return nullptr;
  if (edit.names.empty()) {
    context.diagnostics.AddError(options.place, context.path,
                                 "name at least one label to drop, or remove the stage");
    return nullptr;
  }
  return std::make_unique<LabelEditPlan<RemoveNamed>>(std::move(edit));
}

}  // namespace

const StageSpec kStage_labeldrop{"labeldrop", "", BuildLabelDrop};

}  // namespace agent::stage
