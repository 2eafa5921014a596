// SPDX-License-Identifier: Apache-2.0
// A 64-bit hash of a text that is the same in every process and build: counts and
// decisions that rest on it are saved to disk. Not for keeping attackers out.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace agent::label {

inline uint64_t MultiplyFold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t Hash64(std::string_view text, uint64_t seed = 0) {
  constexpr uint64_t kA = 0x9e3779b97f4a7c15ULL;
  constexpr uint64_t kB = 0xc2b2ae3d27d4eb4fULL;
  uint64_t hash = MultiplyFold(seed ^ kA, text.size() ^ kB);
  while (text.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, text.data(), 8);
    hash = MultiplyFold(hash ^ word, kA);
    text.remove_prefix(8);
  }
  uint64_t last = 0;
  if (!text.empty()) std::memcpy(&last, text.data(), text.size());
  hash = MultiplyFold(hash ^ last, kB);
  return MultiplyFold(hash ^ (hash >> 32), kA);
}

}  // namespace agent::label
