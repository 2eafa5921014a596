// SPDX-License-Identifier: Apache-2.0
// Numbers as Go writes and reads them, because Promtail's values pass through Go's
// strconv. Pure; no allocation.
#pragma once

#include <cstddef>
#include <string_view>

namespace agent::text {

// Room for the longest number: 309 digits, or "0." and 324 places.
inline constexpr size_t kMaxNumberText = 352;

// Shortest decimal text that reads back as the same double, never with an exponent:
// `1562708916`, `0.0000001`, `1000000000000000000000`, `-0`, `NaN`, `+Inf`.
// (strconv.FormatFloat(value, 'f', -1, 64).) Returns the length.
size_t FormatDecimal(double value, char* out);

// The text of a number inside a JSON value that Promtail writes: as above, but with
// an exponent below 1e-6 and from 1e21 on (`1e-07`, `1e+21`). NaN and infinities are
// not JSON: returns 0.
size_t FormatJsonNumber(double value, char* out);

// strconv.ParseFloat(text, 64): decimal and hexadecimal literals, "inf", "nan"; no
// spaces. False on a syntax error or if the number is out of range.
bool ParseFloat(std::string_view text, double& out);

// strconv.ParseInt(text, 10, 64): optional sign, digits, nothing else.
bool ParseInt(std::string_view text, long long& out);

}  // namespace agent::text
