// SPDX-License-Identifier: Apache-2.0
#include "agent/text/internal/civil_time.h"

#include <absl/time/time.h>

#include <algorithm>
#include <memory>

namespace agent::text {
namespace {

constexpr int64_t kSecondsPerDay = 86400;

// Days from 1970-01-01 to the first of a month; months count from March so that the
// leap day is a year's last.
int64_t DaysBefore(int64_t year, int month) {
  const int64_t shifted = month > 2 ? year : year - 1;
  const int64_t era = (shifted >= 0 ? shifted : shifted - 399) / 400;
  const int64_t year_of_era = shifted - era * 400;
  const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

bool IsLeapYear(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int DaysInMonth(int month, int64_t year) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && IsLeapYear(year) ? 29 : kDays[month - 1];
}

int64_t SecondsOf(const CivilTime& civil) {
  return (DaysBefore(civil.year, civil.month) + civil.day - 1) * kSecondsPerDay + civil.hour * 3600 +
         civil.minute * 60 + civil.second;
}

CivilTime CivilOf(int64_t seconds) {
  const int64_t days = FloorDivide(seconds, kSecondsPerDay);
  const int64_t rest = seconds - days * kSecondsPerDay;
  const int64_t shifted = days + 719468;
  const int64_t era = FloorDivide(shifted, 146097);
  const int64_t day_of_era = shifted - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t from_march = (5 * day_of_year + 2) / 153;
  CivilTime civil;
  civil.month = static_cast<int>(from_march < 10 ? from_march + 3 : from_march - 9);
  civil.year = year_of_era + era * 400 + (civil.month <= 2 ? 1 : 0);
  civil.day = static_cast<int>(day_of_year - (153 * from_march + 2) / 5 + 1);
  civil.hour = static_cast<int>(rest / 3600);
  civil.minute = static_cast<int>(rest % 3600 / 60);
  civil.second = static_cast<int>(rest % 60);
  return civil;
}

// A loaded zone and its abbreviations, in order of their first use.
struct Zone::Data {
  absl::TimeZone zone;
  std::vector<Period> periods;

  explicit Data(absl::TimeZone loaded) : zone(loaded) {
    Note(absl::FromUnixSeconds(SecondsOf({})));  // the year 0: before any zone's rules
    absl::TimeZone::CivilTransition transition;
    absl::Time at = absl::InfinitePast();
    // The rules of the far future repeat: the end of this century has them all.
    const absl::Time last = absl::FromUnixSeconds(4102444800);
    while (at < last && zone.NextTransition(at, &transition)) {
      const absl::TimeZone::TimeInfo info = zone.At(transition.to);
      at = info.kind == absl::TimeZone::TimeInfo::UNIQUE ? info.pre : info.trans;
      Note(at);
    }
  }

  void Note(absl::Time at) {
    const absl::TimeZone::CivilInfo info = zone.At(at);
    const std::string abbreviation = info.zone_abbr;
    const bool known = std::any_of(periods.begin(), periods.end(), [&](const Period& period) {
      return period.offset == info.offset && period.abbreviation == abbreviation;
    });
    if (!known) periods.push_back({abbreviation, info.offset});
  }
};

Zone Zone::Fixed(int64_t offset_seconds) {
  Zone zone;
  zone.fixed_ = offset_seconds;
  return zone;
}

Zone Zone::Local() {
  Zone zone;
  zone.data_ = std::make_shared<const Data>(absl::LocalTimeZone());
  return zone;
}

Result<Zone> Zone::Load(const std::string& name) {
  if (name.empty() || name == "UTC") return Zone();
  if (name == "Local") return Local();
  // Names that the library would take and Go would not: paths and fixed offsets.
  const bool odd = name.find("..") != std::string::npos || name.find(':') != std::string::npos ||
                   name[0] == '/' || name.find('\\') != std::string::npos || name.starts_with("Fixed/");
  absl::TimeZone loaded;
  if (odd || !absl::LoadTimeZone(name, &loaded)) {
    return Fail(Code::kConfig, "there is no time zone \"" + name +
                                   "\"; write a name such as \"Europe/Berlin\" or "
                                   "\"UTC\" (the system's tzdata must be installed)");
  }
  Zone zone;
  zone.data_ = std::make_shared<const Data>(loaded);
  return zone;
}

int64_t Zone::OffsetAt(int64_t seconds, std::string_view* abbreviation) const {
  if (data_ == nullptr) {
    if (abbreviation != nullptr) *abbreviation = fixed_ == 0 ? "UTC" : "";
    return fixed_;
  }
  const absl::TimeZone::CivilInfo info = data_->zone.At(absl::FromUnixSeconds(seconds));
  if (abbreviation != nullptr) *abbreviation = info.zone_abbr;
  return info.offset;
}

bool Zone::OffsetOf(std::string_view abbreviation, int64_t seconds, int64_t& offset) const {
  if (data_ == nullptr) return false;
  for (const Period& period : data_->periods) {
    if (period.abbreviation != abbreviation) continue;
    std::string_view found;
    const int64_t there = OffsetAt(seconds - period.offset, &found);
    if (found == abbreviation) {
      offset = there;
      return true;
    }
  }
  for (const Period& period : data_->periods) {
    if (period.abbreviation == abbreviation) {
      offset = period.offset;
      return true;
    }
  }
  return false;
}

int64_t Zone::MomentOf(const CivilTime& civil) const {
  const int64_t seconds = SecondsOf(civil);
  if (data_ == nullptr) return seconds - fixed_;
  // Like Go: guess that the offset at the same number of seconds in UTC applies, then
  // correct the guess once.
  const int64_t guess = OffsetAt(seconds);
  return guess == 0 ? seconds : seconds - OffsetAt(seconds - guess);
}

}  // namespace agent::text
