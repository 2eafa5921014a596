// SPDX-License-Identifier: Apache-2.0
#include "agent/text/internal/go_quote.h"

#include <cstdint>

#include "agent/text/utf8.h"

namespace agent::text {
namespace {

int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
  return 16;
}

// `count` digits of a base, taken off the text.
bool TakeCode(std::string_view& text, size_t count, int base, uint32_t& code) {
  if (text.size() < count) return false;
  code = 0;
  for (size_t i = 0; i < count; ++i) {
    const int digit = Digit(text[i]);
    if (digit >= base) return false;
    code = code * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit);
  }
  text.remove_prefix(count);
  return true;
}

// The rest of an escape, behind the backslash.
bool TakeEscape(std::string_view& text, std::string& out) {
  static constexpr std::string_view kNames = "abfnrtv\\\"";
  static constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\\"";
  if (text.empty()) return false;
  const char name = text[0];
  if (const size_t known = kNames.find(name); known != std::string_view::npos) {
    out += kValues[known];
    text.remove_prefix(1);
    return true;
  }
  uint32_t code = 0;
  if (name >= '0' && name <= '7') {
    if (!TakeCode(text, 3, 8, code) || code > 255) return false;
    out += static_cast<char>(code);
    return true;
  }
  text.remove_prefix(1);
  switch (name) {
    case 'x':
      if (!TakeCode(text, 2, 16, code)) return false;
      out += static_cast<char>(code);
      return true;
    case 'u':
    case 'U':
      if (!TakeCode(text, name == 'u' ? 4 : 8, 16, code)) return false;
      if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
      AppendRune(out, code);
      return true;
    default:
      return false;
  }
}

}  // namespace

const char* TakeGoString(std::string_view& text, std::string& out) {
  out.clear();
  text.remove_prefix(1);
  while (!text.empty() && text[0] != '"') {
    if (text[0] == '\n') break;
    if (text[0] != '\\') {
      out += text[0];
      text.remove_prefix(1);
      continue;
    }
    text.remove_prefix(1);
    if (!TakeEscape(text, out)) return "unknown escape after \\; write \\\\ for a backslash";
  }
  if (text.empty() || text[0] != '"') return "the closing \" is missing";
  text.remove_prefix(1);
  return nullptr;
}

}  // namespace agent::text
