// SPDX-License-Identifier: Apache-2.0
// A fuzz input in two: what a person wrote into a configuration (up to the first
// newline), and the text it meets.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

namespace agent::fuzz {

inline std::pair<std::string_view, std::string_view> TwoParts(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t newline = all.find('\n');
  if (newline == std::string_view::npos) return {all, {}};
  return {all.substr(0, newline), all.substr(newline + 1)};
}

}  // namespace agent::fuzz
