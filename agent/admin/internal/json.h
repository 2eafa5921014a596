// SPDX-License-Identifier: Apache-2.0
// Writes JSON straight into one string. Commas are kept track of; the caller opens
// and closes objects and lists in order (DCHECKed by Take). Thread-compatible.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/core/time.h"
#include "agent/model/label_set.h"

namespace agent::admin::internal {

class Json {
 public:
  Json& Object() { return Open('{'); }
  Json& EndObject() { return Close('}'); }
  Json& List() { return Open('['); }
  Json& EndList() { return Close(']'); }
  Json& Key(std::string_view name);

  Json& Value(std::string_view text);
  Json& Value(const char* text) { return Value(std::string_view(text)); }
  Json& Value(bool value) { return Raw(value ? "true" : "false"); }
  Json& Value(double value);
  template <std::integral Number>
    requires(!std::same_as<Number, bool>)
  Json& Value(Number number) {
    return Raw(std::to_string(number));
  }
  Json& Value(const std::optional<double>& value) { return value ? Value(*value) : Raw("null"); }
  Json& Value(const LabelMap& labels);
  Json& Null() { return Raw("null"); }

  // Key and value.
  template <class T>
  Json& Field(std::string_view name, const T& value) {
    return Key(name).Value(value);
  }
  // RFC 3339 in UTC with milliseconds; null for 0.
  Json& Time(std::string_view name, WallNanos time);
  template <class Range, class Write>
  Json& ListOf(std::string_view name, const Range& range, Write write) {
    Key(name).List();
    for (const auto& item : range) write(item);
    return EndList();
  }

  std::string Take();

 private:
  Json& Open(char bracket);
  Json& Close(char bracket);
  Json& Raw(std::string_view text);
  void Comma();

  std::string out_;
  int depth_ = 0;
  bool need_comma_ = false;
};

}  // namespace agent::admin::internal
