// SPDX-License-Identifier: Apache-2.0
#include "agent/push/internal/backoff.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <string>

namespace agent::push {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110's one preferred form).
std::optional<int64_t> ParseHttpDate(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") return std::nullopt;
  const auto number = [&](size_t at, size_t digits) {
    int out = -1;
    const char* from = text.data() + at;
    return std::from_chars(from, from + digits, out).ptr == from + digits ? out : -1;
  };
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  const int day = number(5, 2), year = number(12, 4);
  const int hour = number(17, 2), minute = number(20, 2), second = number(23, 2);
  if (month == kMonths.end() || day < 1 || year < 0 || hour < 0 || minute < 0 || second < 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month - kMonths.begin() + 1)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * 86400 + hour * 3600 + minute * 60 + second;
}

}  // namespace

double Jitter::Next() {
  state_ ^= state_ >> 12;
  state_ ^= state_ << 25;
  state_ ^= state_ >> 27;
  return static_cast<double>((state_ * 0x2545F4914F6CDD1DULL) >> 11) / static_cast<double>(1ULL << 53);
}

Duration Backoff::Next(const BackoffOptions& options, Jitter& jitter) {
  const Duration cap = std::min<Duration>(options.max_period, std::chrono::hours(24 * 365));
  const auto longest = std::max(cap, options.min_period).count();
  auto low = options.min_period.count();
  for (uint32_t i = 0; i < failures_ && low < longest; ++i) low *= 2;
  if (low < longest) ++failures_;
  auto high = std::min(low > longest / 2 ? longest : low * 2, longest);
  if (low >= longest && longest > options.min_period.count()) low = std::max(longest / 2, options.min_period.count());
  low = std::min(low, high);
  return Duration(low + static_cast<int64_t>(static_cast<double>(high - low) * jitter.Next()));
}

std::optional<Duration> ParseRetryAfter(std::string_view value, WallNanos wall) {
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error == std::errc() && end == value.data() + value.size()) return std::chrono::seconds(seconds);
  const std::optional<int64_t> date = ParseHttpDate(value);
  if (!date || *date > 32'503'680'000) return std::nullopt;  // after the year 3000
  const int64_t wait = *date - wall / kSecond;
  // A date within 100 years fits; what is further away is nonsense.
  if (wait > 3'153'600'000) return std::nullopt;
  return std::chrono::seconds(std::max<int64_t>(wait, 0));
}

}  // namespace agent::push
