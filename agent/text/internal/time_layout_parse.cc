// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "agent/text/internal/time_layout.h"

namespace agent::text {
namespace {

constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
constexpr std::string_view kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
constexpr size_t kShortName = 3;

bool IsDigit(std::string_view text, size_t at) {
  return at < text.size() && text[at] >= '0' && text[at] <= '9';
}

// One digit or two; exactly two if `fixed`.
bool TakeNumber(std::string_view& text, bool fixed, int& out) {
  if (!IsDigit(text, 0) || (fixed && !IsDigit(text, 1))) return false;
  const size_t digits = IsDigit(text, 1) ? 2 : 1;
  out = text[0] - '0';
  if (digits == 2) out = out * 10 + (text[1] - '0');
  text.remove_prefix(digits);
  return true;
}

// A whole text as a number, with an optional sign.
bool WholeNumber(std::string_view text, int64_t& out) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    out = out * 10 + (c - '0');
  }
  if (negative) out = -out;
  return true;
}

bool EqualNoCase(std::string_view text, std::string_view name) {
  return std::equal(text.begin(), text.end(), name.begin(), name.end(), [](char a, char b) {
    return a == b || ((a | 0x20) == (b | 0x20) && (a | 0x20) >= 'a' && (a | 0x20) <= 'z');
  });
}

// The index of the name that `text` begins with, from 0; -1 if none.
template <size_t kCount>
int TakeName(std::string_view& text, const std::string_view (&names)[kCount], bool whole) {
  for (size_t i = 0; i < kCount; ++i) {
    const std::string_view name = whole ? names[i] : names[i].substr(0, kShortName);
    if (text.size() < name.size() || !EqualNoCase(text.substr(0, name.size()), name)) continue;
    text.remove_prefix(name.size());
    return static_cast<int>(i);
  }
  return -1;
}

// A fraction of `length` bytes with its point or comma, in nanoseconds.
bool TakeFraction(std::string_view& text, size_t length, int64_t& nanos) {
  constexpr size_t kMost = 10;  // the point and nine digits; more are cut off
  if (text.size() < length || (text[0] != '.' && text[0] != ',')) return false;
  const size_t used = std::min(length, kMost);
  if (!WholeNumber(text.substr(1, used - 1), nanos) || nanos < 0) return false;
  for (size_t i = used; i < kMost; ++i) nanos *= 10;
  text.remove_prefix(length);
  return true;
}

// The length of a point or comma and the digits after it, 0 if there is none.
size_t FractionLength(std::string_view text) {
  if (text.size() < 2 || (text[0] != '.' && text[0] != ',') || !IsDigit(text, 1)) return 0;
  size_t length = 2;
  while (IsDigit(text, length)) ++length;
  return length;
}

bool TakeSpaces(std::string_view& prefix, std::string_view& text) {
  if (!text.empty() && text[0] != ' ') return false;
  prefix.remove_prefix(std::min(prefix.find_first_not_of(' '), prefix.size()));
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return true;
}

bool TakePrefix(std::string_view prefix, std::string_view& text) {
  while (!prefix.empty()) {
    if (prefix[0] == ' ') {
      if (!TakeSpaces(prefix, text)) return false;
      continue;
    }
    if (text.empty() || text[0] != prefix[0]) return false;
    prefix.remove_prefix(1);
    text.remove_prefix(1);
  }
  return true;
}

// `+3`, `-11` after GMT or alone: its length, 0 if it is not one.
size_t SignedOffsetLength(std::string_view text) {
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return 0;
  size_t end = 1;
  int64_t hours = 0;
  for (; IsDigit(text, end); ++end) hours = std::min<int64_t>(hours * 10 + (text[end] - '0'), 1000);
  return end == 1 || hours > 23 ? 0 : end;
}

}  // namespace

struct TimeLayout::State {
  std::string_view text;
  int64_t year = 0;
  int month = -1;
  int day = -1;
  int year_day = -1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int64_t nanos = 0;
  bool am = false;
  bool pm = false;
  bool utc = false;
  int64_t offset = -1;  // -1: none
  std::string_view zone_name;
};

