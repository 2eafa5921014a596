// SPDX-License-Identifier: Apache-2.0
#include "agent/text/timestamp.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "agent/core/time_text.h"
#include "agent/text/internal/civil_time.h"
#include "agent/text/internal/time_layout.h"
#include "agent/text/number.h"

namespace agent::text {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::string_view kRfc3339 = "2006-01-02T15:04:05Z07:00";
constexpr std::string_view kRfc3339Nano = "2006-01-02T15:04:05.999999999Z07:00";

constexpr std::pair<std::string_view, std::string_view> kNamed[] = {
    {"ANSIC", "Mon Jan _2 15:04:05 2006"},
    {"UnixDate", "Mon Jan _2 15:04:05 MST 2006"},
    {"RubyDate", "Mon Jan 02 15:04:05 -0700 2006"},
    {"RFC822", "02 Jan 06 15:04 MST"},
    {"RFC822Z", "02 Jan 06 15:04 -0700"},
    {"RFC850", "Monday, 02-Jan-06 15:04:05 MST"},
    {"RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"},
    {"RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"},
    {"RFC3339", kRfc3339},
    {"RFC3339Nano", kRfc3339Nano},
};

// `count` digits at `at` as a number, -1 if one is not a digit.
int ReadDigits(const char* at, int count) {
  int number = 0;
  for (int i = 0; i < count; ++i) {
    const unsigned digit = static_cast<unsigned>(at[i] - '0');
    if (digit > 9) return -1;
    number = number * 10 + static_cast<int>(digit);
  }
  return number;
}

// A moment in a zone, as Go's time.Time: what arithmetic on years needs.
struct Moment {
  int64_t seconds = 0;
  int64_t nanos = 0;
  Zone zone;
};

Moment ToMoment(const ParsedTime& parsed, const Zone& default_zone, const Zone& local) {
  const int64_t as_utc = SecondsOf(parsed.civil);
  if (parsed.has_offset) {
    const int64_t seconds = as_utc - parsed.offset;
    if (parsed.offset == 0) return {seconds, parsed.nanos, Zone()};
    std::string_view abbreviation;
    const bool is_local = local.OffsetAt(seconds, &abbreviation) == parsed.offset &&
                          (parsed.zone_name.empty() || parsed.zone_name == abbreviation);
    return {seconds, parsed.nanos, is_local ? local : Zone::Fixed(parsed.offset)};
  }
  if (!parsed.zone_name.empty()) {
    int64_t offset = 0;
    if (local.OffsetOf(parsed.zone_name, as_utc, offset)) return {as_utc - offset, parsed.nanos, local};
    return {as_utc, parsed.nanos, Zone()};  // an unknown abbreviation counts as UTC
  }
  return {default_zone.MomentOf(parsed.civil), parsed.nanos, default_zone};
}

bool ParseUnixSeconds(std::string_view text, WallNanos& out) {
  long long seconds = 0;
  const size_t point = text.find('.');
  if (point == std::string_view::npos || text.find('.', point + 1) != std::string_view::npos) {
    if (!ParseInt(text, seconds)) return false;
    out = Join(seconds, 0);
    return true;
  }
  long long fraction = 0;
  const std::string_view digits = text.substr(point + 1);
  if (!ParseInt(text.substr(0, point), seconds) || !ParseInt(digits, fraction)) return false;
  double scaled = static_cast<double>(fraction);
  const auto places = static_cast<int>(digits.size());
  if (places <= 9) {
    scaled *= std::pow(10.0, 9 - places);
  } else {
    scaled *= 1.0 / std::pow(10.0, places - 9);
  }
  out = Join(seconds, static_cast<int64_t>(scaled));
  return true;
}

// An integer in units of so many nanoseconds; too large a number wraps, as in Go.
bool ParseUnixUnits(std::string_view text, uint64_t unit, WallNanos& out) {
  long long number = 0;
  if (!ParseInt(text, number)) return false;
  const auto nanos = static_cast<int64_t>(static_cast<uint64_t>(number) * unit);
  out = Join(nanos / kNanosPerSecond, nanos % kNanosPerSecond);
  return true;
}

}  // namespace

