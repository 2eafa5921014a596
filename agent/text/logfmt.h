// SPDX-License-Identifier: Apache-2.0
// logfmt: `level=info msg="two words" flag`. Keys are runs of bytes above the space
// except `=` and `"`; a value ends at a space; a quoted value may have JSON-style
// escapes. Each line of a text is a record of its own; what is wrong ends the scan.
// Pure; no allocation (escaped values go to the arena).
// Behaviour as of github.com/go-logfmt/logfmt, which Promtail uses.
#pragma once

#include <string_view>

#include "agent/core/arena.h"

namespace agent::text {

class LogfmtScanner {
 public:
  // A line may have this many bytes less one.
  static constexpr size_t kMaxLine = 64 * 1024;

  LogfmtScanner(std::string_view text, Arena& arena) : rest_(text), arena_(arena) {}

  // The next key and its value, empty if it has none. False at the end or where the
  // text is no logfmt.
  bool Next(std::string_view& key, std::string_view& value);
  bool failed() const { return failed_; }

 private:
  bool NextLine();
  bool TakeValue(std::string_view& value);
  bool TakeQuoted(std::string_view& value);
  bool Fail() {
    failed_ = true;
    return false;
  }

  std::string_view rest_;  // lines not begun yet
  std::string_view line_;  // what is left of the current one
  Arena& arena_;
  bool failed_ = false;
};

}  // namespace agent::text
