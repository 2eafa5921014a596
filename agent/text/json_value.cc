// SPDX-License-Identifier: Apache-2.0
#include "agent/text/json_value.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "agent/text/number.h"
#include "agent/text/utf8.h"

namespace agent::text {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// Grows in the arena by doubling; the newest piece is the text so far.
class ArenaText {
 public:
  explicit ArenaText(Arena& arena) : arena_(arena) {}

  bool Append(std::string_view text) {
    if (text.size() > capacity_ - size_ && !Grow(text.size())) return false;
    if (!text.empty()) std::memcpy(data_ + size_, text.data(), text.size());
    size_ += text.size();
    return true;
  }
  bool Append(char c) { return Append(std::string_view(&c, 1)); }
  std::string_view view() const { return {data_, size_}; }

 private:
  bool Grow(size_t more) {
    if (size_ + more > kMaxJsonText) return false;
    const size_t capacity = std::max(size_ + more, std::max<size_t>(capacity_ * 2, 256));
    char* const data = static_cast<char*>(arena_.Allocate(capacity, 1));
    if (size_ > 0) std::memcpy(data, data_, size_);
    data_ = data;
    capacity_ = capacity;
    return true;
  }

  Arena& arena_;
  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

class Writer {
 public:
  Writer(JsonStyle style, Arena& arena) : style_(style), arena_(arena), out_(arena) {}

  bool Value(const JsonValue& value) {
    switch (value.kind) {
      case JsonValue::Kind::kNull:
        return out_.Append("null");
      case JsonValue::Kind::kBool:
        return out_.Append(value.flag ? "true" : "false");
      case JsonValue::Kind::kNumber:
        return Number(value.number);
      case JsonValue::Kind::kString:
        return String(value.text);
      case JsonValue::Kind::kArray:
        return Array(value.array);
      case JsonValue::Kind::kObject:
        return Object(value.object);
      case JsonValue::Kind::kExpression:
        return out_.Append("{}");
    }
    return false;
  }

  std::string_view view() const { return out_.view(); }

 private:
  bool Number(double number) {
    char text[kMaxNumberText];
    size_t size = FormatJsonNumber(number, text);
    if (size == 0) return false;
    if (style_ == JsonStyle::kToString && size >= 4 && text[size - 4] == 'e' && text[size - 3] == '-' &&
        text[size - 2] == '0') {
      text[size - 2] = text[size - 1];
      --size;
    }
    return out_.Append({text, size});
  }

  bool Array(const JsonValue::Items& items) {
    if (!out_.Append('[')) return false;
    bool first = true;
    for (const JsonValue& item : items) {
      if ((!first && !out_.Append(',')) || !Value(item)) return false;
      first = false;
    }
    return out_.Append(']');
  }

  bool Object(const JsonValue::Members& members) {
    if (members.first == nullptr) return out_.Append("null");  // see JsonParser::ParseLine
    std::span<const JsonMember*> order = arena_.NewArray<const JsonMember*>(members.size);
    for (size_t i = 0; i < members.size; ++i) order[i] = members.first + i;
    if (style_ == JsonStyle::kToString) {
      std::sort(order.begin(), order.end(),
                [](const JsonMember* a, const JsonMember* b) { return a->key < b->key; });
    }
    if (!out_.Append('{')) return false;
    bool first = true;
    for (const JsonMember* member : order) {
      if (!first && !out_.Append(',')) return false;
      first = false;
      if (!String(member->key) || !out_.Append(':') || !Value(member->value)) return false;
    }
    return out_.Append('}');
  }

  bool String(std::string_view text) {
    if (!out_.Append('"')) return false;
    size_t plain = 0;  // where what is not written yet begins
    for (size_t at = 0; at < text.size();) {
      const Rune rune = DecodeRune(text.substr(at));
      char escape[6];
      const size_t size = Escape(rune, escape);
      if (size > 0) {
        if (!out_.Append(text.substr(plain, at - plain)) || !out_.Append({escape, size})) return false;
        plain = at + rune.size;
      }
      at += rune.size;
    }
    return out_.Append(text.substr(plain)) && out_.Append('"');
  }

  // The escape of a character that needs one; 0 if it does not.
  size_t Escape(const Rune& rune, char (&out)[6]) const {
    const uint32_t code = rune.valid ? rune.code : 0xFFFD;
    if (rune.valid && code > '\\' && code != 0x2028 && code != 0x2029) return 0;
    char named = 0;
    switch (code) {
      case '"':
      case '\\':
        named = static_cast<char>(code);
        break;
      case '\n':
        named = 'n';
        break;
      case '\r':
        named = 'r';
        break;
      case '\t':
        named = 't';
        break;
      case '\b':
        named = style_ == JsonStyle::kToString ? 'b' : '\0';
        break;
      case '\f':
        named = style_ == JsonStyle::kToString ? 'f' : '\0';
        break;
      default:
        if (code >= ' ' && code < 0x80 && code != '<' && code != '>' && code != '&') return 0;
    }
    out[0] = '\\';
    out[1] = named != 0 ? named : 'u';
    for (size_t i = 0; i < 4; ++i) out[2 + i] = kHex[(code >> (12 - 4 * i)) & 0xF];
    return named != 0 ? 2 : 6;
  }

  const JsonStyle style_;
  Arena& arena_;
  ArenaText out_;
};

std::vector<const JsonMember*> Sorted(const JsonValue::Members& members) {
  std::vector<const JsonMember*> sorted;
  for (const JsonMember& member : members) sorted.push_back(&member);
  std::sort(sorted.begin(), sorted.end(),
            [](const JsonMember* a, const JsonMember* b) { return a->key < b->key; });
  return sorted;
}

bool ObjectsEqual(const JsonValue& a, const JsonValue& b) {
  constexpr size_t kFew = 32;
  if (a.object.size != b.object.size) return false;
  if (a.object.size > kFew) {
    const auto left = Sorted(a.object);
    const auto right = Sorted(b.object);
    return std::equal(left.begin(), left.end(), right.begin(), [](const JsonMember* x, const JsonMember* y) {
      return x->key == y->key && JsonEqual(x->value, y->value);
    });
  }
  return std::all_of(a.object.begin(), a.object.end(), [&](const JsonMember& member) {
    const JsonValue* other = b.Find(member.key);
    return other != nullptr && JsonEqual(member.value, *other);
  });
}

}  // namespace

bool JsonEqual(const JsonValue& a, const JsonValue& b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case JsonValue::Kind::kNull:
      return true;
    case JsonValue::Kind::kBool:
      return a.flag == b.flag;
    case JsonValue::Kind::kNumber:
      return a.number == b.number;
    case JsonValue::Kind::kString:
      return a.text == b.text;
    case JsonValue::Kind::kArray:
      return std::equal(a.array.begin(), a.array.end(), b.array.begin(), b.array.end(), JsonEqual);
    case JsonValue::Kind::kObject:
      return ObjectsEqual(a, b);
    case JsonValue::Kind::kExpression:
      return false;
  }
  return false;
}

bool WriteJson(const JsonValue& value, JsonStyle style, Arena& arena, std::string_view& out) {
  Writer writer(style, arena);
  if (!writer.Value(value)) return false;
  out = writer.view();
  return true;
}

}  // namespace agent::text