bool ParseRfc3339(std::string_view text, WallNanos& out) {
  constexpr size_t kToSeconds = 19;
  if (text.size() < kToSeconds + 1) return false;
  const char* at = text.data();
  CivilTime civil;
  civil.year = ReadDigits(at, 4);
  civil.month = ReadDigits(at + 5, 2);
  civil.day = ReadDigits(at + 8, 2);
  civil.hour = ReadDigits(at + 11, 2);
  civil.minute = ReadDigits(at + 14, 2);
  civil.second = ReadDigits(at + 17, 2);
  if (at[4] != '-' || at[7] != '-' || at[10] != 'T' || at[13] != ':' || at[16] != ':') return false;
  if (civil.year < 0 || civil.month < 1 || civil.month > 12 || civil.hour < 0 || civil.hour > 23 ||
      civil.minute < 0 || civil.minute > 59 || civil.second < 0 || civil.second > 59 || civil.day < 1 ||
      civil.day > DaysInMonth(civil.month, civil.year)) {
    return false;
  }
  std::string_view rest = text.substr(kToSeconds);
  int64_t nanos = 0;
  if (rest[0] == '.') {
    size_t length = 1;
    int64_t unit = kNanosPerSecond / 10;
    for (; length < rest.size() && rest[length] >= '0' && rest[length] <= '9'; ++length) {
      nanos += (rest[length] - '0') * unit;
      unit /= 10;
    }
    if (length == 1) return false;
    rest.remove_prefix(length);
  }
  int64_t seconds = SecondsOf(civil);
  if (rest != "Z") {
    if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':') return false;
    const int hours = ReadDigits(rest.data() + 1, 2);
    const int minutes = ReadDigits(rest.data() + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
    const int64_t offset = hours * 3600 + minutes * 60;
    seconds -= rest[0] == '-' ? -offset : offset;
  }
  out = Join(seconds, nanos);
  return true;
}

struct TimeFormat::Impl {
  enum class Kind { kSeconds, kUnits, kLayout, kLayoutWithoutYear };
  Kind kind = Kind::kLayout;
  uint64_t unit = 1;     // nanoseconds, of kUnits
  bool rfc3339 = false;  // try the short cut first
  TimeLayout layout{""};
  Zone default_zone;  // of a time without any
  Zone local;         // whose abbreviations are known
  Zone here;          // of the machine: whose year it is

  bool ParseWithoutYear(const ParsedTime& parsed, WallNanos now, WallNanos& out) const;
};

// The year is that of now, but December is last year's in January, and the other
// way round.
bool TimeFormat::Impl::ParseWithoutYear(const ParsedTime& parsed, WallNanos now, WallNanos& out) const {
  const Moment moment = ToMoment(parsed, default_zone, local);
  CivilTime civil = moment.zone.CivilAt(moment.seconds);
  if (civil.year != 0) return false;  // the text has a year after all
  int64_t now_seconds = now / kNanosPerSecond;
  if (now % kNanosPerSecond < 0) --now_seconds;
  const CivilTime today = here.CivilAt(now_seconds);
  civil.year = today.year;
  if (civil.month == 12 && today.month == 1) --civil.year;
  if (civil.month == 1 && today.month == 12) ++civil.year;
  out = Join(moment.zone.MomentOf(civil), moment.nanos);
  return true;
}

TimeFormat::TimeFormat() = default;
TimeFormat::~TimeFormat() = default;
TimeFormat::TimeFormat(TimeFormat&&) noexcept = default;
TimeFormat& TimeFormat::operator=(TimeFormat&&) noexcept = default;

Result<TimeFormat> TimeFormat::Compile(std::string_view format, const std::optional<std::string>& location) {
  auto impl = std::make_unique<Impl>();
  impl->here = Zone::Local();
  impl->local = impl->here;
  if (location) {
    auto zone = Zone::Load(*location);
    if (!zone) return Forward(zone);
    impl->default_zone = *zone;
  }
  const auto* const named = std::find_if(std::begin(kNamed), std::end(kNamed),
                                         [&](const auto& pair) { return pair.first == format; });
  if (format == "Unix") {
    impl->kind = Impl::Kind::kSeconds;
  } else if (format == "UnixMs" || format == "UnixUs" || format == "UnixNs") {
    impl->kind = Impl::Kind::kUnits;
    impl->unit = format == "UnixMs" ? 1'000'000 : format == "UnixUs" ? 1000 : 1;
  } else if (named != std::end(kNamed)) {
    impl->default_zone = Zone();
    impl->layout = TimeLayout(named->second);
    impl->rfc3339 = named->second == kRfc3339 || named->second == kRfc3339Nano;
  } else {
    impl->kind =
        format.find("06") == std::string_view::npos ? Impl::Kind::kLayoutWithoutYear : Impl::Kind::kLayout;
    impl->layout = TimeLayout(format);
    impl->rfc3339 = format == kRfc3339 || format == kRfc3339Nano;
    if (location) impl->local = impl->default_zone;
  }
  TimeFormat made;
  made.impl_ = std::move(impl);
  return made;
}

bool TimeFormat::Parse(std::string_view text, WallNanos now, WallNanos& out) const {
  const Impl& impl = *impl_;
  if (impl.kind == Impl::Kind::kSeconds) return ParseUnixSeconds(text, out);
  if (impl.kind == Impl::Kind::kUnits) return ParseUnixUnits(text, impl.unit, out);
  if (impl.rfc3339 && ParseRfc3339(text, out)) return true;
  ParsedTime parsed;
  if (!impl.layout.Parse(text, parsed)) return false;
  if (impl.kind == Impl::Kind::kLayoutWithoutYear) return impl.ParseWithoutYear(parsed, now, out);
  const Moment moment = ToMoment(parsed, impl.default_zone, impl.local);
  out = Join(moment.seconds, moment.nanos);
  return true;
}

}  // namespace agent::text
