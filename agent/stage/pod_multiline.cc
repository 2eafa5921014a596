// SPDX-License-Identifier: Apache-2.0
// The `multiline` stage that a pod asks for by annotation: its regular expression is its
// target's, so that pods with different wishes share one pipeline. One MultilineStage for
// each expression, made when its first record comes. Records of targets without a wish
// pass; where a batch has none with one, it costs a look at each record's target.
// Limits: kMostExpressions of them with open blocks or recent use; then the idle ones go.
#include <map>
#include <string>
#include <utility>

#include "agent/core/check.h"
#include "agent/stage/pipeline.h"

namespace agent::stage {
namespace {

constexpr size_t kMostExpressions = 64;

const std::string& FirstlineOf(const Record& record) {
  static const std::string kNone;
  const TailedFile* file = record.origin.file;
  return file == nullptr || file->target == nullptr ? kNone : file->target->multiline_firstline;
}

// The wish was checked when it was read (kube/annotations.h); one that is no regular
// expression all the same joins nothing.
std::unique_ptr<StagePlan> PlanOf(const std::string& firstline) {
  config::Node key, value, options;
  key.kind = value.kind = config::Node::Kind::kScalar;
  key.scalar = "firstline";
  value.scalar = firstline;
  value.quoted = true;
  options.kind = config::Node::Kind::kMap;
  options.members.emplace_back(std::move(key), std::move(value));
  SymbolTable symbols;
  Diagnostics diagnostics;
  metrics::Registry metrics;
  std::vector<std::shared_ptr<DropReason>> reasons;
  const std::string job;
  BuildContext context{symbols, diagnostics, metrics, job, reasons, "sluice.io/multiline-firstline"};
  const StageSpec* spec = FindStage("multiline");
  CHECK(spec != nullptr, "the multiline stage is built in");
  return spec->build(options, context);
}

class PodMultilineStage : public Stage {
 public:
  void Process(std::vector<Record*>& records, StageContext& context) override {
    bool any = false;
    for (const Record* record : records) any = any || !FirstlineOf(*record).empty();
    if (!any) return;
    out_.clear();
    for (size_t at = 0; at < records.size();) {
      const std::string& firstline = FirstlineOf(*records[at]);
      run_.clear();
      for (; at < records.size() && FirstlineOf(*records[at]) == firstline; ++at) run_.push_back(records[at]);
      if (Stage* joiner = firstline.empty() ? nullptr : JoinerOf(firstline)) joiner->Process(run_, context);
      out_.insert(out_.end(), run_.begin(), run_.end());
    }
    records.swap(out_);
  }

  MonoTime NextDeadline() const override {
    MonoTime next = kNever;
    for (const auto& [firstline, joiner] : joiners_) {
      if (joiner.stage != nullptr) next = std::min(next, joiner.stage->NextDeadline());
    }
    return next;
  }

  void Flush(std::vector<Record*>& records, StageContext& context, bool all) override {
    for (const auto& [firstline, joiner] : joiners_) {
      if (joiner.stage == nullptr) continue;
      run_.clear();
      joiner.stage->Flush(run_, context, all);
      records.insert(records.end(), run_.begin(), run_.end());
    }
  }

  void ForgetLabels() override {
    for (const auto& [firstline, joiner] : joiners_) {
      if (joiner.stage != nullptr) joiner.stage->ForgetLabels();
    }
  }

  size_t Held() const override {
    size_t held = 0;
    for (const auto& [firstline, joiner] : joiners_) held += joiner.stage != nullptr ? joiner.stage->Held() : 0;
    return held;
  }

 private:
  struct Joiner {
    std::unique_ptr<StagePlan> plan;  // outlives its stage
    std::unique_ptr<Stage> stage;     // null: no regular expression
  };

  Stage* JoinerOf(const std::string& firstline) {
    const auto found = joiners_.find(firstline);
    if (found != joiners_.end()) return found->second.stage.get();
    if (joiners_.size() >= kMostExpressions) {
      std::erase_if(joiners_, [](const auto& one) { return one.second.stage == nullptr || one.second.stage->Held() == 0; });
    }
    Joiner joiner{.plan = PlanOf(firstline), .stage = nullptr};
    if (joiner.plan != nullptr) joiner.stage = joiner.plan->NewLane();
    return joiners_.emplace(firstline, std::move(joiner)).first->second.stage.get();
  }

  std::map<std::string, Joiner> joiners_;
  std::vector<Record*> run_;
  std::vector<Record*> out_;
};

struct PodMultilinePlan : StagePlan {
  std::unique_ptr<Stage> NewLane() const override { return std::make_unique<PodMultilineStage>(); }
};

}  // namespace

void AddPodMultiline(PipelinePlan& plan) {
  // Behind a format stage that the framer could not take over.
  const bool format_first =
      !plan.stage_names.empty() && (plan.stage_names.front() == "cri" || plan.stage_names.front() == "docker");
  const auto at = static_cast<std::ptrdiff_t>(format_first ? 1 : 0);
  plan.stages.insert(plan.stages.begin() + at, std::make_unique<PodMultilinePlan>());
  plan.stage_names.insert(plan.stage_names.begin() + at, "multiline");
}

}  // namespace agent::stage
