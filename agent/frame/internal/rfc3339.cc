// SPDX-License-Identifier: Apache-2.0
#include "agent/frame/internal/rfc3339.h"

#include <cstring>

#include "agent/core/time_text.h"

namespace agent::frame {
namespace {

constexpr size_t kMinuteChars = 17;  // "2016-10-06T00:17:"
constexpr int64_t kNanosPerSecond = 1'000'000'000;

bool Digit(char c, int& value) {
  value = c - '0';
  return value >= 0 && value <= 9;
}

bool TwoDigits(const char* text, int& value) {
  int tens = 0;
  int ones = 0;
  if (!Digit(text[0], tens) || !Digit(text[1], ones)) return false;
  value = tens * 10 + ones;
  return true;
}

// Days since 1970-01-01 of a civil date (Howard Hinnant's algorithm, public domain).
int64_t DaysFromCivil(int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

int DaysInMonth(int year, int month) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[month - 1];
}

// What follows the seconds: fraction and zone.
bool ParseRest(std::string_view rest, int64_t& nanos, int64_t& zone_seconds) {
  nanos = 0;
  zone_seconds = 0;
  size_t at = 0;
  if (!rest.empty() && (rest[0] == '.' || rest[0] == ',')) {
    int64_t scale = kNanosPerSecond / 10;
    int digit = 0;
    for (at = 1; at < rest.size() && Digit(rest[at], digit); ++at) {
      nanos += digit * scale;
      scale /= 10;  // digits past the ninth count nothing
    }
    if (at == 1) return false;
  }
  rest.remove_prefix(at);
  if (rest == "Z") return true;
  int hours = 0;
  int minutes = 0;
  if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':') return false;
  if (!TwoDigits(rest.data() + 1, hours) || !TwoDigits(rest.data() + 4, minutes)) return false;
  if (hours > 24 || minutes > 59) return false;
  zone_seconds = (hours * 60 + minutes) * 60;
  if (rest[0] == '-') zone_seconds = -zone_seconds;
  return true;
}

// Exactly ".ddddddddd" + 'Z', the form that containerd and CRI-O write in UTC.
bool ParseNanosFast(const char* text, int64_t& nanos) {
  uint64_t first = 0;
  std::memcpy(&first, text + 1, 8);
  if (text[0] != '.' || text[10] != 'Z') return false;
  const uint64_t digits = first - 0x3030303030303030ULL;
  const uint64_t last = static_cast<uint8_t>(text[9] - '0');
  // Any byte of `digits` above 9 sets a high bit here.
  if (((digits + 0x7676767676767676ULL) | digits) & 0x8080808080808080ULL || last > 9) return false;
  uint64_t value = digits * 10 + (digits >> 8);
  value = (((value & 0x000000FF000000FFULL) * 0x000F424000000064ULL) +
           (((value >> 16) & 0x000000FF000000FFULL) * 0x0000271000000001ULL)) >> 32;
  nanos = static_cast<int64_t>((value & 0xffffffffULL) * 10 + last);
  return true;
}

}  // namespace

bool Rfc3339Parser::ParseMinute(const char* text, int64_t& minute_seconds) {
  int century = 0;
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') return false;
  if (!TwoDigits(text, century) || !TwoDigits(text + 2, year) || !TwoDigits(text + 5, month) ||
      !TwoDigits(text + 8, day) || !TwoDigits(text + 11, hour) || !TwoDigits(text + 14, minute)) {
    return false;
  }
  year += century * 100;
  if (month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month) || hour > 23 || minute > 59) {
    return false;
  }
  minute_seconds = DaysFromCivil(year, month, day) * 86400 + hour * 3600 + minute * 60;
  return true;
}

bool Rfc3339Parser::Parse(std::string_view text, WallNanos& out) {
  if (text.size() < kMinuteChars + 3) return false;
  if (std::memcmp(text.data(), minute_, kMinuteChars) != 0) {
    int64_t seconds = 0;
    if (!ParseMinute(text.data(), seconds)) return false;
    std::memcpy(minute_, text.data(), kMinuteChars);
    minute_seconds_ = seconds;
  }
  int second = 0;
  if (!TwoDigits(text.data() + kMinuteChars, second) || second > 59) return false;
  const std::string_view rest = text.substr(kMinuteChars + 2);
  int64_t nanos = 0;
  int64_t zone = 0;
  if (!(rest.size() == 11 && ParseNanosFast(rest.data(), nanos)) && !ParseRest(rest, nanos, zone)) return false;
  out = Join(minute_seconds_ + second - zone, nanos);
  return true;
}

}  // namespace agent::frame
