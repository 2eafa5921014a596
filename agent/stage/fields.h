// SPDX-License-Identifier: Apache-2.0
// Access to a record's extracted map. At the start of a pipeline the map holds all
// labels of the record, as strings; this is done lazily: a slot that was never set
// reads as the label of that name in `background`.
// Lane-local, no state of its own; `slots` of a record are made at the first Set.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "agent/model/record.h"
#include "agent/stage/symbols.h"

namespace agent::stage {

class FieldAccess {
 public:
  explicit FieldAccess(const SymbolTable& symbols) : symbols_(symbols) {}

  // Absent if there is no such key (erased counts as absent).
  Value Get(const Record& record, Symbol symbol) const;
  Value GetByName(const Record& record, std::string_view name) const;
  // The value's string bytes must live as long as the batch (chunk or arena).
  void Set(Record& record, Symbol symbol, Value value, Arena& arena) const { Slots(record, arena)[symbol] = value; }
  // By symbol, made if need be; for those who set several.
  std::span<Value> Slots(Record& record, Arena& arena) const;
  void SetByName(Record& record, std::string_view name, Value value, Arena& arena) const;
  void Erase(Record& record, Symbol symbol, Arena& arena) const { Set(record, symbol, Value::Erased(), arena); }

  // Entry into a (nested) pipeline: the record's current labels become extracted
  // values and overwrite same-named ones; values from the earlier labels stay.
  void EnterPipeline(Record& record, Arena& arena) const;

  // Every present key, unordered, each once: visit(name, value).
  template <class Visit>
  void ForEach(const Record& record, Visit&& visit) const {
    const Fields* fields = record.fields;
    if (fields == nullptr) {
      if (record.labels != nullptr) {
        for (const auto& [name, value] : record.labels->pairs()) visit(std::string_view(name), Value::String(value));
      }
      return;
    }
    for (Symbol i = 0; i < fields->slots.size(); ++i) {
      if (fields->slots[i].present()) visit(std::string_view(symbols_.name(i)), fields->slots[i]);
    }
    for (const Fields::Extra* e = fields->extra; e != nullptr; e = e->next) {
      if (e->value.present()) visit(e->name, e->value);
    }
    if (fields->background == nullptr) return;
    for (const auto& [name, value] : fields->background->pairs()) {
      if (!Shadowed(*fields, name)) visit(std::string_view(name), Value::String(value));
    }
  }

  const SymbolTable& symbols() const { return symbols_; }

 private:
  bool Shadowed(const Fields& fields, std::string_view name) const;
  Fields& Ensure(Record& record, Arena& arena) const;

  const SymbolTable& symbols_;
};

// Promtail's conversion to text: strings as they are, bools, numbers in the shortest
// decimal form without exponent (written into the arena). False: not convertible.
bool ToText(const Value& value, Arena& arena, std::string_view& out);
// Promtail's conversion for metrics: numbers, bools, float literals, durations.
bool ToFloat(const Value& value, double& out);

}  // namespace agent::stage
