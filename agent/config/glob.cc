// SPDX-License-Identifier: Apache-2.0
#include "agent/config/internal/glob.h"

#include <algorithm>
#include <vector>

namespace agent::config::internal {
namespace {

// One element of a pattern: a literal, ?, or a class; not *.
// Takes it from `pattern` and a character from `text`; false if they do not fit.
bool TakeOne(std::string_view& pattern, std::string_view& text);

std::string_view TakeChar(std::string_view& text) {
  const std::string_view one = text.substr(0, CharLength(text));
  text.remove_prefix(one.size());
  return one;
}

// A bound of a class: a character, or one behind a backslash; "" if there is none.
std::string_view TakeBound(std::string_view& pattern) {
  if (pattern.empty() || pattern[0] == ']' || pattern[0] == '-') return {};
  if (pattern[0] == '\\') pattern.remove_prefix(1);
  return TakeChar(pattern);
}

// UTF-8 orders as its code points do, so bytes may be compared.
bool TakeClass(std::string_view& pattern, std::string_view one) {
  const bool negated = pattern.starts_with('^');
  if (negated) pattern.remove_prefix(1);
  bool inside = false;
  bool any = false;
  while (!pattern.empty() && (pattern[0] != ']' || !any)) {
    const std::string_view low = TakeBound(pattern);
    if (low.empty()) return false;
    std::string_view high = low;
    if (pattern.starts_with('-')) {
      pattern.remove_prefix(1);
      high = TakeBound(pattern);
      if (high.empty()) return false;
    }
    any = true;
    inside = inside || (low <= one && one <= high);
  }
  if (pattern.empty()) return false;  // no closing bracket
  pattern.remove_prefix(1);
  return inside != negated;
}

bool TakeOne(std::string_view& pattern, std::string_view& text) {
  if (text.empty()) return false;
  const char first = pattern[0];
  if (first == '?') {
    pattern.remove_prefix(1);
    TakeChar(text);
    return true;
  }
  if (first == '[') {
    pattern.remove_prefix(1);
    return TakeClass(pattern, TakeChar(text));
  }
  if (first == '\\') pattern.remove_prefix(1);
  if (pattern.empty() || pattern[0] != text[0]) return false;
  pattern.remove_prefix(1);
  text.remove_prefix(1);
  return true;
}

// The places between characters, from the first to the end.
std::vector<size_t> Boundaries(std::string_view text) {
  std::vector<size_t> ends;
  for (size_t at = 0; at < text.size();) {
    at += CharLength(text.substr(at));
    ends.push_back(at);
  }
  return ends;
}

}  // namespace

size_t CharLength(std::string_view text) {
  if (text.empty()) return 0;
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t length = first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 1;
  if (length > text.size()) return 1;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 1;
  }
  return length;
}

bool GlobMatch(std::string_view pattern, std::string_view text) {
  // On a misfit, the last * takes one character more; earlier ones need no second try.
  std::string_view star_pattern;
  std::string_view star_text;
  bool star = false;
  while (!pattern.empty() || !text.empty()) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      star_pattern = pattern;
      star_text = text;
      star = true;
      continue;
    }
    if (!pattern.empty() && TakeOne(pattern, text)) continue;
    if (!star || star_text.empty()) return false;
    TakeChar(star_text);
    pattern = star_pattern;
    text = star_text;
  }
  return true;
}

std::string_view TrimGlobPrefix(std::string_view text, std::string_view pattern, bool longest) {
  std::vector<size_t> ends = Boundaries(text);
  if (longest) std::ranges::reverse(ends);
  for (const size_t end : ends) {
    if (GlobMatch(pattern, text.substr(0, end))) return text.substr(end);
  }
  return text;
}

std::string_view TrimGlobSuffix(std::string_view text, std::string_view pattern, bool longest) {
  std::vector<size_t> starts = Boundaries(text);
  if (starts.empty()) return text;
  starts.pop_back();
  starts.insert(starts.begin(), 0);
  if (!longest) std::ranges::reverse(starts);
  for (const size_t start : starts) {
    if (GlobMatch(pattern, text.substr(start))) return text.substr(0, start);
  }
  return text;
}

}  // namespace agent::config::internal
