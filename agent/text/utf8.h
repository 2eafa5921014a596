// SPDX-License-Identifier: Apache-2.0
// UTF-8 as Go's unicode/utf8 sees it: no surrogates, no overlong forms, at most
// U+10FFFF; a byte that begins no valid sequence counts as one character of its own
// (U+FFFD). Pure; no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace agent::text {

bool IsAscii(std::string_view text);
bool IsValidUtf8(std::string_view text);

struct Rune {
  uint32_t code = 0xFFFD;
  uint32_t size = 1;  // bytes it takes; 1 if invalid
  bool valid = false;
};
// The first character of `text`, which must not be empty.
Rune DecodeRune(std::string_view text);
// Writes at most 4 bytes (U+FFFD for surrogates and codes out of range); returns how many.
size_t EncodeRune(uint32_t code, char* out);
void AppendRune(std::string& out, uint32_t code);
// Characters of `text`, invalid bytes counting one each.
size_t CountRunes(std::string_view text);

}  // namespace agent::text
