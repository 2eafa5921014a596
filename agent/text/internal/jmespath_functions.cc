// SPDX-License-Identifier: Apache-2.0
// The functions of JMESPath. Argument types are checked against a table before a
// function runs, so that the functions need not.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "agent/text/internal/jmespath_eval.h"
#include "agent/text/number.h"
#include "agent/text/utf8.h"

namespace agent::text::jmes {
namespace {

using Kind = JsonValue::Kind;
using Arguments = std::span<JsonValue>;

// What an argument may be, as bits.
enum Type : unsigned {
  kNumber = 1,
  kString = 2,
  kArray = 4,
  kObject = 8,
  kNumbers = 16,  // an array of nothing but numbers
  kStrings = 32,
  kExpression = 64,
  kAny = 128,
};

bool All(const JsonValue& value, Kind kind) {
  return value.is(Kind::kArray) && std::all_of(value.array.begin(), value.array.end(),
                                               [kind](const JsonValue& item) { return item.is(kind); });
}

bool Fits(const JsonValue& value, unsigned types) {
  return (types & kAny) != 0 || ((types & kNumber) != 0 && value.is(Kind::kNumber)) ||
         ((types & kString) != 0 && value.is(Kind::kString)) ||
         ((types & kArray) != 0 && value.is(Kind::kArray)) ||
         ((types & kObject) != 0 && value.is(Kind::kObject)) ||
         ((types & kNumbers) != 0 && All(value, Kind::kNumber)) ||
         ((types & kStrings) != 0 && All(value, Kind::kString)) ||
         ((types & kExpression) != 0 && value.is(Kind::kExpression));
}

bool Less(const JsonValue& a, const JsonValue& b) {
  return a.is(Kind::kNumber) ? a.number < b.number : a.text < b.text;
}

// -- numbers --

bool Abs(Arguments a, Evaluator&, JsonValue& out) {
  out = JsonValue::Number(std::fabs(a[0].number));
  return true;
}
bool Ceil(Arguments a, Evaluator&, JsonValue& out) {
  out = JsonValue::Number(std::ceil(a[0].number));
  return true;
}
bool Floor(Arguments a, Evaluator&, JsonValue& out) {
  out = JsonValue::Number(std::floor(a[0].number));
  return true;
}

double SumOf(const JsonValue& array) {
  double sum = 0;
  for (const JsonValue& item : array.array) sum += item.number;
  return sum;
}
bool Sum(Arguments a, Evaluator&, JsonValue& out) {
  out = JsonValue::Number(SumOf(a[0]));
  return true;
}
bool Avg(Arguments a, Evaluator&, JsonValue& out) {
  out = JsonValue::Number(SumOf(a[0]) / static_cast<double>(a[0].array.size));  // of nothing: NaN
  return true;
}

// -- text --

bool StartsWith(Arguments a, Evaluator&, JsonValue& out) {
  out = JsonValue::Bool(a[0].text.starts_with(a[1].text));
  return true;
}
bool EndsWith(Arguments a, Evaluator&, JsonValue& out) {
  out = JsonValue::Bool(a[0].text.ends_with(a[1].text));
  return true;
}

bool Join(Arguments a, Evaluator& evaluator, JsonValue& out) {
  size_t size = 0;
  for (const JsonValue& item : a[1].array) size += item.text.size() + a[0].text.size();
  if (size > kMaxJsonText) return false;
  char* const first = static_cast<char*>(evaluator.arena().Allocate(size + 1, 1));
  char* to = first;
  for (const JsonValue& item : a[1].array) {
    if (&item != a[1].array.begin()) to = std::copy(a[0].text.begin(), a[0].text.end(), to);
    to = std::copy(item.text.begin(), item.text.end(), to);
  }
  out = JsonValue::String({first, static_cast<size_t>(to - first)});
  return true;
}

std::string_view ReverseText(std::string_view text, Arena& arena) {
  const size_t most = text.size() * 3;  // a byte that is not UTF-8 becomes three
  char* const first = static_cast<char*>(arena.Allocate(most + 1, 1));
  char* begin = first + most;
  while (!text.empty()) {
    const Rune rune = DecodeRune(text);
    char bytes[4];
    const size_t size = EncodeRune(rune.code, bytes);
    begin -= size;
    std::memcpy(begin, bytes, size);
    text.remove_prefix(rune.size);
  }
  return {begin, static_cast<size_t>(first + most - begin)};
}

bool ToString(Arguments a, Evaluator& evaluator, JsonValue& out) {
  if (a[0].is(Kind::kString)) {
    out = a[0];
    return true;
  }
  std::string_view text;
  if (!WriteJson(a[0], JsonStyle::kToString, evaluator.arena(), text)) return false;
  out = JsonValue::String(text);
  return true;
}

bool ToNumber(Arguments a, Evaluator&, JsonValue& out) {
  out = JsonValue();
  double number = 0;
  if (a[0].is(Kind::kNumber)) out = a[0];
  if (a[0].is(Kind::kString) && ParseFloat(a[0].text, number)) out = JsonValue::Number(number);
  return !a[0].is(Kind::kExpression);
}

bool TypeOf(Arguments a, Evaluator&, JsonValue& out) {
  switch (a[0].kind) {
    case Kind::kNull:
      out = JsonValue::String("null");
      return true;
    case Kind::kBool:
      out = JsonValue::String("boolean");
      return true;
    case Kind::kNumber:
      out = JsonValue::String("number");
      return true;
    case Kind::kString:
      out = JsonValue::String("string");
      return true;
    case Kind::kArray:
      out = JsonValue::String("array");
      return true;
    case Kind::kObject:
      out = JsonValue::String("object");
      return true;
    case Kind::kExpression:
      return false;
  }
  return false;
}

// -- arrays and objects --

bool Length(Arguments a, Evaluator&, JsonValue& out) {
  const size_t length = a[0].is(Kind::kString)  ? CountRunes(a[0].text)
                        : a[0].is(Kind::kArray) ? a[0].array.size
                                                : a[0].object.size;
  out = JsonValue::Number(static_cast<double>(length));
  return true;
}

bool Contains(Arguments a, Evaluator&, JsonValue& out) {
  bool found = false;
  if (a[0].is(Kind::kString)) {
    found = a[1].is(Kind::kString) && a[0].text.find(a[1].text) != std::string_view::npos;
  } else if (!a[1].is(Kind::kArray) && !a[1].is(Kind::kObject)) {  // go-jmespath cannot compare these
    found = std::any_of(a[0].array.begin(), a[0].array.end(),
                        [&](const JsonValue& item) { return JsonEqual(item, a[1]); });
  }
  out = JsonValue::Bool(found);
  return true;
}

bool Max(Arguments a, Evaluator&, JsonValue& out) {
  const auto best = std::max_element(a[0].array.begin(), a[0].array.end(), Less);
  out = best == a[0].array.end() ? JsonValue() : *best;
  return true;
}
bool Min(Arguments a, Evaluator&, JsonValue& out) {
  const auto best = std::min_element(a[0].array.begin(), a[0].array.end(), Less);
  out = best == a[0].array.end() ? JsonValue() : *best;
  return true;
}

bool CopyArray(const JsonValue& from, Evaluator& evaluator, std::span<JsonValue>& items) {
  items = evaluator.MakeArray(from.array.size);
  if (items.size() < from.array.size) return false;
  std::copy(from.array.begin(), from.array.end(), items.begin());
  return true;
}

bool Sort(Arguments a, Evaluator& evaluator, JsonValue& out) {
  std::span<JsonValue> items;
  if (!CopyArray(a[0], evaluator, items)) return false;
  std::stable_sort(items.begin(), items.end(), Less);
  out = JsonValue::Array(items.data(), items.size());
  return true;
}

bool Reverse(Arguments a, Evaluator& evaluator, JsonValue& out) {
  if (a[0].is(Kind::kString)) {
    out = JsonValue::String(ReverseText(a[0].text, evaluator.arena()));
    return true;
  }
  std::span<JsonValue> items;
  if (!CopyArray(a[0], evaluator, items)) return false;
  std::reverse(items.begin(), items.end());
  out = JsonValue::Array(items.data(), items.size());
  return true;
}

bool ToArray(Arguments a, Evaluator&, JsonValue& out) {
  out = a[0].is(Kind::kArray) ? a[0] : JsonValue::Array(a.data(), 1);
  return true;
}

bool Keys(Arguments a, Evaluator& evaluator, JsonValue& out) {
  std::span<JsonValue> items = evaluator.MakeArray(a[0].object.size);
  if (items.size() < a[0].object.size) return false;
  for (size_t i = 0; i < items.size(); ++i) items[i] = JsonValue::String(a[0].object.first[i].key);
  out = JsonValue::Array(items.data(), items.size());
  return true;
}

bool Values(Arguments a, Evaluator& evaluator, JsonValue& out) {
  std::span<JsonValue> items = evaluator.MakeArray(a[0].object.size);
  if (items.size() < a[0].object.size) return false;
  for (size_t i = 0; i < items.size(); ++i) items[i] = a[0].object.first[i].value;
  out = JsonValue::Array(items.data(), items.size());
  return true;
}

// The place of a key among merged members: a table of indexes, open addressing.
class KeyTable {
 public:
  KeyTable(size_t most, std::span<const JsonMember> members, Arena& arena) : members_(members) {
    size_t slots = 16;
    while (slots < most * 2) slots *= 2;
    slots_ = arena.NewArray<uint32_t>(slots);
  }

