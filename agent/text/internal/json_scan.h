// SPDX-License-Identifier: Apache-2.0
// The lowest layer of JSON reading: a cursor over a text, and what jsoniter, the
// library behind Promtail's json stage, takes for a token. It is laxer than RFC 8259:
//   * a text with an escape may have raw control characters after the first one;
//   * `null` may stand for a key (the empty one), except as a nested object's first;
//   * bytes need not be UTF-8; lone surrogates become U+FFFD;
//   * what follows a NUL after the document does not count.
// Pure, inline, no allocation. Never reads beyond the end: no padding is needed.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "agent/core/arena.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace agent::text {

// jsoniter allows 10000 levels below the document, which is level 1 here.
inline constexpr int kMaxJsonDepth = 10001;

// A string's bytes between the quotes.
struct RawString {
  std::string_view bytes;
  bool escaped = false;  // has backslashes: Unescape before use
};

// The value of a raw string; into the arena if it has escapes.
std::string_view Unescape(const RawString& raw, Arena& arena);
// What a number is beyond plain digits: `token` is every following character of
// a number, the minus before it taken off. False if it is malformed or too large.
bool ParseNumberToken(std::string_view token, double& out);

class JsonCursor {
 public:
  explicit JsonCursor(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  const char* at() const { return at_; }
  int depth = 0;

  // The next character that is no space, taken; 0 at the end.
  char Next() {
    SkipSpace();
    return at_ == end_ ? '\0' : *at_++;
  }
  // The same, not taken.
  char Peek() {
    SkipSpace();
    return at_ == end_ ? '\0' : *at_;
  }
  // Nothing but spaces up to the end or a NUL.
  bool AtEnd() { return Peek() == '\0'; }
  void Back() { --at_; }

  // After the opening quote.
  bool TakeString(RawString& out) {
    const char* const begin = at_;
    const char* const stop = FindSpecial(begin);
    if (stop == end_) return false;
    if (*stop == '"') {
      out = {{begin, static_cast<size_t>(stop - begin)}, false};
      at_ = stop + 1;
      return true;
    }
    if (*stop != '\\') return false;  // a control character
    at_ = stop;
    if (!SkipEscaped()) return false;
    out = {{begin, static_cast<size_t>(at_ - begin - 1)}, true};
    return true;
  }

  // A key and its colon. jsoniter takes `null` for an empty key.
  bool TakeKey(RawString& out) {
    const char c = Next();
    if (c == 'n') {
      if (!TakeWord("ull")) return false;
      out = {};
    } else if (c != '"' || !TakeString(out)) {
      return false;
    }
    return Next() == ':';
  }

  bool TakeWord(std::string_view rest) {
    if (static_cast<size_t>(end_ - at_) < rest.size() || std::memcmp(at_, rest.data(), rest.size()) != 0)
      return false;
    at_ += rest.size();
    return true;
  }

  // After its first character, which was a digit or a minus.
  bool TakeNumber(double& out) {
    Back();
    const bool negative = *at_ == '-';
    if (negative) ++at_;
    const char* const begin = at_;
    uint64_t value = 0;
    while (at_ != end_ && IsDigit(*at_)) value = value * 10 + static_cast<uint64_t>(*at_++ - '0');
    const auto digits = at_ - begin;
    if (digits > 1 && *begin == '0') return false;
    if (digits > 0 && digits <= kExactDigits && (at_ == end_ || !IsNumberChar(*at_))) {
      out = negative ? -static_cast<double>(value) : static_cast<double>(value);
      return true;
    }
    while (at_ != end_ && IsNumberChar(*at_)) ++at_;
    if (!ParseNumberToken({begin, static_cast<size_t>(at_ - begin)}, out)) return false;
    if (negative) out = -out;
    return true;
  }

 private:
  static constexpr int kExactDigits = 18;  // fit into 64 bits

  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }
  static bool IsNumberChar(char c) {
    return IsDigit(c) || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
  }

  void SkipSpace() {
    while (at_ != end_ && static_cast<unsigned char>(*at_) <= ' ' &&
           (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) {
      ++at_;
    }
  }

  // The first quote, backslash or control character from `from` on, or the end.
  const char* FindSpecial(const char* from) const {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1F);
    while (end_ - from >= 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
      const __m128i special =
          _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                       _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
      const auto mask = static_cast<unsigned>(_mm_movemask_epi8(special));
      if (mask != 0) return from + __builtin_ctz(mask);
      from += 16;
    }
#endif
    while (from != end_ && *from != '"' && *from != '\\' && static_cast<unsigned char>(*from) > 0x1F) ++from;
    return from;
  }

