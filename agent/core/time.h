// SPDX-License-Identifier: Apache-2.0
// The two kinds of time, never mixed: intervals and deadlines use the monotonic
// clock (MonoTime, Duration); what Loki sees uses the wall clock (WallNanos).
// Pure rooms take both as arguments; only platform/ reads a clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace agent {

using Duration = std::chrono::nanoseconds;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;
using WallNanos = int64_t;  // nanoseconds since 1970-01-01 UTC

inline constexpr MonoTime kNever = MonoTime::max();

}  // namespace agent
