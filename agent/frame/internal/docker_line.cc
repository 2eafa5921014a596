// SPDX-License-Identifier: Apache-2.0
#include "agent/frame/internal/docker_line.h"

#include "agent/core/check.h"
#include "agent/text/number.h"
#include "agent/text/utf8.h"

namespace agent::frame {
namespace {

using text::JsonValue;

text::JsonFields DockerFields() {
  text::JsonFields fields;
  for (const char* name : {"log", "stream", "time"}) CHECK(fields.Add(name).has_value(), "a key is an expression");
  return fields;
}

std::optional<std::string_view> ToText(const JsonValue& value, Arena& arena) {
  switch (value.kind) {
    case JsonValue::Kind::kString:
      return value.text;
    case JsonValue::Kind::kBool:
      return value.flag ? "true" : "false";
    case JsonValue::Kind::kNumber: {
      char buffer[text::kMaxNumberText];
      return arena.Copy({buffer, text::FormatDecimal(value.number, buffer)});
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

DockerLineReader::DockerLineReader() : fields_(DockerFields()), extractor_(fields_) {}

bool DockerLineReader::Read(std::string_view line, Arena& arena, DockerLine& out) {
  if (!extractor_.Extract(line, arena)) return false;
  const auto results = extractor_.results();
  out.log = ToText(results[0], arena);
  out.stream = ToText(results[1], arena);
  out.time = ToText(results[2], arena);
  if (out.stream && !text::IsValidUtf8(*out.stream)) out.stream.reset();
  return true;
}

}  // namespace agent::frame
