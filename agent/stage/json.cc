// SPDX-License-Identifier: Apache-2.0
// `json`: JMESPath expressions on a line (or an extracted value) that is one JSON
// object become extracted values. An expression without result stores null, which
// hides an earlier value; one that fails at run time leaves the key as it was.
//
//   json: {expressions: {level: , method: request.method}, source: payload, drop_malformed: false}
#include <optional>
#include <string_view>
#include <vector>

#include "agent/stage/fields.h"
#include "agent/stage/internal/options.h"
#include "agent/stage/stage.h"
#include "agent/text/json_fields.h"

namespace agent::stage {
namespace {

struct JsonPlan;

class JsonStage : public Stage {
 public:
  explicit JsonStage(const JsonPlan& plan);
  void Process(std::vector<Record*>& records, StageContext& context) override;

 private:
  // False if the record's input is not JSON.
  bool One(Record& record, Arena& arena);

  const JsonPlan& plan_;
  text::JsonExtractor extractor_;
};

struct JsonPlan : StagePlan {
  explicit JsonPlan(const SymbolTable& symbols) : access(symbols) {}
  std::unique_ptr<Stage> NewLane() const override { return std::make_unique<JsonStage>(*this); }
  FieldAccess access;
  text::JsonFields fields;
  std::vector<Symbol> names;  // parallel to the fields
  std::optional<Symbol> source;
  DropReason* malformed = nullptr;  // null: what is not JSON goes on
  metrics::Counter* failures = nullptr;
};

Value ToValue(const text::JsonValue& value) {
  switch (value.kind) {
    case text::JsonValue::Kind::kBool:
      return Value::Bool(value.flag);
    case text::JsonValue::Kind::kNumber:
      return Value::Number(value.number);
    case text::JsonValue::Kind::kString:
      return Value::String(value.text);
    default:
      return Value::Null();
  }
}

JsonStage::JsonStage(const JsonPlan& plan) : plan_(plan), extractor_(plan.fields) {}

bool JsonStage::One(Record& record, Arena& arena) {
  std::string_view input = record.line;
  if (plan_.source && !ToText(plan_.access.Get(record, *plan_.source), arena, input)) return true;
  if (!extractor_.Extract(input, arena)) return false;
  const std::span<const text::JsonValue> results = extractor_.results();
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].is(text::JsonExtractor::kFailed)) continue;
    plan_.access.Set(record, plan_.names[i], ToValue(results[i]), arena);
  }
  return true;
}

void JsonStage::Process(std::vector<Record*>& records, StageContext& context) {
  size_t kept = 0;
  size_t failed = 0;
  for (Record* record : records) {
    if (!One(*record, context.arena)) {
      ++failed;
      if (plan_.malformed != nullptr) {
        context.Drop(*record, *plan_.malformed);
        continue;
      }
    }
    records[kept++] = record;
  }
  if (failed > 0) plan_.failures->Add(static_cast<double>(failed));
  records.resize(kept);
}

void ReadExpressions(const config::Node& expressions, const std::string& path, JsonPlan& plan,
                     BuildContext& context) {
  NamePairs pairs;
  if (!ReadNameMap(expressions, path, context.diagnostics, pairs)) return;
  if (pairs.empty()) {
    context.diagnostics.AddError(expressions.place, path,
                                 "at least one expression is needed: name it like the value, "
                                 "for example `level: level`");
  }
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto& [name, expression] = pairs[i];
    const Place& place = expressions.members[i].second.place;
    std::string where = path;
    where.append(".").append(name);
    const Status added = plan.fields.Add(expression.empty() ? name : expression);
    if (!added) {
      context.diagnostics.AddError(place, where, added.error().what);
      continue;
    }
    const std::string unknown = plan.fields.UnknownFunction();
    if (!unknown.empty()) {
      context.diagnostics.AddWarning(place, where,
                                     "there is no function \"" + unknown + "\", so this never gives a value");
    }
    plan.names.push_back(context.symbols.Intern(name));
  }
}

std::unique_ptr<StagePlan> BuildJson(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kStrictStage);
  auto plan = std::make_unique<JsonPlan>(context.symbols);
  const config::Node* expressions = reader.Child("expressions");
  reader.Require("expressions", expressions != nullptr);
  ReadSource(reader, context, plan->source);
  bool drop_malformed = false;
  reader.Bool("drop_malformed", drop_malformed);
  reader.Finish();
  if (expressions != nullptr) ReadExpressions(*expressions, reader.PathOf("expressions"), *plan, context);
  if (drop_malformed) plan->malformed = context.NewDropReason("json_malformed");
  plan->failures = context.FailureCounter("json");
  return plan;
}

}  // namespace

const StageSpec kStage_json{"json", "", BuildJson};

}  // namespace agent::stage
