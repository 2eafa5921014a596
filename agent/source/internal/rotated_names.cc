// SPDX-License-Identifier: Apache-2.0
#include "agent/source/internal/rotated_names.h"

#include <algorithm>

namespace agent::source {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Longer runs of digits are dates, not counts.
constexpr size_t kLongestCount = 4;

bool IsCount(std::string_view suffix) {
  return !suffix.empty() && suffix.size() <= kLongestCount && std::all_of(suffix.begin(), suffix.end(), IsDigit);
}

std::string_view SuffixOf(std::string_view base, std::string_view name) {
  return WithoutPacking(name).substr(base.size() + 1);
}

size_t DigitsAt(std::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && IsDigit(text[end])) ++end;
  return end - at;
}

}  // namespace

Packing PackingOf(std::string_view name) {
  if (name.ends_with(".gz")) return Packing::kGzip;
  if (name.ends_with(".bz2")) return Packing::kBzip2;
  return Packing::kPlain;
}

std::string_view WithoutPacking(std::string_view name) {
  switch (PackingOf(name)) {
    case Packing::kGzip: return name.substr(0, name.size() - 3);
    case Packing::kBzip2: return name.substr(0, name.size() - 4);
    default: return name;
  }
}

bool IsRotatedName(std::string_view base, std::string_view name) {
  name = WithoutPacking(name);
  if (name.size() < base.size() + 2 || !name.starts_with(base)) return false;
  const char separator = name[base.size()];
  if (separator != '.' && separator != '-' && separator != '_') return false;
  const std::string_view suffix = name.substr(base.size() + 1);
  if (suffix == "old") return true;
  const bool any_digit = std::any_of(suffix.begin(), suffix.end(), IsDigit);
  return any_digit && std::all_of(suffix.begin(), suffix.end(), [](char c) {
           return IsDigit(c) || c == '-' || c == '_' || c == '.' || c == ':' || c == 'T' || c == 'Z' || c == '+';
         });
}

bool AreRotatedAlike(std::string_view a, std::string_view b) {
  for (size_t at = a.find_first_of(".-_", 1); at != std::string_view::npos; at = a.find_first_of(".-_", at + 1)) {
    const std::string_view base = a.substr(0, at);
    if (IsRotatedName(base, a) && IsRotatedName(base, b)) return true;
  }
  return false;
}

bool MayBecome(std::string_view was, std::string_view is) {
  return was == is || IsRotatedName(was, is) || AreRotatedAlike(was, is);
}

bool RotatedBefore(std::string_view base, std::string_view a, std::string_view b) {
  const std::string_view left = SuffixOf(base, a), right = SuffixOf(base, b);
  if (IsCount(left) && IsCount(right)) {
    return left.size() != right.size() ? left.size() > right.size() : left > right;
  }
  return left < right;
}

bool NaturalLess(std::string_view a, std::string_view b) {
  size_t i = 0, k = 0;
  while (i < a.size() && k < b.size()) {
    const size_t left = DigitsAt(a, i), right = DigitsAt(b, k);
    if (left > 0 && right > 0) {
      if (left != right) return left < right;
      const int order = a.substr(i, left).compare(b.substr(k, right));
      if (order != 0) return order < 0;
      i += left;
      k += right;
      continue;
    }
    if (a[i] != b[k]) return a[i] < b[k];
    ++i;
    ++k;
  }
  return a.size() - i < b.size() - k;
}

}  // namespace agent::source
