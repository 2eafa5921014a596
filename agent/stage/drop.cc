// SPDX-License-Identifier: Apache-2.0
// `drop`: drops a record that meets every condition given, and counts it.
//   longer_than   the line has more bytes
//   older_than    the record's time is that long before now
//   source        all these extracted keys exist (null counts)
//   expression    the line matches; with source: the values, joined, match
//   value         with source: the values, joined, are this
//
//   drop: {source: level, value: debug, drop_counter_reason: debug_lines}
#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/stage/fields.h"
#include "agent/stage/per_record.h"
#include "agent/text/regex.h"

namespace agent::stage {
namespace {

struct DropPlan;

class DropStage : public PerRecordStage<DropStage> {
 public:
  explicit DropStage(const DropPlan& plan) : plan_(plan) {}
  bool One(Record& record, StageContext& context);

 private:
  bool Drops(const Record& record, StageContext& context) const;
  bool ContentMatches(const Record& record, Arena& arena) const;

  const DropPlan& plan_;
};

struct DropPlan : SimplePlan<DropStage, DropPlan> {
  explicit DropPlan(const SymbolTable& symbols) : fields(symbols) {}
  FieldAccess fields;
  std::optional<std::vector<Symbol>> source;
  std::string separator = ";";
  std::optional<std::string> value;
  std::unique_ptr<const text::Regex> expression;
  std::optional<Duration> older_than;
  std::optional<uint64_t> longer_than;
  DropReason* reason = nullptr;
};

// The values of the keys that exist, joined. False if one has no text.
bool JoinSources(const DropPlan& plan, const Record& record, Arena& arena, std::string_view& out) {
  out = "";
  bool first = true;
  for (const Symbol source : *plan.source) {
    const Value value = plan.fields.Get(record, source);
    if (!value.present()) continue;
    std::string_view text;
    if (!ToText(value, arena, text)) return false;
    if (first) {
      out = text;
    } else {
      const size_t size = out.size() + plan.separator.size() + text.size();
      char* const joined = static_cast<char*>(arena.Allocate(size + 1, 1));
      char* to = std::copy(out.begin(), out.end(), joined);
      to = std::copy(plan.separator.begin(), plan.separator.end(), to);
      std::copy(text.begin(), text.end(), to);
      out = {joined, size};
    }
    first = false;
  }
  return true;
}

bool DropStage::ContentMatches(const Record& record, Arena& arena) const {
  const bool compares = plan_.expression != nullptr || plan_.value;
  if (!plan_.source) return !compares || plan_.expression->Contains(record.line, arena);
  if (!compares) {
    return std::all_of(plan_.source->begin(), plan_.source->end(),
                       [&](Symbol source) { return plan_.fields.Get(record, source).present(); });
  }
  std::string_view joined;
  if (!JoinSources(plan_, record, arena, joined)) return false;
  return plan_.value ? joined == *plan_.value : plan_.expression->Contains(joined, arena);
}

bool DropStage::Drops(const Record& record, StageContext& context) const {
  if (plan_.longer_than && record.line.size() <= *plan_.longer_than) return false;
  if (plan_.older_than) {
    WallNanos oldest = 0;
    if (__builtin_sub_overflow(context.wall, plan_.older_than->count(), &oldest)) {
      oldest = std::numeric_limits<WallNanos>::min();
    }
    if (record.time >= oldest) return false;
  }
  return ContentMatches(record, context.arena);
}

bool DropStage::One(Record& record, StageContext& context) {
  if (!Drops(record, context)) return true;
  context.Drop(record, *plan_.reason);
  return false;
}

void ReadDropSource(config::MapReader& reader, BuildContext& context, DropPlan& plan) {
  const config::Node* node = reader.Child("source");
  if (node == nullptr || node->is_null()) return;
  plan.source.emplace();
  const auto add = [&](const config::Node& name) {
    if (name.is_scalar() && name.type() == config::Node::ScalarType::kString) {
      plan.source->push_back(context.symbols.Intern(name.scalar));
    } else {
      context.diagnostics.AddError(
          name.place, reader.PathOf("source"),
          "the source must be a name or a list of names; write numbers and bools in quotes");
    }
  };
  if (!node->is_sequence()) {
    add(*node);
    return;
  }
  for (const config::Node& item : node->items) add(item);
}

void ReadDropExpression(config::MapReader& reader, DropPlan& plan) {
  std::string text;
  if (reader.String("value", text)) plan.value = text;
  if (!reader.String("expression", text)) return;
  auto regex = text::Regex::Compile(text);
  if (!regex) {
    reader.Error("expression", regex.error().what);
  } else {
    plan.expression = std::move(*regex);
  }
  if (plan.value)
    reader.Error("value", "`value` and `expression` cannot be used together; put both into the expression");
}

void ReadDropBounds(config::MapReader& reader, DropPlan& plan) {
  std::string text;
  if (reader.String("older_than", text)) {
    const auto duration = config::ParseGoDuration(text);
    if (duration) {
      plan.older_than = *duration;
    } else {
      reader.Error("older_than", duration.error().what);
    }
  }
  if (reader.String("longer_than", text)) {
    const auto bytes = config::ParseBytes(text);
    if (bytes) {
      plan.longer_than = *bytes;
    } else {
      reader.Error("longer_than", bytes.error().what);
    }
  }
}

std::unique_ptr<StagePlan> BuildDrop(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kWeakStage);
  auto plan = std::make_unique<DropPlan>(context.symbols);
  const size_t errors = context.diagnostics.errors();
  std::string reason;
  reader.String("drop_counter_reason", reason);
  reader.String("separator", plan->separator);
  ReadDropSource(reader, context, *plan);
  ReadDropExpression(reader, *plan);
  ReadDropBounds(reader, *plan);
  reader.Finish();
  if (plan->value && !plan->source)
    reader.Error("value", "`value` is compared with extracted values; name them in `source`");
  const bool any =
      plan->source || plan->expression != nullptr || plan->older_than || plan->longer_than || plan->value;
  if (!any && context.diagnostics.errors() == errors) {
    context.diagnostics.AddError(
        options.place, context.path,
        "at least one of `source`, `expression`, `older_than` and `longer_than` is needed");
  }
  if (context.diagnostics.errors() != errors) return nullptr;
  plan->reason = context.NewDropReason(reason.empty() ? "drop_stage" : reason);
  return plan;
}

}  // namespace

const StageSpec kStage_drop{"drop", "", BuildDrop};

}  // namespace agent::stage
