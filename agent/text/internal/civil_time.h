// SPDX-License-Identifier: Apache-2.0
// Calendar arithmetic in Go's way: the proleptic Gregorian calendar with a year 0,
// days beyond a month's end running over, and Go's choice where a zone's clock
// jumps. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"
#include "agent/core/time.h"

namespace agent::text {

struct CivilTime {
  int64_t year = 0;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

bool IsLeapYear(int64_t year);
int DaysInMonth(int month, int64_t year);
// Seconds since 1970 of a civil time in UTC; the day may be beyond the month's end.
int64_t SecondsOf(const CivilTime& civil);
CivilTime CivilOf(int64_t seconds);

// A zone by name, or one fixed offset. Copies share the zone's data.
class Zone {
 public:
  Zone() = default;  // UTC
  static Zone Fixed(int64_t offset_seconds);
  static Zone Local();
  static Result<Zone> Load(const std::string& name);

  // Seconds east of UTC in force at a moment, and the abbreviation.
  int64_t OffsetAt(int64_t seconds, std::string_view* abbreviation = nullptr) const;
  // The offset that an abbreviation means around a moment (given as if in UTC).
  bool OffsetOf(std::string_view abbreviation, int64_t seconds, int64_t& offset) const;
  // The moment at which clocks there show `civil`.
  int64_t MomentOf(const CivilTime& civil) const;
  CivilTime CivilAt(int64_t seconds) const { return CivilOf(seconds + OffsetAt(seconds)); }

 private:
  struct Period {
    std::string abbreviation;
    int64_t offset;
  };
  struct Data;
  std::shared_ptr<const Data> data_;  // null: fixed
  int64_t fixed_ = 0;
};

}  // namespace agent::text
