// SPDX-License-Identifier: Apache-2.0
// A record's extracted map as the data of a template: every key with a value that has
// a text, plus the keys that the stage itself adds. Lives for one record.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "agent/stage/fields.h"
#include "agent/stage/stage.h"
#include "agent/text/template.h"

namespace agent::stage {

// What the names of a template are in the pipeline, found when it is built.
struct TemplateNames {
  TemplateNames(const text::Template& made, SymbolTable& table) {
    for (const std::string& name : made.names()) {
      symbols.push_back(table.Intern(name));
      if (name == "Value") value = symbols.size() - 1;
      if (name == "Entry") entry = symbols.size() - 1;
    }
  }
  std::vector<Symbol> symbols;      // by index of the name
  std::optional<size_t> value, entry;  // the index of `.Value`, `.Entry`
};

class TemplateFields : public text::TemplateData {
 public:
  TemplateFields(const FieldAccess& access, const TemplateNames& names, const Record& record, Arena& arena)
      : access_(access), names_(names), record_(record), arena_(arena) {}

  void SetValue(std::string_view text) { value_ = text; }
  void SetEntry(std::string_view text) { entry_ = text; }

  bool Field(size_t index, std::string_view& out) const override {
    if (value_ && names_.value == index) return out = *value_, true;
    if (entry_ && names_.entry == index) return out = *entry_, true;
    return ToText(access_.Get(record_, names_.symbols[index]), arena_, out);
  }
  bool Named(std::string_view name, std::string_view& out) const override {
    if (value_ && name == "Value") return out = *value_, true;
    if (entry_ && name == "Entry") return out = *entry_, true;
    return ToText(access_.GetByName(record_, name), arena_, out);
  }
  void ForEach(const Visit& visit) const override {
    access_.ForEach(record_, [&](std::string_view name, const Value& value) {
      std::string_view text;
      if ((value_ && name == "Value") || (entry_ && name == "Entry")) return;
      if (ToText(value, arena_, text)) visit(name, text);
    });
    if (value_) visit("Value", *value_);
    if (entry_) visit("Entry", *entry_);
  }

 private:
  const FieldAccess& access_;
  const TemplateNames& names_;
  const Record& record_;
  Arena& arena_;
  std::optional<std::string_view> value_, entry_;
};

// A seed for a lane's random choices: from the times that its first batch names, so
// that a test that sets the clocks sees the same choices again.
inline uint64_t SeedOf(const StageContext& context) {
  const auto mono = static_cast<uint64_t>(context.now.time_since_epoch().count());
  return (static_cast<uint64_t>(context.wall) * 0x9E3779B97F4A7C15u) ^ (mono * 0xC2B2AE3D27D4EB4Fu);
}

}  // namespace agent::stage
