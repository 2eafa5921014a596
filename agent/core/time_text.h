// SPDX-License-Identifier: Apache-2.0
// The pieces that texts of times are made of, and times that are far away.
//
// A WallNanos reaches from 1677 to 2262, and the push protocol from year 1 to 9999: Go's zero
// time, 0001-01-01, is found in logs. So the last hours before either end of a WallNanos (15 in
// 1677, four days in 2262) stand for the years beyond it, in whole seconds, each with 1,024
// nanoseconds for those that come after it (timestamp's `fudge`). Order is kept. Join makes such
// times and Split reads them; nothing else may look into one. Times that the protocol cannot
// carry become the ends themselves. Pure.
#pragma once

#include <string>

#include "agent/core/time.h"

namespace agent {

struct SplitTime {
  int64_t seconds = 0;  // rounded down
  int64_t nanos = 0;    // 0 to 999,999,999
};
SplitTime Split(WallNanos time);
// The nanoseconds may be any number below a second, also a negative one.
WallNanos Join(int64_t seconds, int64_t nanos);

// ".25" for 250,000,000; nothing for 0.
void AppendFraction(std::string& out, int64_t nanos);

}  // namespace agent
