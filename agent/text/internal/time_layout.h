// SPDX-License-Identifier: Apache-2.0
// A layout of Go's time package, cut into steps once, and the parser that follows
// the steps. Immutable after Compile; thread-safe; no allocation while parsing.
// Source: https://pkg.go.dev/time#pkg-constants and Go 1.26's behaviour.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/text/internal/civil_time.h"

namespace agent::text {

// What a layout has found in a text, before it is a moment.
struct ParsedTime {
  CivilTime civil;
  int64_t nanos = 0;
  bool utc = false;         // the text says `Z` or `UTC`; has_offset too
  bool has_offset = false;  // civil is that many seconds east of UTC
  int64_t offset = 0;
  std::string_view zone_name;  // an abbreviation other than UTC, or empty
};

class TimeLayout {
 public:
  explicit TimeLayout(std::string_view layout);
  // False if the text is not in the layout.
  bool Parse(std::string_view text, ParsedTime& out) const;

 private:
  enum class Kind : uint8_t {
    kEnd,
    kYear,
    kLongYear,
    kMonthName,
    kLongMonthName,
    kMonth,
    kZeroMonth,
    kDayName,
    kLongDayName,
    kDay,
    kSpaceDay,
    kZeroDay,
    kSpaceYearDay,
    kZeroYearDay,
    kHour,
    kHour12,
    kZeroHour12,
    kMinute,
    kZeroMinute,
    kSecond,
    kZeroSecond,
    kUpperPm,
    kLowerPm,
    kZoneName,
    kOffset,
    kFraction,
    kOptionalFraction,
  };
  // The spellings of an offset, as bits and digits.
  struct OffsetForm {
    bool z_is_utc = false;  // `Z07:00`
    bool colons = false;
    uint8_t numbers = 2;  // hours; hours, minutes; hours, minutes, seconds
  };
  struct Step {
    std::string prefix;  // literal text before it; a space stands for a run of spaces
    Kind kind = Kind::kEnd;
    OffsetForm form;
    uint8_t digits = 0;  // of kFraction
  };
  struct State;

  static bool NextStep(std::string_view layout, size_t at, Step& step, size_t& length);
  static bool NumericStep(std::string_view rest, Step& step, size_t& length);
  static bool NameStep(std::string_view rest, Step& step, size_t& length);
  static bool OffsetStep(std::string_view rest, Step& step, size_t& length);
  static bool FractionStep(std::string_view rest, Step& step, size_t& length);

  static bool ParseStep(const Step& step, Kind next, State& state);
  static bool ParseDate(const Step& step, State& state);
  static bool ParseClock(const Step& step, Kind next, State& state);
  static bool ParseOffset(const OffsetForm& form, State& state);
  static bool ParseZoneName(State& state);
  static bool Finish(State& state, ParsedTime& out);

  std::vector<Step> steps_;  // the last is kEnd
};

}  // namespace agent::text
