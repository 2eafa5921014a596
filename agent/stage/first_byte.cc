// SPDX-License-Identifier: Apache-2.0
#include "agent/stage/internal/first_byte.h"

#include <re2/re2.h>

#include <algorithm>

namespace agent::stage {
namespace {

// Whether every alternative of the pattern's top level is the one that begins with ^.
bool HasAlternatives(std::string_view pattern) {
  int depth = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\') {
      if (pattern.substr(i).starts_with("\\Q")) return true;  // rare: look no closer
      ++i;
    } else if (c == '[') {
      ++i;
      if (i < pattern.size() && pattern[i] == '^') ++i;
      if (i < pattern.size() && pattern[i] == ']') ++i;
      for (; i < pattern.size() && pattern[i] != ']'; ++i) {
        if (pattern[i] == '\\') ++i;
        if (pattern.substr(i).starts_with("[:")) i = std::min(pattern.find(":]", i), pattern.size());
      }
    } else if (c == '(') {
      ++depth;
    } else if (c == ')') {
      --depth;
    } else if (c == '|' && depth == 0) {
      return true;
    }
  }
  return false;
}

bool IsTiedToTheBeginning(std::string_view pattern) {
  if (pattern.starts_with("(?i)") || pattern.starts_with("(?s)")) pattern.remove_prefix(4);
  const bool anchored = pattern.starts_with('^') || pattern.starts_with("\\A");
  const bool repeats = pattern.size() > 1 && std::string_view("*?{").find(pattern[1]) != std::string_view::npos;
  return anchored && !repeats && pattern.find("(?m") == std::string_view::npos && !HasAlternatives(pattern);
}

}  // namespace

FirstByte::FirstByte(const std::string& pattern) {
  if (!IsTiedToTheBeginning(pattern)) return;
  re2::RE2::Options options;
  options.set_log_errors(false);
  const re2::RE2 regex(pattern, options);
  std::string lowest, highest;
  if (!regex.ok() || !regex.PossibleMatchRange(&lowest, &highest, 10) || lowest.empty() || highest.empty()) return;
  low_ = static_cast<unsigned char>(lowest[0]);
  high_ = static_cast<unsigned char>(highest[0]);
  // A byte that is not UTF-8 counts as U+FFFD, whichever it is.
  if (low_ >= 0x80) low_ = 0x80;
  if (high_ >= 0x80) high_ = 255;
}

}  // namespace agent::stage
