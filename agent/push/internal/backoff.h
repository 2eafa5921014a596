// SPDX-License-Identifier: Apache-2.0
// How long to wait before the next try: Promtail's schedule, and what Retry-After says.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/core/time.h"
#include "agent/push/options.h"

namespace agent::push {

// xorshift64*: spread, not secrecy.
class Jitter {
 public:
  explicit Jitter(uint64_t seed) : state_(seed * 2 + 1) {}
  // Uniform in [0, 1).
  double Next();

 private:
  uint64_t state_;
};

class Backoff {
 public:
  // The k-th wait is uniform in [min, 2 min), [2 min, 4 min) ... up to max_period; there
  // it stays between one half of it and all of it.
  Duration Next(const BackoffOptions& options, Jitter& jitter);
  void Reset() { failures_ = 0; }
  uint32_t failures() const { return failures_; }

 private:
  uint32_t failures_ = 0;
};

// Seconds, or an HTTP date; nothing if it is neither.
std::optional<Duration> ParseRetryAfter(std::string_view value, WallNanos wall);

}  // namespace agent::push
