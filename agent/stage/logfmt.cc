// SPDX-License-Identifier: Apache-2.0
// `logfmt`: values of a logfmt line become extracted values, always as text. Of a key
// that appears twice the last counts. What is no logfmt ends the reading; what was
// read before it counts.
//
//   logfmt: {mapping: {level: , message: msg}, source: line}
#include <optional>
#include <string_view>
#include <vector>

#include "agent/stage/fields.h"
#include "agent/stage/internal/options.h"
#include "agent/stage/per_record.h"
#include "agent/text/logfmt.h"

namespace agent::stage {
namespace {

struct LogfmtPlan;

class LogfmtStage : public PerRecordStage<LogfmtStage> {
 public:
  explicit LogfmtStage(const LogfmtPlan& plan) : plan_(plan) {}
  bool One(Record& record, StageContext& context);

 private:
  const LogfmtPlan& plan_;
};

struct LogfmtPlan : SimplePlan<LogfmtStage, LogfmtPlan> {
  struct Item {
    std::string key;
    Symbol name;
  };
  explicit LogfmtPlan(const SymbolTable& symbols) : fields(symbols) {}
  FieldAccess fields;
  std::vector<Item> items;
  uint64_t lengths = 0;  // bit (length % 64) of every key
  std::optional<Symbol> source;
  metrics::Counter* failures = nullptr;
};

bool LogfmtStage::One(Record& record, StageContext& context) {
  std::string_view input = record.line;
  if (plan_.source && !ToText(plan_.fields.Get(record, *plan_.source), context.arena, input)) return true;
  text::LogfmtScanner scanner(input, context.arena);
  std::string_view key;
  std::string_view value;
  while (scanner.Next(key, value)) {
    if (((plan_.lengths >> (key.size() % 64)) & 1) == 0) continue;
    for (const LogfmtPlan::Item& item : plan_.items) {
      if (item.key == key) plan_.fields.Set(record, item.name, Value::String(value), context.arena);
    }
  }
  if (scanner.failed()) plan_.failures->Add(1);
  return true;
}

std::unique_ptr<StagePlan> BuildLogfmt(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kStrictStage);
  auto plan = std::make_unique<LogfmtPlan>(context.symbols);
  NamePairs pairs;
  const config::Node* mapping = reader.Child("mapping");
  const bool read =
      mapping == nullptr || ReadNameMap(*mapping, reader.PathOf("mapping"), context.diagnostics, pairs);
  if (read) reader.Require("mapping", !pairs.empty());
  ReadSource(reader, context, plan->source);
  reader.Finish();
  for (const auto& [name, key] : pairs) {
    plan->items.push_back({key.empty() ? name : key, context.symbols.Intern(name)});
    plan->lengths |= uint64_t{1} << (plan->items.back().key.size() % 64);
  }
  plan->failures = context.FailureCounter("logfmt");
  return plan;
}

}  // namespace

const StageSpec kStage_logfmt{"logfmt", "", BuildLogfmt};

}  // namespace agent::stage
