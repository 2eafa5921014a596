// SPDX-License-Identifier: Apache-2.0
// Sprig's functions of maps. A map is a reference: set, unset, merge and
// mergeOverwrite change the one they are given.
#include <algorithm>

#include "agent/text/internal/template_functions.h"

namespace agent::text::tmpl {
namespace {

constexpr int kMaxDictDepth = 64;

Value Dict(Run& run, Args args) {
  Map* map = run.NewMap();
  for (size_t i = 0; i < args.size() && !run.failed(); i += 2) {
    const Value value = i + 1 < args.size() ? args[i + 1] : Value::String({});
    run.Set(*map, run.Keep(ToText(run, args[i])), value);
  }
  return Value::Of(map);
}

Value Get(Run& run, Args args) {
  const Value* found = run.Fill(*args[0].map).Find(args[1].text);
  return found == nullptr ? Value::String({}) : *found;
}

Value HasKey(Run& run, Args args) { return Value::Bool(run.Fill(*args[0].map).Find(args[1].text) != nullptr); }

Value Set(Run& run, Args args) {
  if (args[0].map->null) return run.Fail("set on a map that is missing");
  run.Set(*args[0].map, args[1].text, args[2]);
  return args[0];
}

Value Unset(Run& run, Args args) {
  run.Erase(*args[0].map, args[1].text);
  return args[0];
}

Value Keys(Run& run, Args args) {
  ValueBuffer keys(run);
  for (const Value& arg : args) {
    for (const Map::Entry& entry : run.Fill(*arg.map).all()) keys->push_back(Value::String(entry.key));
  }
  return run.NewList(*keys, Elem::kString);
}

Value Values(Run& run, Args args) {
  ValueBuffer values(run);
  for (const Map::Entry& entry : run.Fill(*args[0].map).all()) values->push_back(entry.value);
  return run.NewList(*values);
}

Value Pluck(Run& run, Args args) {
  ValueBuffer values(run);
  for (const Value& arg : args.subspan(1)) {
    const Value* found = run.Fill(*arg.map).Find(args[0].text);
    if (found != nullptr) values->push_back(*found);
  }
  return run.NewList(*values);
}

bool Named(Args names, std::string_view key) {
  return std::any_of(names.begin(), names.end(), [key](const Value& name) { return name.text == key; });
}

Value Filtered(Run& run, Args args, bool wanted) {
  Map* map = run.NewMap();
  for (const Map::Entry& entry : run.Fill(*args[0].map).all()) {
    if (Named(args.subspan(1), entry.key) == wanted) run.Set(*map, entry.key, entry.value);
  }
  return Value::Of(map);
}

Value Pick(Run& run, Args args) { return Filtered(run, args, true); }
Value Omit(Run& run, Args args) { return Filtered(run, args, false); }

bool IsDict(const Value& value) { return value.kind == Kind::kMap && value.map->elem == Elem::kAny; }

void MergeInto(Run& run, Map& to, Map& from, bool overwrite, int depth) {
  if (depth > kMaxDictDepth) {
    run.Fail("merge goes too deep");
    return;
  }
  // A map may be merged into itself or a part of itself: go by position, not iterator.
  run.Fill(from);
  for (uint32_t i = 0; i < from.size && !run.failed(); ++i) {
    const Map::Entry entry = from.entries[i];
    const Value* have = run.Fill(to).Find(entry.key);
    if (!run.Charge()) return;
    if (have != nullptr && IsDict(*have) && IsDict(entry.value)) {
      MergeInto(run, *have->map, *entry.value.map, overwrite, depth + 1);
    } else if (overwrite || (have != nullptr ? IsEmpty(*have) : !entry.value.is_nothing())) {
      run.Set(to, entry.key, entry.value);
    }
  }
}

Value MergeAll(Run& run, Args args, bool overwrite) {
  args[0].map->null = false;  // a missing map becomes a new one
  for (const Value& arg : args.subspan(1)) MergeInto(run, *args[0].map, *arg.map, overwrite, 0);
  return args[0];
}

Value Merge(Run& run, Args args) { return MergeAll(run, args, false); }
Value MergeOverwrite(Run& run, Args args) { return MergeAll(run, args, true); }

// dig "a" "b" DEFAULT MAP
Value Dig(Run& run, Args args) {
  if (args.size() < 3) return run.Fail("dig needs at least three arguments");
  Value at = args.back();
  for (const Value& key : args.first(args.size() - 2)) {
    if (!IsDict(at)) return run.Fail("dig met a value that is no map");
    if (!key.is_string()) return run.Fail("dig takes strings for keys");
    const Value* found = run.Fill(*at.map).Find(key.text);
    if (found == nullptr) return args[args.size() - 2];
    at = *found;
  }
  return at;
}

Value Copy(Run& run, const Value& value, int depth) {
  if (depth > kMaxDictDepth) return run.Fail("deepCopy goes too deep");
  if (!run.Charge()) return {};
  if (value.kind == Kind::kList) {
    ValueBuffer items(run);
    for (const Value& item : value.list->items) {
      items->push_back(Copy(run, item, depth + 1));
      if (run.failed()) return {};
    }
    return value.list->null ? value : run.NewList(*items, value.list->elem);
  }
  if (value.kind != Kind::kMap) return value;
  Map* map = run.NewMap(value.map->elem);
  for (const Map::Entry& entry : run.Fill(*value.map).all()) {
    run.Set(*map, entry.key, Copy(run, entry.value, depth + 1));
    if (run.failed()) return {};
  }
  return Value::Of(map);
}

Value DeepCopy(Run& run, Args args) {
  if (args[0].is_nothing()) return run.Fail("deepCopy of nothing");
  return Copy(run, args[0], 0);
}

constexpr Function kDictFunctions[] = {
    {"dict", "a*", Dict},
    {"get", "ms", Get},
    {"hasKey", "ms", HasKey},
    {"set", "msa", Set},
    {"unset", "ms", Unset},
    {"keys", "m*", Keys},
    {"values", "m", Values},
    {"pluck", "sm*", Pluck},
    {"pick", "ms*", Pick},
    {"omit", "ms*", Omit},
    {"merge", "mm*", Merge},
    {"mustMerge", "mm*", Merge},
    {"mergeOverwrite", "mm*", MergeOverwrite},
    {"mustMergeOverwrite", "mm*", MergeOverwrite},
    {"dig", "a*", Dig},
    {"deepCopy", "a", DeepCopy},
    {"mustDeepCopy", "a", DeepCopy},
};

}  // namespace

std::span<const Function> DictFunctions() { return kDictFunctions; }

}  // namespace agent::text::tmpl
