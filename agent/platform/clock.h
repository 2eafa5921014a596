// SPDX-License-Identifier: Apache-2.0
// The two clocks behind one interface; tests drive a manual twin. Thread-safe.
#pragma once

#include "agent/core/time.h"

namespace agent {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime Now() = 0;
  virtual WallNanos Wall() = 0;
};

Clock& SystemClock();

}  // namespace agent
