// SPDX-License-Identifier: Apache-2.0
// Text to JsonValue, as jsoniter reads it (internal/json_scan.h says how that is
// laxer than the standard). Lane-local: keeps its stacks from call to call, so the
// steady state allocates nothing but arena memory. The depth of a document costs no
// stack; it is limited to kMaxJsonDepth.
#pragma once

#include <string_view>
#include <vector>

#include "agent/text/json_value.h"

namespace agent::text {

class JsonParser {
 public:
  // A log line: one object, or null, and nothing after it; false if it is anything
  // else. Null becomes an empty object without memory, which WriteJson writes as null.
  bool ParseLine(std::string_view text, Arena& arena, JsonValue& out);
  // Any one value and nothing after it.
  bool ParseValue(std::string_view text, Arena& arena, JsonValue& out);

 private:
  friend class JsonBuilder;
  std::vector<JsonValue> values_;    // of the open arrays
  std::vector<JsonMember> members_;  // of the open objects
  std::vector<size_t> open_;         // where each open container's part begins
  std::vector<uint32_t> order_;      // for finding keys that appear twice
};

}  // namespace agent::text
