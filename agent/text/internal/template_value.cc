// SPDX-License-Identifier: Apache-2.0
#include "agent/text/internal/template_value.h"

#include <algorithm>
#include <array>

namespace agent::text::tmpl {
namespace {

std::string_view ListTypeName(Elem elem) {
  switch (elem) {
    case Elem::kString: return "[]string";
    case Elem::kInt: return "[]int";
    case Elem::kAnyList: return "[][]interface {}";
    case Elem::kAny: break;
  }
  return "[]interface {}";
}

std::string_view IntTypeName(IntType type) {
  switch (type) {
    case IntType::kInt64: return "int64";
    case IntType::kUint8: return "uint8";
    case IntType::kMonth: return "time.Month";
    case IntType::kWeekday: return "time.Weekday";
    case IntType::kDuration: return "time.Duration";
    case IntType::kInt: break;
  }
  return "int";
}

bool EqualLists(const List& a, const List& b, uint64_t& steps, int depth) {
  if (a.elem != b.elem || a.null != b.null || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!DeepEqual(a.items[i], b.items[i], steps, depth - 1)) return false;
  }
  return true;
}

bool EqualMaps(const Map& a, const Map& b, uint64_t& steps, int depth) {
  if (&a == &b) return true;
  if (a.elem != b.elem || a.null != b.null || a.size != b.size) return false;
  for (uint32_t i = 0; i < a.size; ++i) {
    if (a.entries[i].key != b.entries[i].key) return false;
    if (!DeepEqual(a.entries[i].value, b.entries[i].value, steps, depth - 1)) return false;
  }
  return true;
}

}  // namespace

const Value* Map::Find(std::string_view key) const {
  const Entry* end = entries + size;
  const Entry* at = std::lower_bound(entries, const_cast<Entry*>(end), key,
                                     [](const Entry& e, std::string_view k) { return e.key < k; });
  return at != end && at->key == key ? &at->value : nullptr;
}

std::string_view TypeName(const Value& value) {
  switch (value.kind) {
    case Kind::kMissing:
    case Kind::kNil: return "<nil>";
    case Kind::kBool: return "bool";
    case Kind::kInt: return IntTypeName(value.int_type);
    case Kind::kFloat: return "float64";
    case Kind::kComplex: return "complex128";
    case Kind::kString: return "string";
    case Kind::kList: return ListTypeName(value.list->elem);
    case Kind::kMap: return value.map->elem == Elem::kString ? "map[string]string" : "map[string]interface {}";
    case Kind::kTime: return "time.Time";
    case Kind::kVersion: return "*semver.Version";
  }
  return "";
}

std::string_view KindName(const Value& value) {
  switch (value.kind) {
    case Kind::kMissing:
    case Kind::kNil: return "invalid";
    case Kind::kInt:
      if (value.int_type == IntType::kUint8) return "uint8";
      return value.int_type == IntType::kInt64 || value.int_type == IntType::kDuration ? "int64" : "int";
    case Kind::kList: return "slice";
    case Kind::kMap: return "map";
    case Kind::kTime: return "struct";
    case Kind::kVersion: return "ptr";
    default: return TypeName(value);
  }
}

bool IsTrue(const Value& value) {
  switch (value.kind) {
    case Kind::kMissing:
    case Kind::kNil: return false;
    case Kind::kBool: return value.flag;
    case Kind::kInt: return value.integer != 0;
    case Kind::kFloat: return value.real != 0;
    case Kind::kComplex: return value.complex->real != 0 || value.complex->imaginary != 0;
    case Kind::kString: return !value.text.empty();
    case Kind::kList: return !value.list->items.empty();
    case Kind::kMap: return value.map->size != 0 || value.map->data != nullptr;
    case Kind::kTime:
    case Kind::kVersion: return true;
  }
  return false;
}

bool SameNumber(const Complex& a, const Complex& b) { return a.real == b.real && a.imaginary == b.imaginary; }

bool SameVersion(const Version& a, const Version& b) {
  return a.major == b.major && a.minor == b.minor && a.patch == b.patch && a.prerelease == b.prerelease &&
         a.metadata == b.metadata && a.original == b.original;
}

bool DeepEqual(const Value& a, const Value& b, uint64_t& steps, int depth) {
  if (depth < 0 || steps == 0) return false;
  --steps;
  if (a.is_nothing() || b.is_nothing()) return a.is_nothing() && b.is_nothing();
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::kBool: return a.flag == b.flag;
    case Kind::kInt: return a.int_type == b.int_type && a.integer == b.integer;
    case Kind::kFloat: return a.real == b.real;
    case Kind::kComplex: return SameNumber(*a.complex, *b.complex);
    case Kind::kString: return a.text == b.text;
    case Kind::kList: return EqualLists(*a.list, *b.list, steps, depth);
    case Kind::kMap: return EqualMaps(*a.map, *b.map, steps, depth);
    case Kind::kTime: return a.time->time == b.time->time && a.time->zone == b.time->zone;
    case Kind::kVersion: return SameVersion(*a.version, *b.version);
    default: return true;
  }
}

std::string_view MonthName(int64_t month) {
  static constexpr std::array<std::string_view, 12> kNames = {
      "January", "February", "March",     "April",   "May",      "June",
      "July",    "August",   "September", "October", "November", "December"};
  return month >= 1 && month <= 12 ? kNames[static_cast<size_t>(month - 1)] : std::string_view();
}

std::string_view WeekdayName(int64_t day) {
  static constexpr std::array<std::string_view, 7> kNames = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                             "Thursday", "Friday", "Saturday"};
  return day >= 0 && day <= 6 ? kNames[static_cast<size_t>(day)] : std::string_view();
}

}  // namespace agent::text::tmpl
