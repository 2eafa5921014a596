// SPDX-License-Identifier: Apache-2.0
// Operations on text that several groups of template functions share, as Go's
// package strings does them. Pure but for the run's limits.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/text/internal/template_functions.h"

namespace agent::text::tmpl {

std::string_view TrimSpaces(std::string_view text);
std::string_view TrimLeftSet(std::string_view text, std::string_view set);
std::string_view TrimRightSet(std::string_view text, std::string_view set);
inline std::string_view TrimSet(std::string_view text, std::string_view set) {
  return TrimRightSet(TrimLeftSet(text, set), set);
}
inline std::string_view CutPrefix(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}
inline std::string_view CutSuffix(std::string_view text, std::string_view suffix) {
  return text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}
// Each character through `change`; invalid bytes become U+FFFD.
Value MapRunes(Run& run, std::string_view text, char32_t (*change)(char32_t));
// The first `most` occurrences (all if negative).
Value ReplaceText(Run& run, std::string_view text, std::string_view old, std::string_view by, int64_t most);
// At most `most` pieces (all if negative); views into `text`.
void SplitText(Run& run, std::string_view text, std::string_view separator, int64_t most, std::vector<Value>& out);
Value RepeatText(Run& run, std::string_view text, int64_t count);
// Sprig's view of a value as a list of texts: nil elements left out.
void AppendTexts(Run& run, const Value& value, std::vector<Value>& out);

}  // namespace agent::text::tmpl
