// SPDX-License-Identifier: Apache-2.0
// Times and durations as text, the way Go writes and reads them.
// Source of the layouts: https://pkg.go.dev/time#pkg-constants. Pure.
#pragma once

#include <string>
#include <string_view>

#include "agent/text/internal/template_value.h"

namespace agent::text::tmpl {

// Go's zero time: the first of January of year 1, UTC.
absl::Time ZeroTime();
// time.ParseInLocation with the local zone.
bool ParseTime(std::string_view layout, std::string_view text, TimeValue& out);
// time.ParseDuration, in nanoseconds.
bool ParseDuration(std::string_view text, int64_t& out);
// A decimal number of seconds; 0 for anything else.
int64_t ParseSeconds(std::string_view text);

}  // namespace agent::text::tmpl
