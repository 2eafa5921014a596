// SPDX-License-Identifier: Apache-2.0
#include "agent/text/logfmt.h"

#include <algorithm>

#include "agent/text/utf8.h"

namespace agent::text {
namespace {

bool IsSpace(char c) { return static_cast<unsigned char>(c) <= ' '; }

// U+FFFD in a key counts as broken, whether it was written so or not.
bool IsGoodKey(std::string_view key) {
  return IsAscii(key) || (IsValidUtf8(key) && key.find("\xEF\xBF\xBD") == std::string_view::npos);
}

// The code of `\uXXXX` at the beginning of `text`, -1 if there is none.
int Hex4(std::string_view text) {
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return -1;
  int code = 0;
  for (const char c : text.substr(2, 4)) {
    const int digit = c >= '0' && c <= '9'                     ? c - '0'
                      : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                               : -1;
    if (digit < 0) return -1;
    code = code * 16 + digit;
  }
  return code;
}

// Takes a `\u` escape (or a pair of them) off `text` and writes its character.
bool TakeUnicode(std::string_view& text, char*& to) {
  const int first = Hex4(text);
  if (first < 0) return false;
  text.remove_prefix(6);
  auto code = static_cast<uint32_t>(first);
  if (first >= 0xD800 && first < 0xDC00) {
    const int second = Hex4(text);
    if (second >= 0xDC00 && second <= 0xDFFF) {
      text.remove_prefix(6);
      code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<uint32_t>(second) - 0xDC00);
    }
  }
  to += EncodeRune(code, to);
  return true;
}

char PlainEscape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/':
    case '\'':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return '\0';
  }
}

// What stands between quotes, with escapes. False if it is malformed.
bool Unquote(std::string_view text, Arena& arena, std::string_view& out) {
  char* const first = static_cast<char*>(arena.Allocate(text.size() * 3 + 4, 1));  // bad bytes become three
  char* to = first;
  while (!text.empty()) {
    const char c = text[0];
    if (static_cast<unsigned char>(c) < ' ') return false;
    if (c == '\\') {
      if (text.size() < 2) return false;
      if (text[1] == 'u') {
        if (!TakeUnicode(text, to)) return false;
        continue;
      }
      *to = PlainEscape(text[1]);
      if (*to++ == '\0') return false;
      text.remove_prefix(2);
      continue;
    }
    const Rune rune = DecodeRune(text);
    to += EncodeRune(rune.code, to);
    text.remove_prefix(rune.size);
  }
  arena.Trim(first, static_cast<size_t>(to - first));
  out = {first, static_cast<size_t>(to - first)};
  return true;
}

}  // namespace

bool LogfmtScanner::NextLine() {
  if (rest_.empty()) return false;
  const size_t end = rest_.substr(0, kMaxLine).find('\n');
  if (end == std::string_view::npos && rest_.size() >= kMaxLine) return Fail();
  line_ = rest_.substr(0, end);
  rest_.remove_prefix(std::min(rest_.size(), line_.size() + 1));
  if (line_.ends_with('\r')) line_.remove_suffix(1);
  return true;
}

bool LogfmtScanner::TakeQuoted(std::string_view& value) {
  bool escaped = false;
  size_t end = 1;
  while (end < line_.size() && line_[end] != '"') {
    if (line_[end] == '\\') {
      escaped = true;
      ++end;
    }
    ++end;
  }
  if (end >= line_.size()) return Fail();
  value = line_.substr(1, end - 1);
  line_.remove_prefix(end + 1);
  return !escaped || Unquote(value, arena_, value) || Fail();
}

bool LogfmtScanner::TakeValue(std::string_view& value) {
  if (line_.empty() || IsSpace(line_[0])) return true;
  if (line_[0] == '"') return TakeQuoted(value);
  size_t end = 0;
  while (end < line_.size() && !IsSpace(line_[end])) {
    if (line_[end] == '=' || line_[end] == '"') return Fail();
    ++end;
  }
  value = line_.substr(0, end);
  line_.remove_prefix(end);
  return true;
}

bool LogfmtScanner::Next(std::string_view& key, std::string_view& value) {
  value = {};
  if (failed_) return false;
  size_t begin = 0;
  for (;;) {
    while (begin < line_.size() && IsSpace(line_[begin])) ++begin;
    if (begin < line_.size()) break;
    if (!NextLine()) return false;
    begin = 0;
  }
  size_t end = begin;
  while (end < line_.size() && !IsSpace(line_[end]) && line_[end] != '=') {
    if (line_[end] == '"') return Fail();
    ++end;
  }
  key = line_.substr(begin, end - begin);
  if (key.empty() || !IsGoodKey(key)) return Fail();
  const bool has_value = end < line_.size() && line_[end] == '=';
  line_.remove_prefix(has_value ? end + 1 : end);
  return !has_value || TakeValue(value);
}

}  // namespace agent::text