  // The index of the key's member, or `next` where the key is new; then it is noted.
  size_t Place(std::string_view key, size_t next) {
    const size_t mask = slots_.size() - 1;
    for (size_t slot = std::hash<std::string_view>{}(key)&mask;; slot = (slot + 1) & mask) {
      if (slots_[slot] == 0) {
        slots_[slot] = static_cast<uint32_t>(next + 1);
        return next;
      }
      if (members_[slots_[slot] - 1].key == key) return slots_[slot] - 1;
    }
  }

 private:
  std::span<const JsonMember> members_;
  std::span<uint32_t> slots_;  // index + 1; 0: free
};

bool Merge(Arguments a, Evaluator& evaluator, JsonValue& out) {
  size_t most = 1;
  for (const JsonValue& argument : a) {
    if (!argument.is(Kind::kObject)) return false;
    most += argument.object.size;
  }
  std::span<JsonMember> members = evaluator.MakeObject(most);
  if (members.empty()) return false;
  KeyTable table(most, members, evaluator.arena());
  size_t count = 0;
  for (const JsonValue& argument : a) {
    for (const JsonMember& member : argument.object) {
      const size_t place = table.Place(member.key, count);
      members[place] = member;
      if (place == count) ++count;
    }
  }
  out = JsonValue::Object(members.data(), count);
  return true;
}

bool NotNull(Arguments a, Evaluator&, JsonValue& out) {
  const auto found = std::find_if(a.begin(), a.end(), [](const JsonValue& v) { return !v.is(Kind::kNull); });
  out = found == a.end() ? JsonValue() : *found;
  return true;
}

// -- with an expression --

bool Map(Arguments a, Evaluator& evaluator, JsonValue& out) {
  std::span<JsonValue> items = evaluator.MakeArray(a[1].array.size);
  if (items.size() < a[1].array.size) return false;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!evaluator.Run(a[0].node, a[1].array.first[i], items[i])) return false;
  }
  out = JsonValue::Array(items.data(), items.size());
  return true;
}

