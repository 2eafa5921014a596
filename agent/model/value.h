// SPDX-License-Identifier: Apache-2.0
// One value of the extracted map: Promtail's dynamic types, as a view. A string
// value is a view into the record's chunk or arena and is valid as long as they.
#pragma once

#include <cstdint>
#include <string_view>

namespace agent {

struct Value {
  enum class Kind : uint8_t {
    kAbsent,  // no such key (and, in a record's slot: look in the labels)
    kErased,  // a key that was there and was deleted: do not look in the labels
    kNull,    // present, convertible to nothing
    kString,
    kNumber,
    kBool,
  };

  constexpr Value() : text() {}
  static constexpr Value String(std::string_view s) { Value v; v.kind = Kind::kString; v.text = s; return v; }
  static constexpr Value Number(double d) { Value v; v.kind = Kind::kNumber; v.number = d; return v; }
  static constexpr Value Bool(bool b) { Value v; v.kind = Kind::kBool; v.flag = b; return v; }
  static constexpr Value Null() { Value v; v.kind = Kind::kNull; return v; }
  static constexpr Value Erased() { Value v; v.kind = Kind::kErased; return v; }

  // Is the key in the map at all (null counts)?
  bool present() const { return kind != Kind::kAbsent && kind != Kind::kErased; }

  Kind kind = Kind::kAbsent;
  union {
    std::string_view text;
    double number;
    bool flag;
  };
};

}  // namespace agent
