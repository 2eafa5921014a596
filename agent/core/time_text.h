// SPDX-License-Identifier: Apache-2.0
// The pieces that texts of times are made of.
#pragma once

#include <string>

#include "agent/core/time.h"

namespace agent {

struct SplitTime {
  int64_t seconds = 0;  // rounded down
  int64_t nanos = 0;    // 0 to 999,999,999
};
SplitTime Split(WallNanos time);

// ".25" for 250,000,000; nothing for 0.
void AppendFraction(std::string& out, int64_t nanos);

}  // namespace agent
