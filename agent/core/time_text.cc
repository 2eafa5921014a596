// SPDX-License-Identifier: Apache-2.0
#include "agent/core/time_text.h"

#include <limits>

namespace agent {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr WallNanos kFirst = std::numeric_limits<WallNanos>::min();
constexpr WallNanos kLast = std::numeric_limits<WallNanos>::max();
constexpr int64_t kYear1 = -62'135'596'800;
constexpr int64_t kYear9999 = 253'402'300'799;  // its last second
constexpr int64_t kPerFarSecond = 1024;
// What lies between is plain nanoseconds.
constexpr int64_t kNearFirst = -9'223'300'000;
constexpr int64_t kNearLast = 9'223'000'000;
static_assert(kFirst + (kNearFirst - kYear1 + 1) * kPerFarSecond < kNearFirst * kSecond);
static_assert(kLast - (kYear9999 - kNearLast + 1) * kPerFarSecond > (kNearLast + 1) * kSecond);

constexpr bool IsNear(int64_t seconds) { return seconds >= kNearFirst && seconds <= kNearLast; }

SplitTime Plain(WallNanos time) {
  SplitTime out{.seconds = time / kSecond, .nanos = time % kSecond};
  if (out.nanos < 0) {
    out.nanos += kSecond;
    --out.seconds;
  }
  return out;
}

}  // namespace

SplitTime Split(WallNanos time) {
  const SplitTime plain = Plain(time);
  if (IsNear(plain.seconds) || time == kFirst || time == kLast) return plain;
  if (time < 0) {
    const int64_t units = time - (kFirst + 1);
    return {.seconds = kYear1 + units / kPerFarSecond, .nanos = units % kPerFarSecond};
  }
  const int64_t units = kLast - 1 - time;
  return {.seconds = kYear9999 - units / kPerFarSecond, .nanos = kPerFarSecond - 1 - units % kPerFarSecond};
}

WallNanos Join(int64_t seconds, int64_t nanos) {
  if (nanos < 0 && seconds >= kYear1) {
    nanos += kSecond;
    --seconds;
  }
  if (IsNear(seconds)) return seconds * kSecond + nanos;
  const auto is = [&](WallNanos end) { return Plain(end).seconds == seconds && Plain(end).nanos == nanos; };
  if (seconds < kYear1 || is(kFirst)) return kFirst;
  if (seconds > kYear9999 || is(kLast)) return kLast;
  const int64_t part = nanos < kPerFarSecond ? nanos : 0;
  if (seconds < 0) return kFirst + 1 + (seconds - kYear1) * kPerFarSecond + part;
  return kLast - 1 - (kYear9999 - seconds) * kPerFarSecond - (kPerFarSecond - 1 - part);
}

void AppendFraction(std::string& out, int64_t nanos) {
  if (nanos == 0) return;
  std::string digits = std::to_string(1'000'000'000 + nanos);
  digits[0] = '.';
  out += digits.substr(0, digits.find_last_not_of('0') + 1);
}

}  // namespace agent
