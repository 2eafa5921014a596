// SPDX-License-Identifier: Apache-2.0
#include "agent/text/internal/jmespath_eval.h"

#include <algorithm>

namespace agent::text::jmes {
namespace {

using Kind = JsonValue::Kind;

// A slice's bound, from the end if negative, cut to what exists.
int64_t Bound(int64_t length, int64_t bound, bool backwards) {
  if (bound < 0) {
    bound += length;
    return bound < 0 ? (backwards ? -1 : 0) : bound;
  }
  return bound >= length ? (backwards ? length - 1 : length) : bound;
}

}  // namespace

bool IsFalse(const JsonValue& value) {
  switch (value.kind) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return !value.flag;
    case Kind::kString:
      return value.text.empty();
    case Kind::kArray:
      return value.array.size == 0;
    case Kind::kObject:
      return value.object.size == 0;
    case Kind::kNumber:
    case Kind::kExpression:
      return false;
  }
  return false;
}

std::span<JsonValue> Evaluator::MakeArray(size_t count) {
  made_ += count;
  if (made_ > JmesPath::kMaxResults) return {};
  return arena_.NewArray<JsonValue>(count);
}

std::span<JsonMember> Evaluator::MakeObject(size_t count) {
  made_ += count;
  if (made_ > JmesPath::kMaxResults) return {};
  return arena_.NewArray<JsonMember>(count);
}

bool Evaluator::Field(const Node& node, const JsonValue& in, JsonValue& out) {
  const JsonValue* found = in.Find(node.name);
  out = found == nullptr ? JsonValue() : *found;
  return true;
}

bool Evaluator::Index(const Node& node, const JsonValue& in, JsonValue& out) {
  out = JsonValue();
  if (!in.is(Kind::kArray)) return true;
  const auto size = static_cast<int64_t>(in.array.size);
  const int64_t index = node.index < 0 ? node.index + size : node.index;
  if (index >= 0 && index < size) out = in.array.first[index];
  return true;
}

bool Evaluator::Slice(const Node& node, const JsonValue& in, JsonValue& out) {
  out = JsonValue();
  if (!in.is(Kind::kArray)) return true;
  const int64_t step = node.slice[2].value_or(1);
  if (step == 0) return false;
  const bool backwards = step < 0;
  const auto length = static_cast<int64_t>(in.array.size);
  int64_t start = backwards ? length - 1 : 0;
  int64_t stop = backwards ? -1 : length;
  if (node.slice[0]) start = Bound(length, *node.slice[0], backwards);
  if (node.slice[1]) stop = Bound(length, *node.slice[1], backwards);
  std::span<JsonValue> items = MakeArray(in.array.size);
  size_t count = 0;
  if (items.size() < in.array.size) return false;
  // One more step could overflow; a step beyond the array ends it as well.
  const int64_t stride = std::clamp<int64_t>(step, -length - 1, length + 1);
  for (int64_t i = start; backwards ? i > stop : i < stop; i += stride) {
    if (i < 0 || i >= length) break;
    items[count++] = in.array.first[i];
  }
  out = JsonValue::Array(items.data(), count);
  return true;
}

bool Evaluator::Project(const Node& node, const JsonValue& in, JsonValue& out) {
  JsonValue left;
  if (!Run(node.children[0], in, left)) return false;
  out = JsonValue();
  if (!left.is(Kind::kArray)) return true;
  std::span<JsonValue> items = MakeArray(left.array.size);
  if (items.size() < left.array.size) return false;
  size_t count = 0;
  for (const JsonValue& element : left.array) {
    JsonValue current;
    if (!Run(node.children[1], element, current)) return false;
    if (!current.is(Kind::kNull)) items[count++] = current;
  }
  out = JsonValue::Array(items.data(), count);
  return true;
}

bool Evaluator::ProjectValues(const Node& node, const JsonValue& in, JsonValue& out) {
  JsonValue left;
  out = JsonValue();
  if (!Run(node.children[0], in, left)) return true;  // an error on the left is no result
  if (!left.is(Kind::kObject)) return true;
  // go-jmespath visits one null for every member before the members' values.
  const size_t size = left.object.size;
  std::span<JsonValue> items = MakeArray(size * 2);
  if (items.size() < size * 2) return false;
  size_t count = 0;
  for (size_t i = 0; i < size * 2; ++i) {
    JsonValue current;
    if (!Run(node.children[1], i < size ? JsonValue() : left.object.first[i - size].value, current))
      return false;
    if (!current.is(Kind::kNull)) items[count++] = current;
  }
  out = JsonValue::Array(items.data(), count);
  return true;
}

bool Evaluator::ProjectFiltered(const Node& node, const JsonValue& in, JsonValue& out) {
  JsonValue left;
  out = JsonValue();
  if (!Run(node.children[0], in, left)) return true;
  if (!left.is(Kind::kArray)) return true;
  std::span<JsonValue> items = MakeArray(left.array.size);
  if (items.size() < left.array.size) return false;
  size_t count = 0;
  for (const JsonValue& element : left.array) {
    JsonValue current;
    if (!Run(node.children[2], element, current)) return false;
    if (IsFalse(current)) continue;
    if (!Run(node.children[1], element, current)) return false;
    if (!current.is(Kind::kNull)) items[count++] = current;
  }
  out = JsonValue::Array(items.data(), count);
  return true;
}

