// SPDX-License-Identifier: Apache-2.0
// Sprig's functions of dates and durations, and the methods of Go's times. "Now" is
// what the scratch was told; the local zone is the process's.
#include <algorithm>
#include <cmath>

#include "agent/text/internal/template_functions.h"
#include "agent/text/internal/template_time.h"

namespace agent::text::tmpl {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

absl::TimeZone ZoneNamed(std::string_view name) {
  absl::TimeZone zone = absl::UTCTimeZone();
  if (name == "Local") return absl::LocalTimeZone();
  if (!name.empty() && name != "UTC" && !absl::LoadTimeZone(absl::string_view(name.data(), name.size()), &zone)) {
    return absl::UTCTimeZone();
  }
  return zone;
}

// Times, and whole numbers as seconds since 1970; anything else is now.
absl::Time Moment(Run& run, const Value& value) {
  if (value.kind == Kind::kTime) return value.time->time;
  const bool number = value.kind == Kind::kInt &&
                      (value.int_type == IntType::kInt || value.int_type == IntType::kInt64);
  return number ? absl::FromUnixSeconds(value.integer) : run.now();
}

Value Now(Run& run, Args /*args*/) { return run.NewTime(run.now(), absl::LocalTimeZone()); }

Value Formatted(Run& run, const Value& date, absl::TimeZone zone, std::string_view layout) {
  Buffer out(run);
  AppendTime(*out, TimeValue{Moment(run, date), zone, {}}, layout);
  return run.Text(*out);
}

Value Date(Run& run, Args args) { return Formatted(run, args[1], absl::LocalTimeZone(), args[0].text); }
Value DateInZone(Run& run, Args args) { return Formatted(run, args[1], ZoneNamed(args[2].text), args[0].text); }
Value HtmlDate(Run& run, Args args) { return Formatted(run, args[0], absl::LocalTimeZone(), "2006-01-02"); }
Value HtmlDateInZone(Run& run, Args args) { return Formatted(run, args[0], ZoneNamed(args[1].text), "2006-01-02"); }

Value MustDateModify(Run& run, Args args) {
  int64_t by = 0;
  if (!ParseDuration(args[0].text, by)) return run.Fail("not a duration: ", args[0].text);
  return run.NewTime(args[1].time->time + absl::Nanoseconds(by), args[1].time->zone, args[1].time->zone_name);
}

Value DateModify(Run& run, Args args) {
  int64_t by = 0;
  return ParseDuration(args[0].text, by) ? MustDateModify(run, args) : args[1];
}

int64_t Since(Run& run, absl::Time then) { return absl::ToInt64Nanoseconds(run.now() - then); }

Value DurationText(Run& run, int64_t nanoseconds) {
  Buffer out(run);
  AppendDuration(*out, nanoseconds);
  return run.Text(*out);
}

Value Ago(Run& run, Args args) {
  const int64_t since = Since(run, Moment(run, args[0]));
  const int64_t half = since < 0 ? -kSecond / 2 : kSecond / 2;
  return DurationText(run, (since + half) / kSecond * kSecond);
}

bool IsInt64(const Value& value) { return value.kind == Kind::kInt && value.int_type == IntType::kInt64; }

// Seconds as text or int64; anything else is 0.
Value DurationOf(Run& run, Args args) {
  int64_t seconds = 0;
  if (args[0].is_string()) {
    seconds = ParseSeconds(args[0].text);
  } else if (IsInt64(args[0])) {
    seconds = args[0].integer;
  }
  return DurationText(run, static_cast<int64_t>(static_cast<uint64_t>(seconds) * static_cast<uint64_t>(kSecond)));
}

Value DurationRound(Run& run, Args args) {
  int64_t duration = 0;
  if (args[0].is_string()) {
    if (!ParseDuration(args[0].text, duration)) duration = 0;
  } else if (IsInt64(args[0])) {
    duration = args[0].integer;
  } else if (args[0].kind == Kind::kTime) {
    duration = Since(run, args[0].time->time);
  }
  const uint64_t size = duration < 0 ? 0 - static_cast<uint64_t>(duration) : static_cast<uint64_t>(duration);
  struct Unit {
    uint64_t seconds;
    std::string_view name;
  };
  constexpr Unit kUnits[] = {{365 * 86400, "y"}, {30 * 86400, "mo"}, {86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
  for (const Unit& unit : kUnits) {
    const uint64_t length = unit.seconds * static_cast<uint64_t>(kSecond);
    if (size > length) return run.Text(std::to_string(size / length).append(unit.name));
  }
  return Value::String("0s");
}

Value MustToDate(Run& run, Args args) {
  TimeValue time;
  if (!ParseTime(args[0].text, args[1].text, time)) return run.Fail("not a date in that layout: ", args[1].text);
  return run.NewTime(time.time, time.zone, time.zone_name);
}

Value ToDate(Run& run, Args args) {
  TimeValue time;
  if (!ParseTime(args[0].text, args[1].text, time)) return run.NewTime(ZeroTime(), absl::UTCTimeZone());
  return run.NewTime(time.time, time.zone, time.zone_name);
}

Value UnixEpoch(Run& run, Args args) { return run.Text(std::to_string(absl::ToUnixSeconds(args[0].time->time))); }

constexpr Function kDateFunctions[] = {
    {"now", "", Now},
    {"date", "sa", Date},
    {"dateInZone", "sas", DateInZone},
    {"date_in_zone", "sas", DateInZone},
    {"htmlDate", "a", HtmlDate},
    {"htmlDateInZone", "as", HtmlDateInZone},
    {"dateModify", "st", DateModify},
    {"date_modify", "st", DateModify},
    {"mustDateModify", "st", MustDateModify},
    {"must_date_modify", "st", MustDateModify},
    {"ago", "a", Ago},
    {"duration", "a", DurationOf},
    {"durationRound", "a", DurationRound},
    {"toDate", "ss", ToDate},
    {"mustToDate", "ss", MustToDate},
    {"unixEpoch", "t", UnixEpoch},
};

// -- methods of time.Time: the receiver is args[0] --

const TimeValue& Self(Args args) { return *args[0].time; }
absl::TimeZone::CivilInfo Civil(Args args) { return Self(args).zone.At(Self(args).time); }

Value Year(Run&, Args args) { return Value::Int(Civil(args).cs.year()); }
Value Month(Run&, Args args) { return Value::Int(Civil(args).cs.month(), IntType::kMonth); }
Value Day(Run&, Args args) { return Value::Int(Civil(args).cs.day()); }
Value Hour(Run&, Args args) { return Value::Int(Civil(args).cs.hour()); }
Value Minute(Run&, Args args) { return Value::Int(Civil(args).cs.minute()); }
Value Second(Run&, Args args) { return Value::Int(Civil(args).cs.second()); }
Value Nanosecond(Run&, Args args) { return Value::Int(absl::ToInt64Nanoseconds(Civil(args).subsecond)); }
Value YearDay(Run&, Args args) { return Value::Int(absl::GetYearDay(absl::CivilDay(Civil(args).cs))); }
Value Weekday(Run&, Args args) {
  const int from_monday = static_cast<int>(absl::GetWeekday(absl::CivilDay(Civil(args).cs)));
  return Value::Int((from_monday + 1) % 7, IntType::kWeekday);
}
Value Unix(Run&, Args args) { return Value::Int64(absl::ToUnixSeconds(Self(args).time)); }
Value UnixMilli(Run&, Args args) { return Value::Int64(absl::ToUnixMillis(Self(args).time)); }
Value UnixMicro(Run&, Args args) { return Value::Int64(absl::ToUnixMicros(Self(args).time)); }
Value UnixNano(Run&, Args args) { return Value::Int64(absl::ToUnixNanos(Self(args).time)); }
Value Utc(Run& run, Args args) { return run.NewTime(Self(args).time, absl::UTCTimeZone()); }
Value Local(Run& run, Args args) { return run.NewTime(Self(args).time, absl::LocalTimeZone()); }
Value IsZero(Run&, Args args) { return Value::Bool(Self(args).time == ZeroTime()); }
Value Before(Run&, Args args) { return Value::Bool(Self(args).time < args[1].time->time); }
Value After(Run&, Args args) { return Value::Bool(Self(args).time > args[1].time->time); }
Value SameTime(Run&, Args args) { return Value::Bool(Self(args).time == args[1].time->time); }
Value Format(Run& run, Args args) {
  Buffer out(run);
  AppendTime(*out, Self(args), args[1].text);
  return run.Text(*out);
}
Value TimeText(Run& run, Args args) {
  Buffer out(run);
  AppendTimeText(*out, Self(args));
  return run.Text(*out);
}
Value SubTime(Run&, Args args) {
  return Value::Int(absl::ToInt64Nanoseconds(Self(args).time - args[1].time->time), IntType::kDuration);
}
Value AddDate(Run& run, Args args) {
  constexpr int64_t kMost = 100'000'000;
  for (const Value& arg : args.subspan(1)) {
    if (std::abs(static_cast<double>(arg.integer)) > static_cast<double>(kMost)) return run.Fail("AddDate goes too far");
  }
  const auto civil = Civil(args);
  const absl::CivilSecond moved(civil.cs.year() + args[1].integer, civil.cs.month() + args[2].integer,
                                civil.cs.day() + args[3].integer, civil.cs.hour(), civil.cs.minute(),
                                civil.cs.second());
  return run.NewTime(Self(args).zone.At(moved).pre + civil.subsecond, Self(args).zone, Self(args).zone_name);
}

constexpr Function kTimeMethods[] = {
    {"Year", "t", Year},           {"Month", "t", Month},         {"Day", "t", Day},
    {"Hour", "t", Hour},           {"Minute", "t", Minute},       {"Second", "t", Second},
    {"Nanosecond", "t", Nanosecond}, {"YearDay", "t", YearDay},   {"Weekday", "t", Weekday},
    {"Unix", "t", Unix},           {"UnixMilli", "t", UnixMilli}, {"UnixMicro", "t", UnixMicro},
    {"UnixNano", "t", UnixNano},   {"UTC", "t", Utc},             {"Local", "t", Local},
    {"IsZero", "t", IsZero},       {"Before", "tt", Before},      {"After", "tt", After},
    {"Equal", "tt", SameTime},     {"Format", "ts", Format},      {"String", "t", TimeText},
    {"Sub", "tt", SubTime},        {"AddDate", "tiii", AddDate},
};

// -- methods of time.Duration --

Value Hours(Run&, Args args) { return Value::Float(static_cast<double>(args[0].integer) / 3600e9); }
Value Minutes(Run&, Args args) { return Value::Float(static_cast<double>(args[0].integer) / 60e9); }
Value Seconds(Run&, Args args) { return Value::Float(static_cast<double>(args[0].integer) / 1e9); }
Value Milliseconds(Run&, Args args) { return Value::Int64(args[0].integer / 1'000'000); }
Value Microseconds(Run&, Args args) { return Value::Int64(args[0].integer / 1000); }
Value Nanoseconds(Run&, Args args) { return Value::Int64(args[0].integer); }
Value DurationString(Run& run, Args args) { return DurationText(run, args[0].integer); }

constexpr Function kDurationMethods[] = {
    {"Hours", "d", Hours},
    {"Minutes", "d", Minutes},
    {"Seconds", "d", Seconds},
    {"Milliseconds", "d", Milliseconds},
    {"Microseconds", "d", Microseconds},
    {"Nanoseconds", "d", Nanoseconds},
    {"String", "d", DurationString},
};

}  // namespace

std::span<const Function> DateFunctions() { return kDateFunctions; }
std::span<const Function> TimeMethods() { return kTimeMethods; }
std::span<const Function> DurationMethods() { return kDurationMethods; }

}  // namespace agent::text::tmpl
