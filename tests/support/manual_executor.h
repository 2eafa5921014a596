// SPDX-License-Identifier: Apache-2.0
// Turns a manual clock for parts that are driven (Tick(now) at NextDeadline()), as their
// loops in app/ do with real time: on one thread, from deadline to deadline, at once.
// Borrows the clock and what the parts' functions capture. Thread-compatible.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "tests/support/manual_clock.h"

namespace agent::testing {

class ManualExecutor {
 public:
  explicit ManualExecutor(ManualClock& clock) : clock_(clock) {}

  // Parts have their turns in the order in which they were added.
  ManualExecutor& Add(std::function<MonoTime()> deadline, std::function<void(MonoTime)> turn) {
    parts_.push_back({std::move(deadline), std::move(turn)});
    return *this;
  }

  // Every part has a turn at each deadline of any, a millisecond apart at least, and at the end.
  // The number of turns.
  int Pass(Duration time) {
    const MonoTime end = clock_.Now() + time;
    int turns = 0;
    for (; clock_.Now() < end; ++turns) {
      MonoTime next = end;
      for (const Part& part : parts_) next = std::min(next, part.deadline());
      next = std::clamp(next, std::min(end, clock_.Now() + std::chrono::milliseconds(1)), end);
      clock_.Advance(next - clock_.Now());
      for (const Part& part : parts_) part.turn(clock_.Now());
    }
    return turns;
  }

 private:
  struct Part {
    std::function<MonoTime()> deadline;
    std::function<void(MonoTime)> turn;
  };

  ManualClock& clock_;
  std::vector<Part> parts_;
};

}  // namespace agent::testing
