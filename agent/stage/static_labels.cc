// SPDX-License-Identifier: Apache-2.0
// `static_labels`: sets labels to fixed values. An empty value sets nothing. A name
// that Loki would refuse (and with it the whole request) gives a warning; like names from
// relabelling it is repaired before it is sent (label/).
//
//   static_labels: {cluster: eu-1, team: payments}
#include "agent/stage/internal/label_edit.h"
#include "agent/stage/internal/options.h"

namespace agent::stage {
namespace {

struct SetFixed {
  const LabelSet* operator()(const LabelSet* labels, LabelInterner& interner) const {
    for (const auto& [name, value] : pairs) labels = interner.With(labels, name, value);
    return labels;
  }
  NamePairs pairs;
};

std::unique_ptr<StagePlan> BuildStaticLabels(const config::Node& options, BuildContext& context) {
  NamePairs pairs;
  if (options.is_null()) {
    context.diagnostics.AddWarning(options.place, context.path,
                                   "no labels are named, so this stage does nothing");
  }
  if (!ReadNameMap(options, context.path, context.diagnostics, pairs)) return nullptr;
  SetFixed edit;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto& [name, value] = pairs[i];
    const Place& place = options.members[i].first.place;
    if (name.empty()) {
      context.diagnostics.AddError(place, context.path, "a label's name must not be empty");
      continue;
    }
    if (!IsLabelName(name)) {
      context.diagnostics.AddWarning(place, context.path + "." + name,
                                     "Loki refuses the label name \"" + name +
                                         "\", so it is sent with _ for what is not allowed; use letters, digits and _");
    }
    if (!value.empty()) edit.pairs.emplace_back(name, value);
  }
  return std::make_unique<LabelEditPlan<SetFixed>>(std::move(edit));
}

}  // namespace

const StageSpec kStage_static_labels{"static_labels", "", BuildStaticLabels};

}  // namespace agent::stage
