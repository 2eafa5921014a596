// SPDX-License-Identifier: Apache-2.0
// `replace`: in every match of the expression, the text of each capture group becomes
// that of a Go template, with the captured text as `.Value` and all extracted values
// as fields. A group inside one that was replaced is rendered, but stays. The named
// groups of the first match become extracted values, with what they were replaced by.
//
//   replace: {expression: 'password=(\S+)', replace: '****'}
//
// Without a match, a source or a template that runs, nothing changes. A template that
// does not compile is a warning, because Promtail starts with it, and does nothing.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/stage/internal/options.h"
#include "agent/stage/internal/template_fields.h"
#include "agent/stage/per_record.h"
#include "agent/text/regex.h"
#include "agent/text/utf8.h"

namespace agent::stage {
namespace {

struct ReplacePlan;

class ReplaceStage : public PerRecordStage<ReplaceStage> {
 public:
  explicit ReplaceStage(const ReplacePlan& plan);
  bool One(Record& record, StageContext& context);

 private:
  struct Rendering {
    std::string_view captured;
    std::string_view text;
  };
  bool NextMatch(text::Subject& subject);
  bool ReplaceGroups(std::string_view input, TemplateFields& data, Arena& arena);
  const Rendering* FindRendering(std::string_view captured) const;
  void ExtractNames(Record& record, Arena& arena);

  const ReplacePlan& plan_;
  std::optional<text::TemplateScratch> scratch_;
  std::vector<std::string_view> found_;  // the groups of the current match
  std::vector<std::string_view> first_;  // those of the first match
  std::vector<Rendering> renderings_;
  std::string result_;
  // -- of the walk over the matches --
  size_t search_from_ = 0;
  size_t last_end_ = 0;      // of the match before
  bool any_match_ = false;
  size_t copied_to_ = 0;     // what of the input is in the result
};

struct ReplacePlan : SimplePlan<ReplaceStage, ReplacePlan> {
  struct Group {
    size_t index;
    Symbol name;
  };
  ReplacePlan(const SymbolTable& symbols, std::shared_ptr<const text::Template> t, TemplateNames n)
      : fields(symbols), made(std::move(t)), names(std::move(n)) {}
  FieldAccess fields;
  std::shared_ptr<const text::Template> made;
  TemplateNames names;
  std::unique_ptr<const text::Regex> regex;
  std::vector<Group> groups;  // the named ones
  std::optional<Symbol> source;
  metrics::Counter* failures = nullptr;
};

ReplaceStage::ReplaceStage(const ReplacePlan& plan) : plan_(plan), found_(plan.regex->groups() + 1) {}

// The next match that does not overlap the one before; an empty one directly after a
// match does not count.
bool ReplaceStage::NextMatch(text::Subject& subject) {
  const std::string_view input = subject.text();
  while (search_from_ <= input.size()) {
    if (!plan_.regex->Find(subject, search_from_, found_)) return false;
    const auto begin = static_cast<size_t>(found_[0].data() - input.data());
    const size_t end = begin + found_[0].size();
    const bool counts = !found_[0].empty() || !any_match_ || begin != last_end_;
    any_match_ = true;
    last_end_ = end;
    search_from_ = end;
    if (found_[0].empty()) search_from_ += end < input.size() ? text::DecodeRune(input.substr(end)).size : 1;
    if (counts) return true;
  }
  return false;
}

bool ReplaceStage::ReplaceGroups(std::string_view input, TemplateFields& data, Arena& arena) {
  for (size_t i = 1; i < found_.size(); ++i) {
    const std::string_view captured = found_[i];
    if (captured.data() == nullptr) continue;
    data.SetValue(captured);
    std::string_view text;
    if (!plan_.made->Execute(data, *scratch_, text)) return false;
    const auto begin = static_cast<size_t>(captured.data() - input.data());
    if (copied_to_ <= begin) {
      result_.append(input.substr(copied_to_, begin - copied_to_)).append(text);
      copied_to_ = begin + captured.size();
    }
    if (!plan_.groups.empty()) renderings_.push_back({captured, arena.Copy(text)});
  }
  return true;
}

const ReplaceStage::Rendering* ReplaceStage::FindRendering(std::string_view captured) const {
  for (auto at = renderings_.rbegin(); at != renderings_.rend(); ++at) {
    if (at->captured == captured) return &*at;
  }
  return nullptr;
}

// By captured text, as Promtail looks them up: equal texts share the last rendering.
void ReplaceStage::ExtractNames(Record& record, Arena& arena) {
  for (const ReplacePlan::Group& group : plan_.groups) {
    const Rendering* rendering = FindRendering(first_[group.index]);
    if (rendering != nullptr) plan_.fields.Set(record, group.name, Value::String(rendering->text), arena);
  }
}

bool ReplaceStage::One(Record& record, StageContext& context) {
  std::string_view input = record.line;
  if (plan_.source && !ToText(plan_.fields.Get(record, *plan_.source), context.arena, input)) return true;
  text::Subject subject(input, context.arena);
  input = subject.text();
  search_from_ = last_end_ = copied_to_ = 0;
  any_match_ = false;
  if (!NextMatch(subject)) return true;
  if (!scratch_) scratch_.emplace(SeedOf(context));
  scratch_->SetNow(context.wall);
  TemplateFields data(plan_.fields, plan_.names, record, context.arena);
  first_.assign(found_.begin(), found_.end());
  renderings_.clear();
  result_.clear();
  do {
    if (!ReplaceGroups(input, data, context.arena)) {
      plan_.failures->Add(1);
      return true;
    }
  } while (NextMatch(subject));
  result_.append(input.substr(copied_to_));
  const std::string_view text = context.arena.Copy(result_);
  if (plan_.source) {
    plan_.fields.Set(record, *plan_.source, Value::String(text), context.arena);
  } else {
    record.line = text;
  }
  ExtractNames(record, context.arena);
  return true;
}

// Promtail's behaviour with a template that does not compile.
struct NothingPlan : StagePlan {
  struct Nothing : Stage {
    void Process(std::vector<Record*>& /*records*/, StageContext& /*context*/) override {}
  };
  std::unique_ptr<Stage> NewLane() const override { return std::make_unique<Nothing>(); }
};

std::unique_ptr<StagePlan> BuildReplace(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kStrictStage);
  std::string expression, text;
  std::optional<Symbol> source;
  reader.String("expression", expression);
  reader.Require("expression", !expression.empty());
  ReadSource(reader, context, source);
  reader.String("replace", text);
  reader.Finish();
  if (expression.empty()) return nullptr;
  auto regex = text::Regex::Compile(expression);
  if (!regex) {
    reader.Error("expression", regex.error().what);
    return nullptr;
  }
  const auto made = text::Template::Compile(text, text::TemplateDataType::kString);
  if (!made) {
    reader.Warning("replace", "the template does not compile, so the stage does nothing: " + made.error().what);
    return std::make_unique<NothingPlan>();
  }
  auto plan = std::make_unique<ReplacePlan>(context.symbols, *made, TemplateNames(**made, context.symbols));
  plan->regex = std::move(*regex);
  plan->source = source;
  plan->failures = context.FailureCounter("replace");
  const std::vector<std::string>& names = plan->regex->names();
  for (size_t i = 1; i < names.size(); ++i) {
    if (!names[i].empty()) plan->groups.push_back({i, context.symbols.Intern(names[i])});
  }
  return plan;
}

}  // namespace

const StageSpec kStage_replace{"replace", "", BuildReplace};

}  // namespace agent::stage
