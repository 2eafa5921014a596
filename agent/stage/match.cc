// SPDX-License-Identifier: Apache-2.0
// `match`: records that a LogQL selector selects go through stages of their own
// (keep), or are dropped and counted (drop). The rest passes by; the order of lines
// is kept. Entering the stages copies the labels over extracted values again.
//
//   match: {selector: '{app="db"} |= "error"', stages: [...]}
//   match: {selector: '{app="db"}', action: drop, drop_counter_reason: noise}
#include <string_view>
#include <vector>

#include "agent/stage/fields.h"
#include "agent/stage/pipeline.h"
#include "agent/text/logql.h"

namespace agent::stage {
namespace {

struct MatchPlan : StagePlan {
  MatchPlan(const SymbolTable& symbols, text::LogSelector parsed)
      : fields(symbols), selector(std::move(parsed)) {}
  std::unique_ptr<Stage> NewLane() const override;

  FieldAccess fields;
  text::LogSelector selector;
  std::vector<std::unique_ptr<StagePlan>> stages;
  std::vector<std::string> names;
  DropReason* drop = nullptr;  // null: keep
};

class MatchStage : public Stage {
 public:
  explicit MatchStage(const MatchPlan& plan) : plan_(plan), nested_(plan.stages) {}

  void Process(std::vector<Record*>& records, StageContext& context) override;
  MonoTime NextDeadline() const override { return nested_.NextDeadline(); }
  void Flush(std::vector<Record*>& records, StageContext& context, bool all) override {
    nested_.Flush(records, context, all);
  }
  void ForgetLabels() override {
    last_labels_ = nullptr;
    nested_.ForgetLabels();
  }
  size_t Held() const override { return nested_.Held(); }

 private:
  bool Selects(const Record& record, Arena& arena);
  void RunNested(StageContext& context);

  const MatchPlan& plan_;
  StageChain nested_;
  std::vector<Record*> out_;
  std::vector<Record*> run_;  // neighbouring records that are selected
  const LabelSet* last_labels_ = nullptr;
  bool last_selected_ = false;
};

std::unique_ptr<Stage> MatchPlan::NewLane() const { return std::make_unique<MatchStage>(*this); }

bool MatchStage::Selects(const Record& record, Arena& arena) {
  if (record.labels != last_labels_) {  // records of one stream come in runs
    last_labels_ = record.labels;
    const auto value_of = [&record](std::string_view name) {
      const std::string* const value = record.labels->Find(name);
      return value == nullptr ? std::string_view() : std::string_view(*value);
    };
    last_selected_ = plan_.selector.MatchesLabels(value_of, arena);
  }
  return last_selected_ && plan_.selector.MatchesLine(record.line, arena);
}

void MatchStage::RunNested(StageContext& context) {
  if (run_.empty()) return;
  for (Record* record : run_) plan_.fields.EnterPipeline(*record, context.arena);
  nested_.Process(run_, context);
  out_.insert(out_.end(), run_.begin(), run_.end());
  run_.clear();
}

void MatchStage::Process(std::vector<Record*>& records, StageContext& context) {
  out_.clear();
  for (Record* record : records) {
    if (!Selects(*record, context.arena)) {
      RunNested(context);
      out_.push_back(record);
    } else if (plan_.drop != nullptr) {
      context.Drop(*record, *plan_.drop);
    } else {
      run_.push_back(record);
    }
  }
  RunNested(context);
  records.swap(out_);
}

std::unique_ptr<MatchPlan> ReadSelector(config::MapReader& reader, BuildContext& context) {
  std::string text;
  reader.String("selector", text);
  reader.Require("selector", !text.empty());
  if (text.empty()) return nullptr;
  auto selector = text::LogSelector::Parse(text);
  if (selector) return std::make_unique<MatchPlan>(context.symbols, std::move(*selector));
  reader.Error("selector", selector.error().what);
  return nullptr;
}

std::unique_ptr<StagePlan> BuildMatch(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kStrictStage);
  std::unique_ptr<MatchPlan> plan = ReadSelector(reader, context);
  std::string action = "keep";
  std::string reason;
  std::string pipeline_name;
  if (reader.String("pipeline_name", pipeline_name) && pipeline_name.empty()) {
    reader.Error("pipeline_name", "the name must not be empty; leave the key out");
  }
  reader.String("action", action);
  reader.String("drop_counter_reason", reason);
  const config::Node* const stages = reader.Child("stages");
  reader.Finish();
  if (action.empty()) action = "keep";
  const bool any =
      stages != nullptr && !stages->is_null() && !(stages->is_sequence() && stages->items.empty());
  if (action != "keep" && action != "drop") {
    reader.Error("action", "`" + action + "` is not an action; write `keep` or `drop`");
  } else if (action == "keep" && !any) {
    reader.Error("stages", "at least one stage is needed for what the selector keeps");
  } else if (action == "drop" && any) {
    reader.Error("stages", "what is dropped cannot go through stages; remove them, or use `action: keep`");
  }
  BuildContext nested{context.symbols, context.diagnostics,  context.metrics,
                      context.job,     context.drop_reasons, reader.PathOf("stages"),
                      context.inspector};
  std::vector<std::unique_ptr<StagePlan>> plans;
  if (any) plans = BuildStages(*stages, nested);
  if (plan == nullptr) return nullptr;
  plan->stages = std::move(plans);
  if (action == "drop") plan->drop = context.NewDropReason(reason.empty() ? "match_stage" : reason);
  return plan;
}

}  // namespace

const StageSpec kStage_match{"match", "", BuildMatch};

}  // namespace agent::stage
