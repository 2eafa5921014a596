// SPDX-License-Identifier: Apache-2.0
// A clock that stands still until a test moves it. The wall clock may be stepped
// without the monotonic one. Thread-compatible.
#pragma once

#include "agent/platform/clock.h"

namespace agent::testing {

class ManualClock final : public Clock {
 public:
  MonoTime Now() override { return now_; }
  WallNanos Wall() override { return wall_; }

  void Advance(Duration by) {
    now_ += by;
    wall_ += by.count();
  }
  void StepWall(Duration by) { wall_ += by.count(); }

 private:
  MonoTime now_{std::chrono::hours(1)};
  WallNanos wall_ = 1'700'000'000'000'000'000;
};

}  // namespace agent::testing
