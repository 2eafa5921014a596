// SPDX-License-Identifier: Apache-2.0
// What this process has used so far. Reads /proc; thread-safe.
#pragma once

#include <cstdint>

namespace bench {

struct Usage {
  double user_s = 0, system_s = 0;
  double cpu_s() const { return user_s + system_s; }
  uint64_t peak_rss_kib = 0;
};

Usage UsageSoFar();

}  // namespace bench
