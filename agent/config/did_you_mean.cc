// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/decode.h"

namespace agent::config {
namespace {

// Case, `-` and `_` are never what a person got wrong on purpose.
std::string Fold(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-' || c == '.') c = '_';
  }
  return out;
}

// Letters inserted, deleted, replaced, or two neighbours swapped. O(a * b).
size_t TypingErrors(const std::string& a, const std::string& b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> now(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

}  // namespace

std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr size_t kLongestWord = 100;
  if (word.size() > kLongestWord) return {};
  const std::string folded = Fold(word);
  // Two errors in a word of four letters is another word.
  const size_t allowed = folded.size() <= 2 ? 0 : folded.size() <= 4 ? 1 : 2;
  const std::string* best = nullptr;
  size_t best_errors = allowed + 1;
  for (const std::string& candidate : candidates) {
    const size_t difference = std::max(candidate.size(), folded.size()) - std::min(candidate.size(), folded.size());
    if (difference > allowed) continue;
    const size_t errors = TypingErrors(folded, Fold(candidate));
    if (errors < best_errors) {
      best_errors = errors;
      best = &candidate;
    }
  }
  return best == nullptr ? std::string() : *best;
}

}  // namespace agent::config
