// SPDX-License-Identifier: Apache-2.0
// Times in log lines, read as Promtail reads them. A format is
//   * a name: ANSIC UnixDate RubyDate RFC822 RFC822Z RFC850 RFC1123 RFC1123Z RFC3339
//     RFC3339Nano (the location does not apply to these);
//   * Unix (seconds, with or without a fraction), UnixMs, UnixUs, UnixNs;
//   * else a layout of Go's time package, in the location unless the text has a zone.
// A layout without a year takes the one that is nearest to now over New Year's Eve.
// Compiled once, then immutable and thread-safe. Parsing allocates nothing; a time
// in the shape of RFC 3339 takes a short cut.
// Source: https://pkg.go.dev/time#Parse and its behaviour, checked against Go 1.26.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/core/result.h"
#include "agent/core/time.h"

namespace agent::text {

class TimeFormat {
 public:
  // `location` is an IANA name, "UTC" or "Local"; none means UTC.
  static Result<TimeFormat> Compile(std::string_view format, const std::optional<std::string>& location);
  ~TimeFormat();
  TimeFormat(TimeFormat&&) noexcept;
  TimeFormat& operator=(TimeFormat&&) noexcept;

  // False if the text is not in the format. `now` serves layouts without a year.
  // A time beyond what nanoseconds in 64 bits can say becomes the nearest that can.
  bool Parse(std::string_view text, WallNanos now, WallNanos& out) const;

 private:
  struct Impl;
  TimeFormat();
  std::unique_ptr<const Impl> impl_;
};

// The shape `2006-01-02T15:04:05[.fraction](Z|+07:00)` and nothing else. A general
// parse of the same layout takes more (one digit of an hour, a comma).
bool ParseRfc3339(std::string_view text, WallNanos& out);

}  // namespace agent::text
