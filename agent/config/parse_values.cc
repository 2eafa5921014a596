// SPDX-License-Identifier: Apache-2.0
// Durations, sizes and booleans as Promtail's Go libraries read them.
#include <charconv>
#include <cstring>
#include <limits>
#include <string>

#include "agent/config/decode.h"

namespace agent::config {
namespace {

constexpr uint64_t kMaxNanos = uint64_t{1} << 63;  // as Go: one more, for the negative end

std::unexpected<Error> Bad(std::string_view text, std::string_view what) {
  return Fail(Code::kConfig, "`" + std::string(text) + "` " + std::string(what));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Takes the leading digits as a number; false if they exceed 2^63.
bool TakeDigits(std::string_view& text, uint64_t& out) {
  out = 0;
  while (!text.empty() && IsDigit(text[0])) {
    if (out > kMaxNanos / 10) return false;
    out = out * 10 + static_cast<uint64_t>(text[0] - '0');
    if (out > kMaxNanos) return false;
    text.remove_prefix(1);
  }
  return true;
}

// Takes the digits of a fraction as value/scale; digits beyond the precision of a
// nanosecond count are read and forgotten.
void TakeFraction(std::string_view& text, uint64_t& value, double& scale) {
  value = 0;
  scale = 1;
  bool full = false;
  for (; !text.empty() && IsDigit(text[0]); text.remove_prefix(1)) {
    full = full || value > (kMaxNanos - 1) / 10 - 1;
    if (full) continue;
    value = value * 10 + static_cast<uint64_t>(text[0] - '0');
    scale *= 10;
  }
}

uint64_t GoUnit(std::string_view unit) {
  if (unit == "ns") return 1;
  if (unit == "us" || unit == "\xC2\xB5s" || unit == "\xCE\xBCs") return 1'000;
  if (unit == "ms") return 1'000'000;
  if (unit == "s") return 1'000'000'000;
  if (unit == "m") return 60'000'000'000;
  if (unit == "h") return 3'600'000'000'000;
  return 0;
}

constexpr std::string_view kGoDurationHelp = "a duration; write a number with a unit, such as 300ms, 10s or 1h30m";
constexpr std::string_view kTooLong = "is too long for a duration (about 292 years at most)";

// One "number unit" of a Go duration.
Status TakeGoPart(std::string_view whole, std::string_view& rest, uint64_t& total) {
  uint64_t value = 0;
  uint64_t fraction = 0;
  double scale = 1;
  const size_t before = rest.size();
  if (!TakeDigits(rest, value)) return Bad(whole, kTooLong);
  size_t digits = before - rest.size();
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    const size_t start = rest.size();
    TakeFraction(rest, fraction, scale);
    digits += start - rest.size();
  }
  if (digits == 0) return Bad(whole, "is not " + std::string(kGoDurationHelp));
  size_t length = 0;
  while (length < rest.size() && rest[length] != '.' && !IsDigit(rest[length])) ++length;
  const std::string_view name = rest.substr(0, length);
  rest.remove_prefix(length);
  if (name.empty()) return Bad(whole, "has no unit; write a duration such as " + std::string(whole) + "s or 1h30m");
  const uint64_t unit = GoUnit(name);
  if (unit == 0) {
    return Bad(whole, "is not a duration: `" + std::string(name) + "` is not a unit (ns, us, ms, s, m, h)");
  }
  if (value > kMaxNanos / unit) return Bad(whole, kTooLong);
  value *= unit;
  value += static_cast<uint64_t>(static_cast<double>(fraction) * (static_cast<double>(unit) / scale));
  total += value;
  if (value > kMaxNanos || total > kMaxNanos) return Bad(whole, kTooLong);
  return {};
}

}  // namespace

Result<Duration> ParseGoDuration(std::string_view text) {
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return Duration(0);
  if (rest.empty()) return Bad(text, "is not " + std::string(kGoDurationHelp));
  uint64_t total = 0;
  while (!rest.empty()) {
    if (Status part = TakeGoPart(text, rest, total); !part) return Forward(part);
  }
  if (!negative && total == kMaxNanos) return Bad(text, kTooLong);
  return Duration(static_cast<int64_t>(negative ? 0 - total : total));
}

Result<Duration> ParsePrometheusDuration(std::string_view text) {
  struct Unit {
    std::string_view name;
    uint64_t millis;
  };
  constexpr uint64_t kDay = 86'400'000;
  static constexpr Unit kUnits[] = {{"y", 365 * kDay}, {"w", 7 * kDay}, {"d", kDay},  {"h", 3'600'000},
                                    {"m", 60'000},     {"s", 1'000},    {"ms", 1}};
  constexpr std::string_view kHelp = "is not a duration; write whole numbers with units from large to small, such as 1d, 5m or 1h30m";
  if (text == "0") return Duration(0);
  if (text.empty()) return Bad(text, kHelp);
  constexpr uint64_t kMaxMillis = (kMaxNanos - 1) / 1'000'000;
  uint64_t total = 0;
  size_t next_unit = 0;
  for (std::string_view rest = text; !rest.empty();) {
    uint64_t value = 0;
    if (!IsDigit(rest[0])) return Bad(text, kHelp);
    if (!TakeDigits(rest, value)) return Bad(text, kTooLong);
    size_t length = 0;
    while (length < rest.size() && !IsDigit(rest[length])) ++length;
    const std::string_view name = rest.substr(0, length);
    while (next_unit < std::size(kUnits) && kUnits[next_unit].name != name) ++next_unit;
    if (next_unit == std::size(kUnits)) return Bad(text, kHelp);
    const uint64_t unit = kUnits[next_unit++].millis;
    if (value > kMaxMillis / unit || total + value * unit > kMaxMillis) return Bad(text, kTooLong);
    total += value * unit;
    rest.remove_prefix(length);
  }
  return Duration(static_cast<int64_t>(total * 1'000'000));
}

Result<uint64_t> ParseBytes(std::string_view text) {
  constexpr std::string_view kHelp = "is not a size; write a whole number of bytes, or one with a unit, such as 256kb or 1MB";
  if (text.empty()) return 0;  // as in Promtail
  std::string_view rest = text;
  while (rest.ends_with(' ')) rest.remove_suffix(1);
  uint64_t value = 0;
  const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error == std::errc::result_out_of_range) return Bad(text, "is too large for a size");
  if (error != std::errc()) return Bad(text, kHelp);
  rest.remove_prefix(static_cast<size_t>(stop - rest.data()));
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  std::string unit;
  for (const char c : rest) unit += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (unit.empty() || unit == "b" || unit == "byte" || unit == "bytes") return value;
  static constexpr std::string_view kLong[] = {"kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte", "exabyte"};
  constexpr std::string_view kLetters = "kmgtpe";
  for (size_t i = 0; i < kLetters.size(); ++i) {
    const std::string letter(1, kLetters[i]);
    const std::string name(kLong[i]);
    if (unit != letter && unit != letter + "b" && unit != letter + "ib" && unit != name && unit != name + "s" &&
        unit + "byte" != name) {
      continue;
    }
    const uint64_t scale = uint64_t{1} << (10 * (i + 1));
    if (value > std::numeric_limits<uint64_t>::max() / scale) return Bad(text, "is too large for a size");
    return value * scale;
  }
  return Bad(text, kHelp);
}

Result<bool> ParseGoBool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return Bad(text, "is not a yes or no; write true or false");
}

}  // namespace agent::config