bool TimeLayout::ParseDate(const Step& step, State& state) {
  std::string_view& text = state.text;
  switch (step.kind) {
    case Kind::kYear:
      if (text.size() < 2 || !WholeNumber(text.substr(0, 2), state.year)) return false;
      state.year += state.year >= 69 ? 1900 : 2000;
      text.remove_prefix(2);
      return true;
    case Kind::kLongYear:
      if (text.size() < 4 || !IsDigit(text, 0) || !WholeNumber(text.substr(0, 4), state.year)) return false;
      text.remove_prefix(4);
      return true;
    case Kind::kMonthName:
    case Kind::kLongMonthName:
      state.month = TakeName(text, kMonths, step.kind == Kind::kLongMonthName) + 1;
      return state.month > 0;
    case Kind::kMonth:
    case Kind::kZeroMonth:
      return TakeNumber(text, step.kind == Kind::kZeroMonth, state.month) && state.month >= 1 &&
             state.month <= 12;
    case Kind::kDayName:
    case Kind::kLongDayName:
      return TakeName(text, kDays, step.kind == Kind::kLongDayName) >= 0;
    case Kind::kDay:
    case Kind::kSpaceDay:
    case Kind::kZeroDay:
      if (step.kind == Kind::kSpaceDay && text.starts_with(' ')) text.remove_prefix(1);
      return TakeNumber(text, step.kind == Kind::kZeroDay, state.day);
    default: {  // a day of the year
      for (int i = 0; i < 2 && step.kind == Kind::kSpaceYearDay && text.starts_with(' '); ++i)
        text.remove_prefix(1);
      size_t digits = 0;
      state.year_day = 0;
      for (; digits < 3 && IsDigit(text, digits); ++digits)
        state.year_day = state.year_day * 10 + (text[digits] - '0');
      text.remove_prefix(digits);
      return digits == 3 || (digits > 0 && step.kind == Kind::kSpaceYearDay);
    }
  }
}

bool TimeLayout::ParseClock(const Step& step, Kind next, State& state) {
  std::string_view& text = state.text;
  switch (step.kind) {
    case Kind::kHour:
      return TakeNumber(text, false, state.hour) && state.hour < 24;
    case Kind::kHour12:
    case Kind::kZeroHour12:
      return TakeNumber(text, step.kind == Kind::kZeroHour12, state.hour) && state.hour <= 12;
    case Kind::kMinute:
    case Kind::kZeroMinute:
      return TakeNumber(text, step.kind == Kind::kZeroMinute, state.minute) && state.minute < 60;
    case Kind::kSecond:
    case Kind::kZeroSecond: {
      if (!TakeNumber(text, step.kind == Kind::kZeroSecond, state.second) || state.second >= 60) return false;
      // A fraction may follow even if the layout has none.
      const size_t length = FractionLength(text);
      if (length == 0 || next == Kind::kFraction || next == Kind::kOptionalFraction) return true;
      return TakeFraction(text, length, state.nanos);
    }
    case Kind::kUpperPm:
    case Kind::kLowerPm: {
      const std::string_view word = text.substr(0, 2);
      const bool upper = step.kind == Kind::kUpperPm;
      if (word == (upper ? "PM" : "pm")) {
        state.pm = true;
      } else if (word == (upper ? "AM" : "am")) {
        state.am = true;
      } else {
        return false;
      }
      text.remove_prefix(2);
      return true;
    }
    case Kind::kFraction:
      return TakeFraction(text, size_t{1} + step.digits, state.nanos);
    default: {  // an optional fraction
      const size_t length = FractionLength(text);
      return length == 0 || TakeFraction(text, length, state.nanos);
    }
  }
}

