// SPDX-License-Identifier: Apache-2.0
#include "agent/text/json_parse.h"

#include <algorithm>

#include "agent/text/internal/json_scan.h"

namespace agent::text {

// Builds the tree bottom-up: members and items of open containers wait on stacks and
// move to the arena when their container closes.
class JsonBuilder {
 public:
  JsonBuilder(JsonParser& parser, Arena& arena) : p_(parser), arena_(arena) {
    p_.values_.clear();
    p_.members_.clear();
    p_.open_.clear();
  }

  void Null() { Add(JsonValue::Null()); }
  void Bool(bool flag) { Add(JsonValue::Bool(flag)); }
  void Number(double number) { Add(JsonValue::Number(number)); }
  void String(const RawString& raw) { Add(JsonValue::String(Unescape(raw, arena_))); }
  void Key(const RawString& raw) { p_.members_.push_back({Unescape(raw, arena_), JsonValue()}); }
  void BeginObject() { p_.open_.push_back(p_.members_.size() << 1 | 1); }
  void BeginArray() { p_.open_.push_back(p_.values_.size() << 1); }

  void EndObject() {
    const size_t begin = p_.open_.back() >> 1;
    p_.open_.pop_back();
    const size_t count = RemoveDuplicates(begin);
    std::span<JsonMember> members = arena_.NewArray<JsonMember>(count);
    std::copy_n(p_.members_.begin() + static_cast<ptrdiff_t>(begin), count, members.begin());
    p_.members_.resize(begin);
    Add(JsonValue::Object(members.data(), count));
  }

  void EndArray() {
    const size_t begin = p_.open_.back() >> 1;
    p_.open_.pop_back();
    const size_t count = p_.values_.size() - begin;
    std::span<JsonValue> items = arena_.NewArray<JsonValue>(count);
    std::copy_n(p_.values_.begin() + static_cast<ptrdiff_t>(begin), count, items.begin());
    p_.values_.resize(begin);
    Add(JsonValue::Array(items.data(), count));
  }

  const JsonValue& result() const { return result_; }

 private:
  void Add(const JsonValue& value) {
    if (p_.open_.empty()) {
      result_ = value;
    } else if ((p_.open_.back() & 1) != 0) {
      p_.members_.back().value = value;
    } else {
      p_.values_.push_back(value);
    }
  }

  // Of members with one key the last value counts, in the first one's place.
  size_t RemoveDuplicates(size_t begin) {
    constexpr size_t kFew = 16;
    JsonMember* const first = p_.members_.data() + begin;
    const size_t count = p_.members_.size() - begin;
    if (count <= kFew) {
      size_t kept = 0;
      for (size_t i = 0; i < count; ++i) {
        size_t same = 0;
        while (same < kept && first[same].key != first[i].key) ++same;
        first[same] = {same < kept ? first[same].key : first[i].key, first[i].value};
        if (same == kept) ++kept;
      }
      return kept;
    }
    return RemoveDuplicatesOfMany(first, count);
  }

  size_t RemoveDuplicatesOfMany(JsonMember* first, size_t count) {
    std::vector<uint32_t>& order = p_.order_;
    order.resize(count);
    for (uint32_t i = 0; i < count; ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [first](uint32_t a, uint32_t b) {
      return first[a].key != first[b].key ? first[a].key < first[b].key : a < b;
    });
    bool found = false;
    for (size_t i = 0; i < count;) {
      size_t last = i;
      while (last + 1 < count && first[order[last + 1]].key == first[order[i]].key) ++last;
      if (last > i) {
        first[order[i]].value = first[order[last]].value;
        for (size_t gone = i + 1; gone <= last; ++gone) order[gone] = order[gone] | kGone;
        found = true;
      }
      i = last + 1;
    }
    return found ? Compact(first, count) : count;
  }

  size_t Compact(JsonMember* first, size_t count) {
    std::vector<uint32_t>& order = p_.order_;
    std::sort(order.begin(), order.end(), [](uint32_t a, uint32_t b) { return (a & ~kGone) < (b & ~kGone); });
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i) {
      if ((order[i] & kGone) == 0) first[kept++] = first[i];
    }
    return kept;
  }

  static constexpr uint32_t kGone = 0x80000000U;
  JsonParser& p_;
  Arena& arena_;
  JsonValue result_;
};

bool JsonParser::ParseValue(std::string_view text, Arena& arena, JsonValue& out) {
  JsonCursor cursor(text);
  JsonBuilder builder(*this, arena);
  if (!JsonWalk<JsonBuilder>(cursor, builder).Value() || !cursor.AtEnd()) return false;
  out = builder.result();
  return true;
}

bool JsonParser::ParseLine(std::string_view text, Arena& arena, JsonValue& out) {
  JsonCursor cursor(text);
  const char first = cursor.Peek();
  if (first != '{' && first != 'n') return false;
  JsonBuilder builder(*this, arena);
  if (!JsonWalk<JsonBuilder>(cursor, builder).Value() || !cursor.AtEnd()) return false;
  out = first == '{' ? builder.result() : JsonValue::Object(nullptr, 0);
  return true;
}

}  // namespace agent::text
