// SPDX-License-Identifier: Apache-2.0
// One line of Docker's json-file log: {"log":"text\n","stream":"stdout","time":"..."}
// Read as Promtail's json stage reads it; values that are no text become one as its
// extracted values do. Strings without escapes are views, others are in the arena.
// Lane-local.
#pragma once

#include <optional>
#include <string_view>

#include "agent/core/arena.h"
#include "agent/text/json_fields.h"

namespace agent::frame {

struct DockerLine {
  std::optional<std::string_view> log;
  std::optional<std::string_view> stream;  // always UTF-8
  std::optional<std::string_view> time;
};

class DockerLineReader {
 public:
  DockerLineReader();
  // False, and nothing read: not one JSON object (or null).
  bool Read(std::string_view line, Arena& arena, DockerLine& out);

 private:
  text::JsonFields fields_;
  text::JsonExtractor extractor_;
};

}  // namespace agent::frame
