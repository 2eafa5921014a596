// SPDX-License-Identifier: Apache-2.0
// The values that a template computes with: the Go types that can occur in a log
// pipeline, as small trivially copyable views.
//
// Ownership: strings, lists and maps point into the template (literals), the data,
// or the memory of the current execution (template_run.h). Nothing outlives it.
// Maps are references: `set` changes the one that everybody sees.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/time/time.h"
#include "agent/text/template.h"

namespace agent::text::tmpl {

enum class Kind : uint8_t {
  kMissing,  // no value at all: a key that is not there; prints `<no value>`
  kNil,      // a value that is nil (an element of a list, a JSON null)
  kBool,
  kInt,
  kFloat,
  kComplex,  // a literal such as 2i: nothing makes or takes one but printing
  kString,
  kList,
  kMap,
  kTime,
  kVersion,
};
// Which Go type an integer has: functions insist on it.
enum class IntType : uint8_t { kInt, kInt64, kUint8, kMonth, kWeekday, kDuration };
// Which Go type the elements of a list or map have.
enum class Elem : uint8_t { kAny, kString, kInt, kAnyList };

struct Value;
struct List;
struct Map;

struct TimeValue {
  absl::Time time;
  absl::TimeZone zone;
  std::string_view zone_name;  // as a text spelled it, where the zone itself does not tell
};

struct Complex {
  double real = 0;
  double imaginary = 0;
};

struct Version {
  uint64_t major = 0;
  uint64_t minor = 0;
  uint64_t patch = 0;
  std::string_view prerelease;
  std::string_view metadata;
  std::string_view original;
};

struct Value {
  constexpr Value() : integer(0) {}
  static Value Nil() { Value v; v.kind = Kind::kNil; return v; }
  static Value Bool(bool b) { Value v; v.kind = Kind::kBool; v.flag = b; return v; }
  static Value Int(int64_t i, IntType type = IntType::kInt) {
    Value v;
    v.kind = Kind::kInt;
    v.int_type = type;
    v.integer = i;
    return v;
  }
  static Value Int64(int64_t i) { return Int(i, IntType::kInt64); }
  static Value Float(double d) { Value v; v.kind = Kind::kFloat; v.real = d; return v; }
  static Value Of(const Complex* c) { Value v; v.kind = Kind::kComplex; v.complex = c; return v; }
  static Value String(std::string_view s) { Value v; v.kind = Kind::kString; v.text = s; return v; }
  static Value Of(const List* l) { Value v; v.kind = Kind::kList; v.list = l; return v; }
  static Value Of(Map* m) { Value v; v.kind = Kind::kMap; v.map = m; return v; }
  static Value Of(const TimeValue* t) { Value v; v.kind = Kind::kTime; v.time = t; return v; }
  static Value Of(const Version* p) { Value v; v.kind = Kind::kVersion; v.version = p; return v; }

  bool is_string() const { return kind == Kind::kString; }
  bool is_nothing() const { return kind == Kind::kMissing || kind == Kind::kNil; }

  Kind kind = Kind::kMissing;
  IntType int_type = IntType::kInt;
  union {
    bool flag;
    int64_t integer;
    double real;
    const Complex* complex;
    std::string_view text;
    const List* list;
    Map* map;
    const TimeValue* time;
    const Version* version;
  };
};

struct List {
  std::span<const Value> items;
  Elem elem = Elem::kAny;
  bool null = false;  // Go's nil slice: JSON writes null
};

// Sorted by key. `data` is set for the execution's data until somebody needs more
// than one key of it; then the run copies it into the entries (Run::Fill).
struct Map {
  struct Entry {
    std::string_view key;
    Value value;
  };
  Entry* entries = nullptr;
  uint32_t size = 0;
  uint32_t capacity = 0;
  Elem elem = Elem::kAny;  // kAny or kString
  bool null = false;
  const TemplateData* data = nullptr;

  std::span<const Entry> all() const { return {entries, size}; }
  const Value* Find(std::string_view key) const;  // of a filled map
};

// Go's name of the value's type, as %T prints it.
std::string_view TypeName(const Value& value);
// The name of its reflect.Kind.
std::string_view KindName(const Value& value);
// Go templates' idea of truth.
bool IsTrue(const Value& value);
// reflect.DeepEqual. Each comparison takes one of `steps`; without any left, and nested
// deeper than `depth`, values count as different.
bool DeepEqual(const Value& a, const Value& b, uint64_t& steps, int depth = 64);
bool SameNumber(const Complex& a, const Complex& b);
bool SameVersion(const Version& a, const Version& b);

std::string_view MonthName(int64_t month);
std::string_view WeekdayName(int64_t day);  // 0 = Sunday

}  // namespace agent::text::tmpl
