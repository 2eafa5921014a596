// SPDX-License-Identifier: Apache-2.0
// Characters as Go sees them: UTF-8 in and out, classes and case of one code point
// (Unicode 15, the version of the Go that Promtail is built with). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/text/utf8.h"

namespace agent::text::tmpl {

inline constexpr char32_t kReplacement = 0xFFFD;

struct Decoded {
  char32_t rune = 0;
  size_t size = 0;  // 1 with rune = kReplacement: an invalid byte
};

// The character at `at`, which must be inside the text.
inline Decoded DecodeRune(std::string_view text, size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) return {byte, 1};
  const Rune rune = text::DecodeRune(text.substr(at));
  return {rune.code, rune.size};
}
inline bool IsInvalid(Decoded d) { return d.rune == kReplacement && d.size == 1; }

bool IsLetter(char32_t rune);
bool IsDigit(char32_t rune);
bool IsNumber(char32_t rune);
bool IsUpper(char32_t rune);
bool IsLower(char32_t rune);
bool IsSpace(char32_t rune);
bool IsPrint(char32_t rune);  // of the spaces, only U+0020
char32_t ToUpper(char32_t rune);
char32_t ToLower(char32_t rune);
char32_t ToTitle(char32_t rune);

inline bool IsAlphanumeric(char32_t r) { return r == '_' || IsLetter(r) || IsDigit(r); }

}  // namespace agent::text::tmpl