struct Keyed {
  JsonValue key;
  const JsonValue* item = nullptr;
};

// The key of every item; all numbers or all text. An array of one item is not looked at.
bool MakeKeys(const JsonValue& array, NodeId expression, Evaluator& evaluator, std::span<Keyed>& out) {
  out = evaluator.arena().NewArray<Keyed>(array.array.size);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].item = array.array.first + i;
    if (out.size() == 1) return true;
    if (!evaluator.Run(expression, *out[i].item, out[i].key)) return false;
    if (!out[i].key.is(Kind::kNumber) && !out[i].key.is(Kind::kString)) return false;
    if (out[i].key.kind != out[0].key.kind) return false;
  }
  return true;
}

bool KeyLess(const Keyed& a, const Keyed& b) { return Less(a.key, b.key); }

bool MaxBy(Arguments a, Evaluator& evaluator, JsonValue& out) {
  std::span<Keyed> keyed;
  if (!MakeKeys(a[0], a[1].node, evaluator, keyed)) return false;
  out = keyed.empty() ? JsonValue() : *std::max_element(keyed.begin(), keyed.end(), KeyLess)->item;
  return true;
}

bool MinBy(Arguments a, Evaluator& evaluator, JsonValue& out) {
  std::span<Keyed> keyed;
  if (!MakeKeys(a[0], a[1].node, evaluator, keyed)) return false;
  out = keyed.empty() ? JsonValue() : *std::min_element(keyed.begin(), keyed.end(), KeyLess)->item;
  return true;
}

