// SPDX-License-Identifier: Apache-2.0
// Reads the time at the head of a runtime's log line: RFC 3339 with any number of
// fraction digits, as Go's time.RFC3339Nano accepts it. Lane-local: it remembers the
// minute it parsed last, so that the usual line costs two compares and eleven digits.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/core/time.h"

namespace agent::frame {

class Rfc3339Parser {
 public:
  // The whole of `text` must be one time. False: it is none, or out of range.
  bool Parse(std::string_view text, WallNanos& out);

 private:
  bool ParseMinute(const char* text, int64_t& minute_seconds);

  char minute_[17] = {};        // "2016-10-06T00:17:" as seen last
  int64_t minute_seconds_ = 0;  // that minute in seconds since 1970, without zone
};

}  // namespace agent::frame
