// SPDX-License-Identifier: Apache-2.0
// JMESPath on JSON: any expression and any line, no crash and no endless work; both
// ways of reading a line agree on what is one.
#include "agent/core/check.h"
#include "agent/text/json_fields.h"
#include "tests/fuzz/two_parts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace agent;
  const auto [expression, line] = fuzz::TwoParts(data, size);
  text::JsonFields paths;
  CHECK(paths.Add("a.b").has_value(), "a path compiles");
  text::JsonFields any;
  const bool compiled = any.Add(expression).has_value();
  CHECK(any.Add("length(@)").has_value(), "a function compiles");
  Arena arena;
  const bool plain = text::JsonExtractor(paths).Extract(line, arena);
  if (!compiled) return 0;
  CHECK(text::JsonExtractor(any).Extract(line, arena) == plain, "both readers take the same lines");
  return 0;
}
