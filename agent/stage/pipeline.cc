// SPDX-License-Identifier: Apache-2.0
#include "agent/stage/pipeline.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/stage/internal/cri_options.h"
#include "agent/stage/internal/fusion.h"

namespace agent::stage {
namespace {

using config::Node;

struct BuiltStages {
  std::vector<std::unique_ptr<StagePlan>> plans;
  std::vector<std::string> names;
};

void UnknownStage(const Node& key, BuildContext& context) {
  std::string message = "unknown stage \"" + key.scalar + "\"";
  const std::string near = config::DidYouMean(key.scalar, StageNames());
  message +=
      near.empty() ? "; see the list of stages in the documentation" : "; did you mean \"" + near + "\"?";
  context.diagnostics.AddError(key.place, context.path, message);
}

// One item of a list: `- name: options`. Leaves `built` alone after an error.
void BuildItem(const Node& item, BuildContext& context, BuiltStages& built) {
  if (!item.is_map()) {
    const std::string what = item.is_scalar() ? "`- " + item.scalar + "`" : "this item";
    context.diagnostics.AddError(item.place, context.path,
                                 what +
                                     " is not a stage: write a map of one stage name to its options, "
                                     "for example `- json: {expressions: {level: level}}`");
    return;
  }
  if (item.members.size() != 1) {
    if (item.members.empty()) {
      context.diagnostics.AddWarning(item.place, context.path, "this stage is empty and does nothing");
      return;
    }
    context.diagnostics.AddError(item.place, context.path,
                                 "a stage must have exactly one name, but this one has " +
                                     std::to_string(item.members.size()) + ", starting with \"" +
                                     item.members[0].first.scalar + "\" and \"" +
                                     item.members[1].first.scalar + "\"; begin each stage with its own `- `");
    return;
  }
  const auto& [key, options] = item.members[0];
  context.path += "." + key.scalar;
  const StageSpec* spec = FindStage(key.scalar);
  if (spec == nullptr) {
    UnknownStage(key, context);
    return;
  }
  const size_t errors = context.diagnostics.errors();
  std::unique_ptr<StagePlan> plan = spec->build(options, context);
  if (plan == nullptr || context.diagnostics.errors() != errors) return;
  if (context.inspector != nullptr) {
    plan = Inspected(std::move(plan), std::string(spec->name), context.symbols, *context.inspector);
  }
  built.plans.push_back(std::move(plan));
  built.names.emplace_back(spec->name);
}

void BuildList(const Node& list, size_t first, BuildContext& context, BuiltStages& built) {
  const std::string path = context.path;
  for (size_t i = first; i < list.items.size(); ++i) {
    context.path = path + "[" + std::to_string(i) + "]";
    BuildItem(list.items[i], context, built);
  }
  context.path = path;
}

bool IsList(const Node& list, BuildContext& context) {
  if (list.is_sequence()) return true;
  if (!list.is_null()) {
    context.diagnostics.AddError(list.place, context.path,
                                 "stages must be a list: begin each stage with `- ` on its own line");
  }
  return false;
}

// The name of the first stage if the framer knows its format, else empty.
std::string_view LeadingFormat(const Node& list) {
  if (list.items.empty() || list.items[0].members.size() != 1) return {};
  const std::string& name = list.items[0].members[0].first.scalar;
  return name == "cri" || name == "docker" ? std::string_view(name) : std::string_view();
}

// A leading `cri` or `docker` stage: to the framer if it may, else a stage as any.
void BuildLeading(std::string_view format, const Node& list, PipelinePlan& plan, BuildContext& context,
                  BuiltStages& built) {
  const bool fuse = context.inspector == nullptr && MayFuse(format, list, plan.symbols);
  SymbolTable unused;  // a fused stage needs no slots in the records' extracted maps
  BuildContext own{fuse ? unused : plan.symbols, context.diagnostics, context.metrics, context.job,
                   context.drop_reasons,         context.path + "[0]", context.inspector};
  BuiltStages first;
  BuildItem(list.items[0], own, first);
  if (!fuse) {
    std::move(first.plans.begin(), first.plans.end(), std::inserter(built.plans, built.plans.begin()));
    built.names.insert(built.names.begin(), first.names.begin(), first.names.end());
    return;
  }
  plan.format = format == "cri" ? LineFormat::kCri : LineFormat::kDocker;
  if (format != "cri") return;
  Diagnostics reported;  // BuildItem has done it
  BuildContext again{unused, reported, context.metrics, context.job, context.drop_reasons, own.path,
                     nullptr};
  plan.cri = ReadCriOptions(list.items[0].members[0].second, again);
}

void BuildTopLevel(const Node& list, PipelinePlan& plan, BuildContext& context) {
  const std::string_view format = LeadingFormat(list);
  BuiltStages built;
  BuildList(list, format.empty() ? 0 : 1, context, built);
  if (!format.empty()) BuildLeading(format, list, plan, context, built);
  plan.stages = std::move(built.plans);
  plan.stage_names = std::move(built.names);
}

}  // namespace

std::shared_ptr<PipelinePlan> BuildPipeline(const Node* stages, const std::string& path,
                                            const std::string& job, Diagnostics& diagnostics,
                                            metrics::Registry& metrics, const Inspector* inspector) {
  auto plan = std::make_shared<PipelinePlan>();
  if (stages == nullptr) return plan;
  BuildContext context{plan->symbols, diagnostics, metrics, job, plan->drop_reasons, path, inspector};
  if (IsList(*stages, context)) BuildTopLevel(*stages, *plan, context);
  return plan;
}

std::vector<std::unique_ptr<StagePlan>> BuildStages(const Node& list, BuildContext& context) {
  BuiltStages built;
  if (IsList(list, context)) BuildList(list, 0, context, built);
  return std::move(built.plans);
}

StageChain::StageChain(const std::vector<std::unique_ptr<StagePlan>>& plans) {
  stages_.reserve(plans.size());
  for (const auto& plan : plans) stages_.push_back(plan->NewLane());
}

void StageChain::Process(std::vector<Record*>& records, StageContext& context) {
  if (stages_.empty()) return;
  for (Record* record : records) {
    // The labels at the start are the background of the extracted map, whatever a
    // stage does to the record's labels later.
    if (record->fields != nullptr) continue;
    record->fields = context.arena.New<Fields>();
    record->fields->background = record->labels;
  }
  for (const auto& stage : stages_) {
    if (records.empty()) return;
    stage->Process(records, context);
  }
}

MonoTime StageChain::NextDeadline() const {
  MonoTime next = kNever;
  for (const auto& stage : stages_) next = std::min(next, stage->NextDeadline());
  return next;
}

void StageChain::Flush(std::vector<Record*>& records, StageContext& context, bool all) {
  for (size_t i = 0; i < stages_.size(); ++i) {
    scratch_.clear();
    stages_[i]->Flush(scratch_, context, all);
    for (size_t later = i + 1; later < stages_.size() && !scratch_.empty(); ++later) {
      stages_[later]->Process(scratch_, context);
    }
    records.insert(records.end(), scratch_.begin(), scratch_.end());
  }
}

void StageChain::ForgetLabels() {
  for (const auto& stage : stages_) stage->ForgetLabels();
}

size_t StageChain::Held() const {
  size_t held = 0;
  for (const auto& stage : stages_) held += stage->Held();
  return held;
}

}  // namespace agent::stage