  // From a backslash to behind the closing quote.
  bool SkipEscaped();

  const char* at_;
  const char* end_;
};

// Reads one value of any kind and tells a handler; the handler of a skipped value
// does nothing and vanishes. Iterative: the depth of a document costs no stack.
//   handler: Null() Bool(b) Number(d) String(raw) Key(raw) BeginObject() EndObject()
//            BeginArray() EndArray()
template <class Handler>
class JsonWalk {
 public:
  JsonWalk(JsonCursor& cursor, Handler& handler) : cursor_(cursor), handler_(handler) {}

  // False if the value is malformed.
  bool Value() {
    const int floor = cursor_.depth;
    kinds_[floor >> 6] = 0;
    for (;;) {
      switch (Scalar()) {
        case Step::kFailed:
          return false;
        case Step::kOpened:
          continue;  // its first value follows
        case Step::kDone:
          break;
      }
      for (;;) {
        if (cursor_.depth == floor) return true;
        const Step step = Separator();
        if (step == Step::kFailed) return false;
        if (step == Step::kOpened) break;  // a comma: the next value follows
      }
    }
  }

 private:
  enum class Step { kFailed, kOpened, kDone };

  bool InObject() const { return ((kinds_[cursor_.depth >> 6] >> (cursor_.depth & 63)) & 1) != 0; }

  bool Open(bool object) {
    if (cursor_.depth == kMaxJsonDepth) return false;
    ++cursor_.depth;
    const uint64_t bit = uint64_t{1} << (cursor_.depth & 63);
    uint64_t& word = kinds_[cursor_.depth >> 6];
    if ((cursor_.depth & 63) == 0) word = 0;  // nothing deeper is open
    word = object ? word | bit : word & ~bit;
    return true;
  }

  Step TakeKey() {
    RawString key;
    if (!cursor_.TakeKey(key)) return Step::kFailed;
    handler_.Key(key);
    return Step::kOpened;
  }

  Step Scalar() {
    const char c = cursor_.Next();
    switch (c) {
      case '"': {
        RawString raw;
        if (!cursor_.TakeString(raw)) return Step::kFailed;
        handler_.String(raw);
        return Step::kDone;
      }
      case 'n':
        handler_.Null();
        return cursor_.TakeWord("ull") ? Step::kDone : Step::kFailed;
      case 't':
        handler_.Bool(true);
        return cursor_.TakeWord("rue") ? Step::kDone : Step::kFailed;
      case 'f':
        handler_.Bool(false);
        return cursor_.TakeWord("alse") ? Step::kDone : Step::kFailed;
      case '{':
        return Object();
      case '[':
        return Array();
      default:
        break;
    }
    if (c != '-' && (c < '0' || c > '9')) return Step::kFailed;
    double number = 0;
    if (!cursor_.TakeNumber(number)) return Step::kFailed;
    handler_.Number(number);
    return Step::kDone;
  }

  Step Object() {
    if (!Open(true)) return Step::kFailed;
    handler_.BeginObject();
    const char c = cursor_.Peek();
    if (c == '"' || (c == 'n' && cursor_.depth == 1)) return TakeKey();
    if (cursor_.Next() != '}') return Step::kFailed;
    --cursor_.depth;
    handler_.EndObject();
    return Step::kDone;
  }

  Step Array() {
    if (!Open(false)) return Step::kFailed;
    handler_.BeginArray();
    if (cursor_.Peek() != ']') return Step::kOpened;
    cursor_.Next();
    --cursor_.depth;
    handler_.EndArray();
    return Step::kDone;
  }

  // What follows a value inside a container.
  Step Separator() {
    const bool object = InObject();
    const char c = cursor_.Next();
    if (c == ',') return object ? TakeKey() : Step::kOpened;
    if (c != (object ? '}' : ']')) return Step::kFailed;
    --cursor_.depth;
    if (object) {
      handler_.EndObject();
    } else {
      handler_.EndArray();
    }
    return Step::kDone;
  }

  JsonCursor& cursor_;
  Handler& handler_;
  uint64_t kinds_[kMaxJsonDepth / 64 + 1];  // a bit a level: object or array
};

struct JsonSkipper {
  void Null() {}
  void Bool(bool) {}
  void Number(double) {}
  void String(const RawString&) {}
  void Key(const RawString&) {}
  void BeginObject() {}
  void EndObject() {}
  void BeginArray() {}
  void EndArray() {}
};

inline bool SkipJsonValue(JsonCursor& cursor) {
  JsonSkipper skipper;
  return JsonWalk<JsonSkipper>(cursor, skipper).Value();
}

}  // namespace agent::text
