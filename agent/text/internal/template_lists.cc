// SPDX-License-Identifier: Apache-2.0
// Sprig's functions of lists, and those that make lists of numbers.
#include <algorithm>

#include "agent/text/internal/template_functions.h"

namespace agent::text::tmpl {
namespace {

// The list of an argument, or null after a failure.
const List* ListOf(Run& run, const Value& value) {
  if (value.kind == Kind::kList) return value.list;
  run.Fail("expected a list, not a value of type ", TypeName(value));
  return nullptr;
}

Value MakeList(Run& run, Args args) { return run.NewList(args); }

Value First(Run& run, Args args) {
  const List* list = ListOf(run, args[0]);
  return list == nullptr || list->items.empty() ? Value::Nil() : list->items.front();
}

Value Last(Run& run, Args args) {
  const List* list = ListOf(run, args[0]);
  return list == nullptr || list->items.empty() ? Value::Nil() : list->items.back();
}

Value Rest(Run& run, Args args) {
  const List* list = ListOf(run, args[0]);
  if (list == nullptr || list->items.empty()) return run.NullList(Elem::kAny);
  return run.NewList(list->items.subspan(1));
}

Value Initial(Run& run, Args args) {
  const List* list = ListOf(run, args[0]);
  if (list == nullptr || list->items.empty()) return run.NullList(Elem::kAny);
  return run.NewList(list->items.first(list->items.size() - 1));
}

Value Append(Run& run, Args args) {
  const List* list = ListOf(run, args[0]);
  if (list == nullptr || !run.Charge(list->items.size() / 16)) return {};
  ValueBuffer items(run);
  items->assign(list->items.begin(), list->items.end());
  items->push_back(args[1]);
  return run.NewList(*items);
}

Value Prepend(Run& run, Args args) {
  const List* list = ListOf(run, args[0]);
  if (list == nullptr || !run.Charge(list->items.size() / 16)) return {};
  ValueBuffer items(run);
  items->push_back(args[1]);
  items->insert(items->end(), list->items.begin(), list->items.end());
  return run.NewList(*items);
}

Value Concat(Run& run, Args args) {
  ValueBuffer items(run);
  for (const Value& arg : args) {
    const List* list = ListOf(run, arg);
    if (list == nullptr || !run.Charge(1 + list->items.size() / 16)) return {};
    items->insert(items->end(), list->items.begin(), list->items.end());
    if (!run.Room(items->size() * sizeof(Value))) return {};
  }
  return items->empty() ? run.NullList(Elem::kAny) : run.NewList(*items);
}

Value Reverse(Run& run, Args args) {
  const List* list = ListOf(run, args[0]);
  if (list == nullptr) return {};
  ValueBuffer items(run);
  items->assign(list->items.rbegin(), list->items.rend());
  return run.NewList(*items);
}

bool InItems(Run& run, std::span<const Value> items, const Value& value) {
  return std::any_of(items.begin(), items.end(), [&run, &value](const Value& item) {
    return !run.failed() && Same(run, item, value);
  });
}

Value Uniq(Run& run, Args args) {
  const List* list = ListOf(run, args[0]);
  if (list == nullptr) return {};
  ValueBuffer items(run);
  for (const Value& item : list->items) {
    if (!InItems(run, *items, item)) items->push_back(item);
    if (run.failed()) return {};
  }
  return run.NewList(*items);
}

Value Without(Run& run, Args args) {
  const List* list = ListOf(run, args[0]);
  if (list == nullptr) return {};
  ValueBuffer items(run);
  for (const Value& item : list->items) {
    if (!InItems(run, args.subspan(1), item)) items->push_back(item);
    if (run.failed()) return {};
  }
  return run.NewList(*items);
}

Value Has(Run& run, Args args) {
  if (args[1].is_nothing()) return Value::Bool(false);
  const List* list = ListOf(run, args[1]);
  return Value::Bool(list != nullptr && InItems(run, list->items, args[0]));
}

Value Compact(Run& run, Args args) {
  const List* list = ListOf(run, args[0]);
  if (list == nullptr) return {};
  ValueBuffer items(run);
  for (const Value& item : list->items) {
    if (!IsEmpty(item)) items->push_back(item);
  }
  return run.NewList(*items);
}

Value Slice(Run& run, Args args) {
  const List* list = ListOf(run, args[0]);
  if (list == nullptr) return {};
  const auto size = static_cast<int64_t>(list->items.size());
  if (size == 0) return Value::Nil();
  const int64_t start = args.size() > 1 ? ToInt64(args[1]) : 0;
  const int64_t end = args.size() > 2 ? ToInt64(args[2]) : size;
  if (start < 0 || end < start || end > size) return run.Fail("slice goes beyond the list");
  return run.NewList(list->items.subspan(static_cast<size_t>(start), static_cast<size_t>(end - start)), list->elem);
}

Value Chunk(Run& run, Args args) {
  const List* list = ListOf(run, args[1]);
  if (list == nullptr) return {};
  const int64_t length = args[0].integer;
  const auto items = static_cast<int64_t>(list->items.size());
  // Go makes (items - 1) / length + 1 of them, rounded down, each of `length` items but the last, which has
  // the remainder: a negative length works where that is none, or one of one item.
  if (items == 1 && length < -1) {
    const Value whole[] = {run.NewList(list->items)};
    return run.NewList(whole, Elem::kAnyList);
  }
  if (length == 0 || (length < 0 && (items < 2 || items - 2 > -(length + 1)))) {
    return run.Fail("chunk needs a length above 0");
  }
  ValueBuffer chunks(run);
  if (length > 0) {
    const auto size = static_cast<size_t>(length);
    for (size_t at = 0; at < list->items.size() && run.Charge(); at += size) {
      chunks->push_back(run.NewList(list->items.subspan(at, std::min(size, list->items.size() - at))));
    }
  }
  return run.NewList(*chunks, Elem::kAnyList);
}

// -- numbers in a row --

bool CountUp(Run& run, int64_t start, int64_t stop, int64_t step, std::vector<Value>& out) {
  if ((step > 0 && stop < start) || (step < 0 && stop > start) || step == 0) return true;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (!run.Charge() || !run.Room(out.size() * sizeof(Value))) return false;
    out.push_back(Value::Int(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return true;
}

Value UntilStep(Run& run, Args args) {
  ValueBuffer numbers(run);
  if (!CountUp(run, args[0].integer, args[1].integer, args[2].integer, *numbers)) return {};
  return run.NewList(*numbers, Elem::kInt);
}

Value Until(Run& run, Args args) {
  ValueBuffer numbers(run);
  if (!CountUp(run, 0, args[0].integer, args[0].integer < 0 ? -1 : 1, *numbers)) return {};
  return run.NewList(*numbers, Elem::kInt);
}

// A row of numbers as text, both ends included.
Value Seq(Run& run, Args args) {
  if (args.empty() || args.size() > 3) return Value::String({});
  const int64_t start = args.size() == 1 ? 1 : args[0].integer;
  int64_t end = args.back().integer;
  int64_t step = end < start ? -1 : 1;
  if (args.size() == 3) {
    step = args[1].integer;
    if ((end < start && step > 0) || (end > start && step < 0)) return Value::String({});
  }
  if (end > INT64_MAX - 1 || end < INT64_MIN + 1) return run.Fail("seq goes too far");
  end += end < start ? -1 : 1;
  ValueBuffer numbers(run);
  if (!CountUp(run, start, end, step, *numbers)) return {};
  Buffer out(run);
  for (const Value& number : *numbers) {
    if (!out->empty()) out->push_back(' ');
    out->append(std::to_string(number.integer));
  }
  return run.Text(*out);
}

constexpr Function kLists[] = {
    {"list", "a*", MakeList},     {"tuple", "a*", MakeList},      {"first", "a", First},
    {"mustFirst", "a", First},    {"last", "a", Last},            {"mustLast", "a", Last},
    {"rest", "a", Rest},          {"mustRest", "a", Rest},        {"initial", "a", Initial},
    {"mustInitial", "a", Initial}, {"append", "aa", Append},      {"mustAppend", "aa", Append},
    {"push", "aa", Append},       {"mustPush", "aa", Append},     {"prepend", "aa", Prepend},
    {"mustPrepend", "aa", Prepend}, {"concat", "a*", Concat},     {"reverse", "a", Reverse},
    {"mustReverse", "a", Reverse}, {"uniq", "a", Uniq},           {"mustUniq", "a", Uniq},
    {"without", "aa*", Without},  {"mustWithout", "aa*", Without}, {"has", "aa", Has},
    {"mustHas", "aa", Has},       {"compact", "a", Compact},      {"mustCompact", "a", Compact},
    {"slice", "aa*", Slice},      {"mustSlice", "aa*", Slice},    {"chunk", "ia", Chunk},
    {"mustChunk", "ia", Chunk},
};

constexpr Function kSequences[] = {
    {"until", "i", Until},
    {"untilStep", "iii", UntilStep},
    {"seq", "i*", Seq},
};

}  // namespace

std::span<const Function> ListFunctions() { return kLists; }
std::span<const Function> SequenceFunctions() { return kSequences; }

}  // namespace agent::text::tmpl
