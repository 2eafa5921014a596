// SPDX-License-Identifier: Apache-2.0
// What YAML 1.1 makes of a plain scalar, exactly as Go's yaml.v2 decides it
// (checked against yaml.v2 2.4.0; the table is tests/config/node_test.cc).
// Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/config/node.h"

namespace agent::config::internal {

struct Scalar {
  Node::ScalarType type = Node::ScalarType::kString;
  bool boolean = false;      // kBool
  int64_t integer = 0;       // kInt, if it fits
  bool integer_fits = true;  // false: a whole number between 2^63 and 2^64, in `large`
  uint64_t large = 0;
  double number = 0;         // kInt and kFloat
};

Scalar ResolvePlain(std::string_view text);

// strconv.ParseInt(text, 0, 64) and strconv.ParseFloat(text, 64); false if `text` is not
// entirely such a number or out of range. No underscores.
bool ParseGoInt(std::string_view text, int64_t& out);
bool ParseGoFloat(std::string_view text, double& out);

// ASCII letters only.
bool SameNoCase(std::string_view a, std::string_view b);

}  // namespace agent::config::internal
