// SPDX-License-Identifier: Apache-2.0
#include "agent/platform/clock.h"

namespace agent {
namespace {

class RealClock final : public Clock {
 public:
  MonoTime Now() override { return std::chrono::steady_clock::now(); }
  WallNanos Wall() override {
    return std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
};

}  // namespace

Clock& SystemClock() {
  static RealClock clock;
  return clock;
}

}  // namespace agent
