// SPDX-License-Identifier: Apache-2.0
// The names that were counted most, in bounded memory: the space-saving algorithm with
// kNames counters. A name's count is at most too high by the lowest one. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/label/cardinality.h"

namespace agent::label {

class Busiest {
 public:
  static constexpr size_t kNames = 16;

  void Count(std::string_view name) {
    for (PodShare& known : names_) {
      if (known.pod != name) continue;
      ++known.values;
      return;
    }
    if (names_.size() < kNames) {
      names_.push_back({std::string(name), 1});
      return;
    }
    const auto least = std::min_element(names_.begin(), names_.end(), Fewer);
    least->pod = name;
    ++least->values;
  }
  // Most first, at most `count` of them.
  std::vector<PodShare> Top(size_t count) const {
    std::vector<PodShare> out = names_;
    std::stable_sort(out.begin(), out.end(), [](const PodShare& a, const PodShare& b) { return Fewer(b, a); });
    if (out.size() > count) out.resize(count);
    return out;
  }
  void Clear() { names_.clear(); }

 private:
  static bool Fewer(const PodShare& a, const PodShare& b) { return a.values < b.values; }
  std::vector<PodShare> names_;
};

}  // namespace agent::label
