// SPDX-License-Identifier: Apache-2.0
#include "agent/text/internal/template_time.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "agent/text/internal/template_functions.h"
#include "agent/text/internal/time_layout.h"
#include "agent/text/number.h"

namespace agent::text::tmpl {
namespace {

void AppendPadded(std::string& out, int64_t number, int width, char fill = '0') {
  if (number < 0) {
    out.push_back('-');
    number = -number;
  }
  const std::string digits = std::to_string(number);
  if (digits.size() < static_cast<size_t>(width)) out.append(static_cast<size_t>(width) - digits.size(), fill);
  out.append(digits);
}

struct Moment {
  absl::CivilSecond civil;
  int64_t nanos;
  int offset;
  std::string_view abbreviation;  // empty: none is known
};

void AppendOffset(std::string& out, int offset, int numbers, bool colons) {
  const int size = offset < 0 ? -offset : offset;
  out.push_back(offset < 0 ? '-' : '+');
  AppendPadded(out, size / 3600, 2);
  if (numbers >= 2) {
    if (colons) out.push_back(':');
    AppendPadded(out, size / 60 % 60, 2);
  }
  if (numbers >= 3) {
    if (colons) out.push_back(':');
    AppendPadded(out, size % 60, 2);
  }
}

void AppendAbbreviation(std::string& out, const Moment& moment) {
  if (!moment.abbreviation.empty()) {
    out.append(moment.abbreviation);
  } else {
    AppendOffset(out, moment.offset, 2, false);
  }
}

int Hour12(const Moment& moment) {
  const int hour = moment.civil.hour() % 12;
  return hour == 0 ? 12 : hour;
}

int64_t WeekdayOf(const Moment& moment) {
  return (static_cast<int64_t>(absl::GetWeekday(absl::CivilDay(moment.civil))) + 1) % 7;
}

using Writer = void (*)(std::string&, const Moment&);

struct Token {
  std::string_view text;
  bool word;  // must not be followed by a small letter
  Writer write;
};

// Longer ones before their own beginnings.
constexpr Token kTokens[] = {
    {"January", false, [](std::string& o, const Moment& m) { o.append(MonthName(m.civil.month())); }},
    {"Jan", true, [](std::string& o, const Moment& m) { o.append(MonthName(m.civil.month()).substr(0, 3)); }},
    {"Monday", false, [](std::string& o, const Moment& m) { o.append(WeekdayName(WeekdayOf(m))); }},
    {"Mon", true, [](std::string& o, const Moment& m) { o.append(WeekdayName(WeekdayOf(m)).substr(0, 3)); }},
    {"MST", false, AppendAbbreviation},
    {"2006", false, [](std::string& o, const Moment& m) { AppendPadded(o, m.civil.year(), 4); }},
    {"_2006", false, [](std::string& o, const Moment& m) { o.push_back('_'); AppendPadded(o, m.civil.year(), 4); }},
    {"002", false, [](std::string& o, const Moment& m) { AppendPadded(o, absl::GetYearDay(absl::CivilDay(m.civil)), 3); }},
    {"__2", false, [](std::string& o, const Moment& m) { AppendPadded(o, absl::GetYearDay(absl::CivilDay(m.civil)), 3, ' '); }},
    {"_2", false, [](std::string& o, const Moment& m) { AppendPadded(o, m.civil.day(), 2, ' '); }},
    {"01", false, [](std::string& o, const Moment& m) { AppendPadded(o, m.civil.month(), 2); }},
    {"02", false, [](std::string& o, const Moment& m) { AppendPadded(o, m.civil.day(), 2); }},
    {"03", false, [](std::string& o, const Moment& m) { AppendPadded(o, Hour12(m), 2); }},
    {"04", false, [](std::string& o, const Moment& m) { AppendPadded(o, m.civil.minute(), 2); }},
    {"05", false, [](std::string& o, const Moment& m) { AppendPadded(o, m.civil.second(), 2); }},
    {"06", false, [](std::string& o, const Moment& m) { AppendPadded(o, ((m.civil.year() % 100) + 100) % 100, 2); }},
    {"15", false, [](std::string& o, const Moment& m) { AppendPadded(o, m.civil.hour(), 2); }},
    {"1", false, [](std::string& o, const Moment& m) { AppendPadded(o, m.civil.month(), 1); }},
    {"2", false, [](std::string& o, const Moment& m) { AppendPadded(o, m.civil.day(), 1); }},
    {"3", false, [](std::string& o, const Moment& m) { AppendPadded(o, Hour12(m), 1); }},
    {"4", false, [](std::string& o, const Moment& m) { AppendPadded(o, m.civil.minute(), 1); }},
    {"5", false, [](std::string& o, const Moment& m) { AppendPadded(o, m.civil.second(), 1); }},
    {"PM", false, [](std::string& o, const Moment& m) { o.append(m.civil.hour() >= 12 ? "PM" : "AM"); }},
    {"pm", false, [](std::string& o, const Moment& m) { o.append(m.civil.hour() >= 12 ? "pm" : "am"); }},
    {"-07:00:00", false, [](std::string& o, const Moment& m) { AppendOffset(o, m.offset, 3, true); }},
    {"-070000", false, [](std::string& o, const Moment& m) { AppendOffset(o, m.offset, 3, false); }},
    {"-07:00", false, [](std::string& o, const Moment& m) { AppendOffset(o, m.offset, 2, true); }},
    {"-0700", false, [](std::string& o, const Moment& m) { AppendOffset(o, m.offset, 2, false); }},
    {"-07", false, [](std::string& o, const Moment& m) { AppendOffset(o, m.offset, 1, false); }},
};

const Token* FindToken(std::string_view rest) {
  for (const Token& token : kTokens) {
    if (!rest.starts_with(token.text)) continue;
    const size_t after = token.text.size();
    if (token.word && after < rest.size() && rest[after] >= 'a' && rest[after] <= 'z') continue;
    return &token;
  }
  return nullptr;
}

// `.000`, `,999`: how many digits, or 0 if it is none.
size_t FractionDigits(std::string_view rest) {
  if (rest.size() < 2 || (rest[0] != '.' && rest[0] != ',') || (rest[1] != '0' && rest[1] != '9')) return 0;
  const size_t end = std::min(rest.find_first_not_of(rest[1], 1), rest.size());
  const bool digit_follows = end < rest.size() && rest[end] >= '0' && rest[end] <= '9';
  return digit_follows ? 0 : end - 1;
}

void AppendFraction(std::string& out, std::string_view token, int64_t nanos) {
  std::string digits;
  AppendPadded(digits, nanos, 9);
  const size_t wanted = token.size() - 1;
  digits.resize(std::min<size_t>(wanted, 9));
  if (token[1] == '9') {
    while (!digits.empty() && digits.back() == '0') digits.pop_back();
    if (digits.empty()) return;
  }
  out.push_back(token[0]);
  out.append(digits);
}

Moment MomentOf(const TimeValue& time) {
  const auto info = time.zone.At(time.time);
  const bool fixed = time.zone.name().starts_with("Fixed/");  // made from an offset in a text
  std::string_view name = info.zone_abbr == nullptr || fixed ? "" : info.zone_abbr;
  if (!time.zone_name.empty()) name = time.zone_name;
  return {info.cs, absl::ToInt64Nanoseconds(info.subsecond), info.offset, name};
}

}  // namespace

void AppendTime(std::string& out, const TimeValue& time, std::string_view layout) {
  const Moment moment = MomentOf(time);
  while (!layout.empty()) {
    const size_t fraction = FractionDigits(layout);
    if (fraction > 0) {
      AppendFraction(out, layout.substr(0, fraction + 1), moment.nanos);
      layout.remove_prefix(fraction + 1);
      continue;
    }
    // Z07:00 is -07:00, but Z for UTC.
    std::string spelled(layout.substr(0, 9));
    const bool zulu = spelled.starts_with("Z07");
    if (zulu) spelled[0] = '-';
    const Token* token = FindToken(zulu ? std::string_view(spelled) : layout);
    if (token == nullptr) {
      out.push_back(layout[0]);
      layout.remove_prefix(1);
      continue;
    }
    if (zulu && moment.offset == 0) {
      out.push_back('Z');
    } else {
      token->write(out, moment);
    }
    layout.remove_prefix(token->text.size());
  }
}

void AppendTimeText(std::string& out, const TimeValue& time) {
  AppendTime(out, time, "2006-01-02 15:04:05.999999999 -0700 MST");
}

void AppendDuration(std::string& out, int64_t nanoseconds) {
  if (nanoseconds == 0) {
    out.append("0s");
    return;
  }
  uint64_t rest = nanoseconds < 0 ? 0 - static_cast<uint64_t>(nanoseconds) : static_cast<uint64_t>(nanoseconds);
  if (nanoseconds < 0) out.push_back('-');
  const auto with_fraction = [&out](uint64_t value, uint64_t unit, int digits, std::string_view name) {
    out.append(std::to_string(value / unit));
    std::string fraction;
    AppendPadded(fraction, static_cast<int64_t>(value % unit), digits);
    while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
    if (!fraction.empty()) out.append(".").append(fraction);
    out.append(name);
  };
  constexpr uint64_t kSecond = 1'000'000'000;
  if (rest < 1000) return with_fraction(rest, 1, 0, "ns");
  if (rest < 1'000'000) return with_fraction(rest, 1000, 3, "µs");
  if (rest < kSecond) return with_fraction(rest, 1'000'000, 6, "ms");
  const uint64_t minutes = rest / (60 * kSecond);
  if (minutes >= 60) out.append(std::to_string(minutes / 60)).append("h");
  if (minutes > 0) out.append(std::to_string(minutes % 60)).append("m");
  with_fraction(rest % (60 * kSecond), kSecond, 9, "s");
}

absl::Time ZeroTime() { return absl::FromCivil(absl::CivilSecond(1, 1, 1), absl::UTCTimeZone()); }

namespace {

// A text that tells an offset: shown as the local zone where that has it too, by this name.
void SetOffset(const ParsedTime& parsed, absl::Time time, TimeValue& out) {
  const absl::TimeZone local = absl::LocalTimeZone();
  const auto here = local.At(time);
  out.time = time;
  if (parsed.utc) {
    out.zone = absl::UTCTimeZone();
  } else if (here.offset == parsed.offset && (parsed.zone_name.empty() || parsed.zone_name == here.zone_abbr)) {
    out.zone = local;
  } else {
    out.zone = absl::FixedTimeZone(static_cast<int>(parsed.offset));
    out.zone_name = parsed.zone_name;
    // Abseil calls this one "UTC".
    if (parsed.offset == 0 && parsed.zone_name.empty()) out.zone_name = "+0000";
  }
}

// A text that tells an abbreviation alone: one of the local zone's, or else one that Go shows
// but counts as UTC; of GMT+3 it shows the offset, too.
void SetZoneName(const ParsedTime& parsed, absl::Time as_utc, TimeValue& out) {
  int64_t offset = 0;
  if (Zone::Local().OffsetOf(parsed.zone_name, absl::ToUnixSeconds(as_utc), offset)) {
    out.zone = absl::LocalTimeZone();
    out.time = as_utc - absl::Seconds(offset);
    return;
  }
  long long hours = 0;
  if (parsed.zone_name.starts_with("GMT")) ParseInt(parsed.zone_name.substr(3), hours);
  out.zone = absl::FixedTimeZone(static_cast<int>(hours) * 3600);
  out.zone_name = parsed.zone_name;
  out.time = as_utc;
}

}  // namespace

bool ParseTime(std::string_view layout, std::string_view text, TimeValue& out) {
  ParsedTime parsed;
  if (!TimeLayout(layout).Parse(text, parsed)) return false;
  const CivilTime& c = parsed.civil;
  const absl::CivilSecond civil(c.year, c.month, c.day, c.hour, c.minute, c.second);
  const absl::TimeZone local = absl::LocalTimeZone();
  out.zone_name = {};
  if (parsed.has_offset) {
    SetOffset(parsed, absl::FromCivil(civil, absl::UTCTimeZone()) - absl::Seconds(parsed.offset), out);
  } else if (!parsed.zone_name.empty() && local.At(absl::FromCivil(civil, local)).zone_abbr != parsed.zone_name) {
    SetZoneName(parsed, absl::FromCivil(civil, absl::UTCTimeZone()), out);
  } else {
    out.zone = local;
    out.time = absl::FromCivil(civil, local);
  }
  out.time += absl::Nanoseconds(parsed.nanos);
  return true;
}

bool ParseDuration(std::string_view text, int64_t& out) {
  struct Unit {
    std::string_view name;
    double nanos;
  };
  constexpr std::array<Unit, 8> kUnits = {{{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"μs", 1e3},
                                           {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty()) return false;
  out = 0;
  if (text == "0") return true;
  while (!text.empty()) {
    const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::string_view number = text.substr(0, digits);
    const size_t unit_end = std::min(text.find_first_of("0123456789.", digits), text.size());
    const std::string_view unit = text.substr(digits, unit_end - digits);
    double value = 0;
    const auto known = std::find_if(kUnits.begin(), kUnits.end(), [unit](const Unit& u) { return u.name == unit; });
    if (number.empty() || number == "." || std::count(number.begin(), number.end(), '.') > 1) return false;
    if (known == kUnits.end() || !ParseFloat(number, value)) return false;
    const size_t point = std::min(number.find('.'), number.size());
    long long whole = 0;
    if (point > 0 && !ParseInt(number.substr(0, point), whole)) return false;
    int64_t part = 0;
    if (__builtin_mul_overflow(whole, static_cast<int64_t>(known->nanos), &part)) return false;
    part += static_cast<int64_t>((value - static_cast<double>(whole)) * known->nanos + 0.5e-3);
    if (__builtin_add_overflow(out, part, &out)) return false;
    text.remove_prefix(unit_end);
  }
  if (negative) out = -out;
  return true;
}

int64_t ParseSeconds(std::string_view text) {
  long long seconds = 0;
  return ParseInt(text, seconds) ? seconds : 0;
}

}  // namespace agent::text::tmpl
