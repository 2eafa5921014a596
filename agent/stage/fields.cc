// SPDX-License-Identifier: Apache-2.0
#include "agent/stage/fields.h"

#include "agent/config/decode.h"
#include "agent/text/number.h"

namespace agent::stage {
namespace {

Value LabelValue(const LabelSet* labels, std::string_view name) {
  if (labels == nullptr) return {};
  const std::string* value = labels->Find(name);
  return value == nullptr ? Value() : Value::String(*value);
}

Fields::Extra* FindExtra(const Fields& fields, std::string_view name) {
  Fields::Extra* extra = fields.extra;
  while (extra != nullptr && extra->name != name) extra = extra->next;
  return extra;
}

Value Visible(const Value& value) { return value.present() ? value : Value(); }

}  // namespace

Value FieldAccess::Get(const Record& record, Symbol symbol) const {
  const Fields* fields = record.fields;
  if (fields == nullptr) return LabelValue(record.labels, symbols_.name(symbol));
  if (symbol < fields->slots.size() && fields->slots[symbol].kind != Value::Kind::kAbsent) {
    return Visible(fields->slots[symbol]);
  }
  return LabelValue(fields->background, symbols_.name(symbol));
}

Value FieldAccess::GetByName(const Record& record, std::string_view name) const {
  const Symbol symbol = symbols_.Find(name);
  if (symbol < symbols_.size()) return Get(record, symbol);
  if (record.fields == nullptr) return LabelValue(record.labels, name);
  if (const Fields::Extra* extra = FindExtra(*record.fields, name);
      extra != nullptr && extra->value.kind != Value::Kind::kAbsent) {
    return Visible(extra->value);
  }
  return LabelValue(record.fields->background, name);
}

Fields& FieldAccess::Ensure(Record& record, Arena& arena) const {
  if (record.fields == nullptr) {
    record.fields = arena.New<Fields>();
    record.fields->background = record.labels;
  }
  return *record.fields;
}

std::span<Value> FieldAccess::Slots(Record& record, Arena& arena) const {
  Fields& fields = Ensure(record, arena);
  if (fields.slots.empty()) fields.slots = arena.NewArray<Value>(symbols_.size());
  return fields.slots;
}

void FieldAccess::SetByName(Record& record, std::string_view name, Value value, Arena& arena) const {
  const Symbol symbol = symbols_.Find(name);
  if (symbol < symbols_.size()) {
    Set(record, symbol, value, arena);
    return;
  }
  Fields& fields = Ensure(record, arena);
  Fields::Extra* extra = FindExtra(fields, name);
  if (extra != nullptr) {
    extra->value = value;
  } else {
    fields.extra = arena.New<Fields::Extra>(Fields::Extra{arena.Copy(name), value, fields.extra});
  }
}

bool FieldAccess::Shadowed(const Fields& fields, std::string_view name) const {
  const Symbol symbol = symbols_.Find(name);
  if (symbol < fields.slots.size()) return fields.slots[symbol].kind != Value::Kind::kAbsent;
  const Fields::Extra* extra = FindExtra(fields, name);
  return extra != nullptr && extra->value.kind != Value::Kind::kAbsent;
}

void FieldAccess::EnterPipeline(Record& record, Arena& arena) const {
  Fields& fields = Ensure(record, arena);
  const LabelSet* labels = record.labels;
  if (labels == nullptr) return;
  if (fields.background != nullptr && fields.background != labels) {
    // A label that was there at the earlier start and is gone now stays extracted.
    for (const auto& [name, value] : fields.background->pairs()) {
      if (labels->Find(name) == nullptr && !Shadowed(fields, name)) {
        SetByName(record, name, Value::String(value), arena);
      }
    }
  }
  for (Symbol i = 0; i < fields.slots.size(); ++i) {
    Value& slot = fields.slots[i];
    if (slot.kind != Value::Kind::kAbsent && labels->Find(symbols_.name(i)) != nullptr) slot = Value();
  }
  for (Fields::Extra* extra = fields.extra; extra != nullptr; extra = extra->next) {
    if (labels->Find(extra->name) != nullptr) extra->value = Value();
  }
  fields.background = labels;
}

bool ToText(const Value& value, Arena& arena, std::string_view& out) {
  switch (value.kind) {
    case Value::Kind::kString:
      out = value.text;
      return true;
    case Value::Kind::kBool:
      out = value.flag ? "true" : "false";
      return true;
    case Value::Kind::kNumber: {
      char* to = static_cast<char*>(arena.Allocate(text::kMaxNumberText, 1));
      const size_t size = text::FormatDecimal(value.number, to);
      arena.Trim(to, size);
      out = {to, size};
      return true;
    }
    default:
      return false;
  }
}

bool ToFloat(const Value& value, double& out) {
  switch (value.kind) {
    case Value::Kind::kNumber:
      out = value.number;
      return true;
    case Value::Kind::kBool:
      out = value.flag ? 1 : 0;
      return true;
    case Value::Kind::kString: {
      if (text::ParseFloat(value.text, out)) return true;
      const Result<Duration> duration = config::ParseGoDuration(value.text);
      if (!duration) return false;
      out = std::chrono::duration<double>(*duration).count();
      return true;
    }
    default:
      return false;
  }
}

}  // namespace agent::stage