bool TimeLayout::ParseOffset(const OffsetForm& form, State& state) {
  std::string_view& text = state.text;
  if (form.z_is_utc && text.starts_with('Z')) {
    text.remove_prefix(1);
    state.utc = true;
    return true;
  }
  const size_t length = size_t{1} + form.numbers * 2u + (form.colons ? form.numbers - 1u : 0u);
  if (text.size() < length || (text[0] != '+' && text[0] != '-')) return false;
  static constexpr int kMost[] = {24, 60, 60};  // generous, as Go is
  int64_t seconds = 0;
  size_t at = 1;
  for (size_t i = 0; i < 3; ++i) {
    int number = 0;
    if (i < form.numbers) {
      if (i > 0 && form.colons && text[at++] != ':') return false;
      std::string_view digits = text.substr(at, 2);
      if (!TakeNumber(digits, true, number) || number > kMost[i]) return false;
      at += 2;
    }
    seconds = seconds * 60 + number;
  }
  state.offset = text[0] == '-' ? -seconds : seconds;
  text.remove_prefix(length);
  return true;
}

bool TimeLayout::ParseZoneName(State& state) {
  std::string_view& text = state.text;
  if (text.size() < 3) return false;
  if (text.starts_with("UTC")) {
    state.utc = true;
    text.remove_prefix(3);
    return true;
  }
  size_t length = 0;
  if (text.starts_with("ChST") || text.starts_with("MeST")) {
    length = 4;
  } else if (text.starts_with("GMT")) {
    length = 3 + SignedOffsetLength(text.substr(3));
  } else if (text[0] == '+' || text[0] == '-') {
    length = SignedOffsetLength(text);
  } else {
    size_t capitals = 0;
    while (capitals < 6 && capitals < text.size() && text[capitals] >= 'A' && text[capitals] <= 'Z')
      ++capitals;
    const bool fits = capitals == 3 || (capitals == 4 && (text[3] == 'T' || text.starts_with("WITA"))) ||
                      (capitals == 5 && text[4] == 'T');
    length = fits ? capitals : 0;
  }
  if (length == 0) return false;
  state.zone_name = text.substr(0, length);
  text.remove_prefix(length);
  return true;
}

bool TimeLayout::ParseStep(const Step& step, Kind next, State& state) {
  if (step.kind == Kind::kOffset) return ParseOffset(step.form, state);
  if (step.kind == Kind::kZoneName) return ParseZoneName(state);
  return step.kind <= Kind::kZeroYearDay ? ParseDate(step, state) : ParseClock(step, next, state);
}

bool TimeLayout::Finish(State& state, ParsedTime& out) {
  if (state.pm && state.hour < 12) {
    state.hour += 12;
  } else if (state.am && state.hour == 12) {
    state.hour = 0;
  }
  if (state.year_day >= 0) {
    const int days = IsLeapYear(state.year) ? 366 : 365;
    if (state.year_day < 1 || state.year_day > days) return false;
    int month = 1;
    int day = state.year_day;
    while (day > DaysInMonth(month, state.year)) day -= DaysInMonth(month++, state.year);
    if ((state.month >= 0 && state.month != month) || (state.day >= 0 && state.day != day)) return false;
    state.month = month;
    state.day = day;
  }
  if (state.month < 0) state.month = 1;
  if (state.day < 0) state.day = 1;
  if (state.day < 1 || state.day > DaysInMonth(state.month, state.year)) return false;
  out.civil = {state.year, state.month, state.day, state.hour, state.minute, state.second};
  out.nanos = state.nanos;
  out.utc = state.utc;
  out.has_offset = state.utc || state.offset != -1;
  out.offset = state.utc ? 0 : state.offset;
  out.zone_name = state.utc ? std::string_view() : state.zone_name;
  return true;
}

bool TimeLayout::Parse(std::string_view text, ParsedTime& out) const {
  State state;
  state.text = text;
  for (size_t i = 0;; ++i) {
    const Step& step = steps_[i];
    if (!TakePrefix(step.prefix, state.text)) return false;
    if (step.kind == Kind::kEnd) return state.text.empty() && Finish(state, out);
    if (!ParseStep(step, steps_[i + 1].kind, state)) return false;
  }
}

}  // namespace agent::text