bool Evaluator::Flatten(const Node& node, const JsonValue& in, JsonValue& out) {
  JsonValue left;
  out = JsonValue();
  if (!Run(node.children[0], in, left)) return true;
  if (!left.is(Kind::kArray)) return true;
  size_t size = 0;
  for (const JsonValue& element : left.array) size += element.is(Kind::kArray) ? element.array.size : 1;
  std::span<JsonValue> items = MakeArray(size);
  if (items.size() < size) return false;
  auto to = items.begin();
  for (const JsonValue& element : left.array) {
    if (element.is(Kind::kArray)) {
      to = std::copy(element.array.begin(), element.array.end(), to);
    } else {
      *to++ = element;
    }
  }
  out = JsonValue::Array(items.data(), size);
  return true;
}

bool Evaluator::MultiSelectList(const Node& node, const JsonValue& in, JsonValue& out) {
  out = JsonValue();
  if (in.is(Kind::kNull)) return true;
  std::span<JsonValue> items = MakeArray(node.children.size());
  if (items.size() < node.children.size()) return false;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!Run(node.children[i], in, items[i])) return false;
  }
  out = JsonValue::Array(items.data(), items.size());
  return true;
}

bool Evaluator::MultiSelectHash(const Node& node, const JsonValue& in, JsonValue& out) {
  out = JsonValue();
  if (in.is(Kind::kNull)) return true;
  std::span<JsonMember> members = MakeObject(node.children.size());
  if (members.size() < node.children.size()) return false;
  size_t count = 0;
  for (size_t i = 0; i < node.children.size(); ++i) {
    JsonValue value;
    if (!Run(node.children[i], in, value)) return false;
    const auto same = std::find_if(members.begin(), members.begin() + static_cast<ptrdiff_t>(count),
                                   [&](const JsonMember& member) { return member.key == node.keys[i]; });
    *same = {node.keys[i], value};
    if (same == members.begin() + static_cast<ptrdiff_t>(count)) ++count;
  }
  out = JsonValue::Object(members.data(), count);
  return true;
}

bool Evaluator::Compare(const Node& node, const JsonValue& in, JsonValue& out) {
  JsonValue left;
  JsonValue right;
  if (!Run(node.children[0], in, left) || !Run(node.children[1], in, right)) return false;
  if (node.comparator == TokenKind::kEqual || node.comparator == TokenKind::kNotEqual) {
    out = JsonValue::Bool(JsonEqual(left, right) == (node.comparator == TokenKind::kEqual));
    return true;
  }
  out = JsonValue();
  if (!left.is(Kind::kNumber) || !right.is(Kind::kNumber)) return true;
  switch (node.comparator) {
    case TokenKind::kLess:
      out = JsonValue::Bool(left.number < right.number);
      break;
    case TokenKind::kLessEqual:
      out = JsonValue::Bool(left.number <= right.number);
      break;
    case TokenKind::kGreater:
      out = JsonValue::Bool(left.number > right.number);
      break;
    default:
      out = JsonValue::Bool(left.number >= right.number);
      break;
  }
  return true;
}

bool Evaluator::Call(const Node& node, const JsonValue& in, JsonValue& out) {
  std::span<JsonValue> arguments = MakeArray(node.children.size());
  if (arguments.size() < node.children.size()) return false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!Run(node.children[i], in, arguments[i])) return false;
  }
  return CallFunction(node.name, arguments, *this, out);
}

bool Evaluator::Run(NodeId id, const JsonValue& in, JsonValue& out) {
  const Node& node = program_.nodes[id];
  JsonValue left;
  switch (node.kind) {
    case NodeKind::kIdentity:
      out = in;
      return true;
    case NodeKind::kLiteral:
      out = node.literal;
      return true;
    case NodeKind::kExpression:
      out = JsonValue::Expression(node.children[0]);
      return true;
    case NodeKind::kField:
      return Field(node, in, out);
    case NodeKind::kIndex:
      return Index(node, in, out);
    case NodeKind::kSlice:
      return Slice(node, in, out);
    case NodeKind::kSubexpression:
    case NodeKind::kPipe:
      return Run(node.children[0], in, left) && Run(node.children[1], left, out);
    case NodeKind::kProjection:
      return Project(node, in, out);
    case NodeKind::kValueProjection:
      return ProjectValues(node, in, out);
    case NodeKind::kFilterProjection:
      return ProjectFiltered(node, in, out);
    case NodeKind::kFlatten:
      return Flatten(node, in, out);
    case NodeKind::kMultiSelectList:
      return MultiSelectList(node, in, out);
    case NodeKind::kMultiSelectHash:
      return MultiSelectHash(node, in, out);
    case NodeKind::kComparator:
      return Compare(node, in, out);
    case NodeKind::kFunction:
      return Call(node, in, out);
    case NodeKind::kOr:
    case NodeKind::kAnd:
      if (!Run(node.children[0], in, left)) return false;
      if (IsFalse(left) == (node.kind == NodeKind::kOr)) return Run(node.children[1], in, out);
      out = left;
      return true;
    case NodeKind::kNot:
      if (!Run(node.children[0], in, left)) return false;
      out = JsonValue::Bool(IsFalse(left));
      return true;
  }
  return false;
}

}  // namespace agent::text::jmes
