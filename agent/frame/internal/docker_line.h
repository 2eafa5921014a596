// SPDX-License-Identifier: Apache-2.0
// One line of Docker's json-file log: {"log":"text\n","stream":"stdout","time":"..."}
// The usual form is scanned in place; anything else that is JSON goes through the
// general reader. Strings without escapes are views, others are unescaped into the
// arena (invalid UTF-8 becomes U+FFFD, as with Go's JSON).
#pragma once

#include <string_view>

#include "agent/core/arena.h"

namespace agent::frame {

struct DockerLine {
  bool has_log = false;
  bool has_stream = false;
  bool has_time = false;
  std::string_view log;
  std::string_view stream;
  std::string_view time;
};

// False: not one JSON object.
bool ParseDockerLine(std::string_view line, Arena& arena, DockerLine& out);

}  // namespace agent::frame
