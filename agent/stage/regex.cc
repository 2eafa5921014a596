// SPDX-License-Identifier: Apache-2.0
// `regex`: the first match's named groups become extracted values; a group that
// took no part is empty text. Without a match nothing changes.
//
//   regex: {expression: '^(?P<level>\w+) (?P<message>.*)$', source: line}
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "agent/stage/fields.h"
#include "agent/stage/internal/options.h"
#include "agent/stage/per_record.h"
#include "agent/text/regex.h"

namespace agent::stage {
namespace {

struct RegexPlan;

class RegexStage : public PerRecordStage<RegexStage> {
 public:
  explicit RegexStage(const RegexPlan& plan);
  bool One(Record& record, StageContext& context);

 private:
  const RegexPlan& plan_;
  std::vector<std::string_view> found_;
};

struct RegexPlan : SimplePlan<RegexStage, RegexPlan> {
  struct Group {
    size_t index;
    Symbol name;
  };
  explicit RegexPlan(const SymbolTable& symbols) : fields(symbols) {}
  FieldAccess fields;
  std::unique_ptr<const text::Regex> regex;
  std::vector<Group> groups;  // the named ones; of equal names the last counts
  size_t last_group = 0;      // groups after it are not needed
  std::optional<Symbol> source;
};

RegexStage::RegexStage(const RegexPlan& plan) : plan_(plan), found_(plan.last_group + 1) {}

bool RegexStage::One(Record& record, StageContext& context) {
  std::string_view input = record.line;
  if (plan_.source && !ToText(plan_.fields.Get(record, *plan_.source), context.arena, input)) return true;
  if (plan_.groups.empty() || !plan_.regex->Find(input, 0, found_, context.arena)) return true;
  const std::span<Value> slots = plan_.fields.Slots(record, context.arena);
  for (const RegexPlan::Group& group : plan_.groups) slots[group.name] = Value::String(found_[group.index]);
  return true;
}

std::unique_ptr<StagePlan> BuildRegex(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kStrictStage);
  auto plan = std::make_unique<RegexPlan>(context.symbols);
  std::string expression;
  reader.String("expression", expression);
  reader.Require("expression", !expression.empty());
  ReadSource(reader, context, plan->source);
  if (!expression.empty()) {
    auto regex = text::Regex::Compile(expression);
    if (!regex) {
      reader.Error("expression", regex.error().what);
    } else {
      plan->regex = std::move(*regex);
    }
  }
  reader.Finish();
  if (plan->regex == nullptr) return nullptr;
  const std::vector<std::string>& names = plan->regex->names();
  for (size_t i = 1; i < names.size(); ++i) {
    if (names[i].empty()) continue;
    plan->groups.push_back({i, context.symbols.Intern(names[i])});
    plan->last_group = i;
  }
  return plan;
}

}  // namespace

const StageSpec kStage_regex{"regex", "", BuildRegex};

}  // namespace agent::stage
