// SPDX-License-Identifier: Apache-2.0
// A JSON document as values in an arena: what JMESPath works on. A value is a few
// words and is copied freely; texts, arrays and objects are views into the arena or
// the parsed text and live as long as these. Immutable once built.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/core/arena.h"

namespace agent::text {

struct JsonMember;

struct JsonValue {
  enum class Kind : uint8_t {
    kNull,
    kBool,
    kNumber,
    kString,
    kArray,
    kObject,
    kExpression,  // JMESPath's `&expression`; never in a document
  };

  constexpr JsonValue() : text() {}
  static JsonValue Null() { return {}; }
  static JsonValue Bool(bool value) {
    JsonValue v;
    v.kind = Kind::kBool;
    v.flag = value;
    return v;
  }
  static JsonValue Number(double value) {
    JsonValue v;
    v.kind = Kind::kNumber;
    v.number = value;
    return v;
  }
  static JsonValue String(std::string_view value) {
    JsonValue v;
    v.kind = Kind::kString;
    v.text = value;
    return v;
  }
  static JsonValue Array(const JsonValue* first, size_t size) {
    JsonValue v;
    v.kind = Kind::kArray;
    v.array = {first, size};
    return v;
  }
  // Keys are unique, in order of their first appearance.
  static JsonValue Object(const JsonMember* first, size_t size) {
    JsonValue v;
    v.kind = Kind::kObject;
    v.object = {first, size};
    return v;
  }
  static JsonValue Expression(uint32_t node) {
    JsonValue v;
    v.kind = Kind::kExpression;
    v.node = node;
    return v;
  }

  bool is(Kind wanted) const { return kind == wanted; }
  // The member of an object, or null; also null if this is no object.
  const JsonValue* Find(std::string_view key) const;

  struct Items {
    const JsonValue* first;
    size_t size;
    const JsonValue* begin() const { return first; }
    const JsonValue* end() const;
  };
  struct Members {
    const JsonMember* first;
    size_t size;
    const JsonMember* begin() const { return first; }
    const JsonMember* end() const;
  };

  Kind kind = Kind::kNull;
  union {
    bool flag;
    double number;
    uint32_t node;
    std::string_view text;
    Items array;
    Members object;
  };
};

struct JsonMember {
  std::string_view key;
  JsonValue value;
};

inline const JsonValue* JsonValue::Items::end() const { return first + size; }
inline const JsonMember* JsonValue::Members::end() const { return first + size; }
inline const JsonValue* JsonValue::Find(std::string_view key) const {
  if (kind != Kind::kObject) return nullptr;
  for (const JsonMember& member : object) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

// Deep equality; NaN equals nothing, expressions equal nothing.
bool JsonEqual(const JsonValue& a, const JsonValue& b);

// How a value is written as text.
enum class JsonStyle {
  kStage,     // what Promtail's json stage stores for arrays and objects
  kToString,  // JMESPath's to_string: keys sorted, exponents without leading zero
};
// Compact text, `<`, `>`, `&` and the separators U+2028/9 escaped, bytes that are not
// UTF-8 as \ufffd. Written into the arena. False if a number has no JSON form, or if
// the text would be longer than kMaxJsonText.
inline constexpr size_t kMaxJsonText = 16 * 1024 * 1024;
bool WriteJson(const JsonValue& value, JsonStyle style, Arena& arena, std::string_view& out);

}  // namespace agent::text
