// SPDX-License-Identifier: Apache-2.0
#include "agent/text/json_fields.h"

#include <algorithm>
#include <utility>

#include "agent/text/internal/json_scan.h"

namespace agent::text {
namespace {

// Arrays and objects become text; a number in them without JSON form is a failure.
JsonValue Flat(const JsonValue& value, Arena& arena) {
  if (value.kind <= JsonValue::Kind::kString) return value;
  std::string_view text;
  if (WriteJson(value, JsonStyle::kStage, arena, text)) return JsonValue::String(text);
  return JsonValue::Expression(0);  // kFailed
}

}  // namespace

Status JsonFields::Add(std::string_view expression) {
  auto compiled = JmesPath::Compile(expression);
  if (!compiled) return Forward(compiled);
  expressions_.push_back(std::move(*compiled));
  std::vector<std::string> names;
  if (expressions_.back().IsPath(names)) {
    AddPath(names, static_cast<uint32_t>(expressions_.size() - 1));
  } else {
    all_paths_ = false;
  }
  return {};
}

void JsonFields::AddPath(const std::vector<std::string>& names, uint32_t result) {
  uint32_t at = 0;
  for (const std::string& name : names) {
    const auto& children = nodes_[at].children;
    const auto known = std::find_if(children.begin(), children.end(),
                                    [&](uint32_t child) { return nodes_[child].key == name; });
    if (known != children.end()) {
      at = *known;
      continue;
    }
    const auto made = static_cast<uint32_t>(nodes_.size());
    nodes_[at].children.push_back(made);
    nodes_[at].child_lengths |= uint64_t{1} << (name.size() % 64);
    nodes_.push_back({name, {}, {}, 0});
    at = made;
  }
  nodes_[at].results.push_back(result);
}

// One pass over a line; follows the paths' keys and skips the rest.
struct JsonExtractor::Scan {
  JsonExtractor& owner;
  Arena& arena;
  JsonCursor cursor;

  const JsonFields::Node* FindChild(const JsonFields::Node& node, const RawString& raw) const {
    std::string_view key = raw.bytes;
    if (raw.escaped) key = Unescape(raw, arena);
    if (((node.child_lengths >> (key.size() % 64)) & 1) == 0) return nullptr;
    for (const uint32_t child : node.children) {
      const JsonFields::Node& candidate = owner.fields_.nodes_[child];
      if (candidate.key == key) return &candidate;
    }
    return nullptr;
  }

  // After the opening brace of an object whose members `node`'s children name.
  bool Members(const JsonFields::Node& node, bool top) {
    const char first = cursor.Peek();
    if (first == '}') {
      cursor.Next();
      return true;
    }
    if (first != '"' && !top) return false;
    for (;;) {
      RawString key;
      if (!cursor.TakeKey(key)) return false;
      const JsonFields::Node* const child = FindChild(node, key);
      if (child == nullptr ? !SkipJsonValue(cursor) : !Wanted(*child)) return false;
      const char c = cursor.Next();
      if (c == '}') return true;
      if (c != ',') return false;
    }
  }

  // A value that a path leads to or through.
  bool Wanted(const JsonFields::Node& node) {
    Forget(node);  // an earlier member of the same key does not count
    double number = 0;
    const char c = cursor.Next();
    switch (c) {
      case '"': {
        RawString raw;
        if (!cursor.TakeString(raw)) return false;
        if (!node.results.empty()) Set(node, JsonValue::String(Unescape(raw, arena)));
        return true;
      }
      case 'n':
        return cursor.TakeWord("ull");
      case 't':
        Set(node, JsonValue::Bool(true));
        return cursor.TakeWord("rue");
      case 'f':
        Set(node, JsonValue::Bool(false));
        return cursor.TakeWord("alse");
      case '{':
      case '[':
        return Container(node, c);
      default:
        break;
    }
    if (c != '-' && (c < '0' || c > '9')) return false;
    if (!cursor.TakeNumber(number)) return false;
    Set(node, JsonValue::Number(number));
    return true;
  }

  bool Container(const JsonFields::Node& node, char opening) {
    const char* const begin = cursor.at() - 1;
    if (opening == '{' && node.results.empty()) {
      if (++cursor.depth > kMaxJsonDepth || !Members(node, false)) return false;
      --cursor.depth;
      return true;
    }
    cursor.Back();
    if (!SkipJsonValue(cursor)) return false;
    if (node.results.empty()) return true;
    // The whole is asked for, as text in Promtail's spelling: by way of a tree.
    const std::string_view text(begin, static_cast<size_t>(cursor.at() - begin));
    JsonValue tree;
    if (!owner.parser_.ParseValue(text, arena, tree)) return false;
    Set(node, Flat(tree, arena));
    FromTree(node, tree);
    return true;
  }

  // Paths that go on into a value which was itself asked for.
  void FromTree(const JsonFields::Node& node, const JsonValue& tree) {
    for (const uint32_t id : node.children) {
      const JsonFields::Node& child = owner.fields_.nodes_[id];
      const JsonValue* const value = tree.Find(child.key);
      if (value == nullptr) continue;
      if (!child.results.empty()) Set(child, Flat(*value, arena));
      FromTree(child, *value);
    }
  }

  void Set(const JsonFields::Node& node, const JsonValue& value) {
    for (const uint32_t result : node.results) owner.results_[result] = value;
  }

  void Forget(const JsonFields::Node& node) {
    Set(node, JsonValue::Null());
    for (const uint32_t child : node.children) Forget(owner.fields_.nodes_[child]);
  }
};

bool JsonExtractor::ExtractPaths(std::string_view line, Arena& arena) {
  std::fill(results_.begin(), results_.end(), JsonValue::Null());
  Scan scan{*this, arena, JsonCursor(line)};
  const char first = scan.cursor.Next();
  if (first == 'n') return scan.cursor.TakeWord("ull") && scan.cursor.AtEnd();
  if (first != '{') return false;
  scan.cursor.depth = 1;
  return scan.Members(fields_.nodes_[0], true) && scan.cursor.AtEnd();
}

bool JsonExtractor::ExtractAny(std::string_view line, Arena& arena) {
  JsonValue document;
  if (!parser_.ParseLine(line, arena, document)) return false;
  for (size_t i = 0; i < results_.size(); ++i) {
    JsonValue result;
    const bool found = fields_.expressions_[i].Search(document, arena, result);
    results_[i] = found ? Flat(result, arena) : JsonValue::Expression(0);
  }
  return true;
}

bool JsonExtractor::Extract(std::string_view line, Arena& arena) {
  return fields_.all_paths_ ? ExtractPaths(line, arena) : ExtractAny(line, arena);
}

}  // namespace agent::text
