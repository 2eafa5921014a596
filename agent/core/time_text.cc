// SPDX-License-Identifier: Apache-2.0
#include "agent/core/time_text.h"

namespace agent {

SplitTime Split(WallNanos time) {
  constexpr int64_t kSecond = 1'000'000'000;
  SplitTime out{.seconds = time / kSecond, .nanos = time % kSecond};
  if (out.nanos < 0) {
    out.nanos += kSecond;
    --out.seconds;
  }
  return out;
}

void AppendFraction(std::string& out, int64_t nanos) {
  if (nanos == 0) return;
  std::string digits = std::to_string(1'000'000'000 + nanos);
  digits[0] = '.';
  out += digits.substr(0, digits.find_last_not_of('0') + 1);
}

}  // namespace agent
