// SPDX-License-Identifier: Apache-2.0
#include "agent/text/internal/json_scan.h"

#include "agent/text/number.h"
#include "agent/text/utf8.h"

namespace agent::text {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

uint32_t Hex4(const char* at) {
  uint32_t code = 0;
  for (int i = 0; i < 4; ++i) code = code * 16 + static_cast<uint32_t>(HexDigit(at[i]));
  return code;
}

bool IsSurrogate(uint32_t code) { return code >= 0xD800 && code <= 0xDFFF; }

// Writes the characters of `\uXXXX` at `at` (behind the u) and of the escape that
// completes a surrogate pair; returns where reading goes on.
const char* WriteUnicode(const char* at, const char* end, char*& to) {
  const uint32_t first = Hex4(at);
  at += 4;
  if (!IsSurrogate(first) || end - at < 6 || at[0] != '\\' || at[1] != 'u') {
    to += EncodeRune(first, to);  // a lone surrogate becomes U+FFFD
    return at;
  }
  const uint32_t second = Hex4(at + 2);
  if (first < 0xDC00 && second >= 0xDC00 && second <= 0xDFFF) {
    to += EncodeRune(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00), to);
  } else {
    to += EncodeRune(first, to);
    to += EncodeRune(second, to);
  }
  return at + 6;
}

}  // namespace

std::string_view Unescape(const RawString& raw, Arena& arena) {
  if (!raw.escaped) return raw.bytes;
  char* const first =
      static_cast<char*>(arena.Allocate(raw.bytes.size() + 4, 1));  // never longer than the escapes
  char* to = first;
  const char* at = raw.bytes.data();
  const char* const end = at + raw.bytes.size();
  while (at != end) {
    if (*at != '\\') {
      *to++ = *at++;
      continue;
    }
    const char escape = at[1];
    at += 2;
    switch (escape) {
      case 'u':
        at = WriteUnicode(at, end, to);
        break;
      case 'b':
        *to++ = '\b';
        break;
      case 'f':
        *to++ = '\f';
        break;
      case 'n':
        *to++ = '\n';
        break;
      case 'r':
        *to++ = '\r';
        break;
      case 't':
        *to++ = '\t';
        break;
      default:
        *to++ = escape;
        break;  // " \ /
    }
  }
  arena.Trim(first, static_cast<size_t>(to - first));
  return {first, static_cast<size_t>(to - first)};
}

bool ParseNumberToken(std::string_view token, double& out) {
  if (token.empty() || token[0] == '-' || token[0] == '.') return false;
  const size_t point = token.find('.');
  if (point != std::string_view::npos &&
      (point + 1 == token.size() || HexDigit(token[point + 1]) < 0 || HexDigit(token[point + 1]) > 9)) {
    return false;
  }
  return ParseFloat(token, out);
}

bool JsonCursor::SkipEscaped() {
  // Control characters are not looked for here: jsoniter does not, either.
  while (at_ != end_) {
    const char c = *at_++;
    if (c == '"') return true;
    if (c != '\\') continue;
    if (at_ == end_) return false;
    switch (*at_++) {
      case '"':
      case '\\':
      case '/':
      case 'b':
      case 'f':
      case 'n':
      case 'r':
      case 't':
        break;
      case 'u':
        if (end_ - at_ < 4) return false;
        for (int i = 0; i < 4; ++i) {
          if (HexDigit(*at_++) < 0) return false;
        }
        break;
      default:
        return false;
    }
  }
  return false;
}

}  // namespace agent::text
