// SPDX-License-Identifier: Apache-2.0
#include "agent/text/letter_case.h"

#include "agent/text/internal/template_unicode.h"

namespace agent::text {
namespace {

std::string Map(std::string_view text, char32_t (*change)(char32_t)) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const tmpl::Decoded next = tmpl::DecodeRune(text, at);
    AppendRune(out, change(next.rune));
    at += next.size;
  }
  return out;
}

}  // namespace

std::string ToLower(std::string_view text) { return Map(text, tmpl::ToLower); }
std::string ToUpper(std::string_view text) { return Map(text, tmpl::ToUpper); }

}  // namespace agent::text
