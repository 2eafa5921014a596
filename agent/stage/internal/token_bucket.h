// SPDX-License-Identifier: Apache-2.0
// A token bucket: `rate` tokens a second, at most `burst`, full at the start. Time is
// an argument and never runs backwards here. Thread-compatible.
#pragma once

#include <algorithm>

#include "agent/core/time.h"

namespace agent::stage {

class TokenBucket {
 public:
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  // Takes one token if there is one.
  bool Take(MonoTime now) {
    Fill(now);
    if (tokens_ < kWhole) return false;
    tokens_ -= 1;
    return true;
  }
  // When there will be `count` tokens, if nobody takes any before.
  MonoTime When(double count, MonoTime now) {
    Fill(now);
    if (tokens_ >= count) return now;
    const double seconds = std::min((count - tokens_) / rate_, kLongest);
    return now + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)) + Duration(1);
  }
  double tokens() const { return tokens_; }

 private:
  static constexpr double kLongest = 3600.0 * 24 * 365;
  // A nanosecond's worth less than one still counts: rounding must not cost a turn.
  static constexpr double kWhole = 1 - 1e-9;

  void Fill(MonoTime now) {
    if (started_ && now > last_) {
      tokens_ = std::min(burst_, tokens_ + rate_ * std::chrono::duration<double>(now - last_).count());
    }
    last_ = started_ ? std::max(last_, now) : now;
    started_ = true;
  }

  double rate_;
  double burst_;
  double tokens_;
  MonoTime last_{};
  bool started_ = false;
};

}  // namespace agent::stage