// Unlike go-jmespath's, it leaves the document as it is.
bool SortBy(Arguments a, Evaluator& evaluator, JsonValue& out) {
  std::span<Keyed> keyed;
  if (!MakeKeys(a[0], a[1].node, evaluator, keyed)) return false;
  std::stable_sort(keyed.begin(), keyed.end(), KeyLess);
  std::span<JsonValue> items = evaluator.MakeArray(keyed.size());
  if (items.size() < keyed.size()) return false;
  for (size_t i = 0; i < items.size(); ++i) items[i] = *keyed[i].item;
  out = JsonValue::Array(items.data(), items.size());
  return true;
}

struct Function {
  std::string_view name;
  bool (*call)(Arguments, Evaluator&, JsonValue&);
  size_t count;  // of arguments; of a variadic one the least
  unsigned types[2];
  bool variadic = false;
};

constexpr Function kJmespathFunctions[] = {
    {"abs", Abs, 1, {kNumber}},
    {"avg", Avg, 1, {kNumbers}},
    {"ceil", Ceil, 1, {kNumber}},
    {"contains", Contains, 2, {kArray | kString, kAny}},
    {"ends_with", EndsWith, 2, {kString, kString}},
    {"floor", Floor, 1, {kNumber}},
    {"join", Join, 2, {kString, kStrings}},
    {"keys", Keys, 1, {kObject}},
    {"length", Length, 1, {kString | kArray | kObject}},
    {"map", Map, 2, {kExpression, kArray}},
    {"max", Max, 1, {kNumbers | kStrings}},
    {"max_by", MaxBy, 2, {kArray, kExpression}},
    {"merge", Merge, 1, {kAny}, true},
    {"min", Min, 1, {kNumbers | kStrings}},
    {"min_by", MinBy, 2, {kArray, kExpression}},
    {"not_null", NotNull, 1, {kAny}, true},
    {"reverse", Reverse, 1, {kArray | kString}},
    {"sort", Sort, 1, {kStrings | kNumbers}},
    {"sort_by", SortBy, 2, {kArray, kExpression}},
    {"starts_with", StartsWith, 2, {kString, kString}},
    {"sum", Sum, 1, {kNumbers}},
    {"to_array", ToArray, 1, {kAny}},
    {"to_number", ToNumber, 1, {kAny}},
    {"to_string", ToString, 1, {kAny}},
    {"type", TypeOf, 1, {kAny}},
    {"values", Values, 1, {kObject}},
};

const Function* FindFunction(std::string_view name) {
  const Function* const end = std::end(kJmespathFunctions);
  const Function* const found = std::find_if(
      std::begin(kJmespathFunctions), end, [name](const Function& function) { return function.name == name; });
  return found == end ? nullptr : found;
}

}  // namespace

bool IsFunction(std::string_view name) { return FindFunction(name) != nullptr; }

bool CallFunction(std::string_view name, std::span<JsonValue> arguments, Evaluator& evaluator,
                  JsonValue& out) {
  const Function* const function = FindFunction(name);
  if (function == nullptr) return false;
  if (function->variadic ? arguments.size() < function->count : arguments.size() != function->count)
    return false;
  for (size_t i = 0; !function->variadic && i < arguments.size(); ++i) {
    if (!Fits(arguments[i], function->types[i])) return false;
  }
  return function->call(arguments, evaluator, out);
}

}  // namespace agent::text::jmes
