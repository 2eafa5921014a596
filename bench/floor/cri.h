// SPDX-License-Identifier: Apache-2.0
// The head of a CRI line, read as fast as it can be without a feature: the floor's own,
// so that the agent is not measured against itself. Pure.
// Format: `2016-10-06T00:17:09.669794202Z stdout F content`, 0 to 9 digits of fraction.
#pragma once

#include <cstdint>
#include <string_view>

namespace bench {

struct CriLine {
  int64_t seconds = 0;
  uint32_t nanos = 0;
  bool is_stderr = false;
  bool partial = false;
  std::string_view content;
};

// False: not in the format that container runtimes write (UTC only).
bool ReadCriLine(std::string_view line, CriLine* out);

}  // namespace bench
