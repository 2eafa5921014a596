// SPDX-License-Identifier: Apache-2.0
// logfmt: any line is read to its end or to its first error.
#include "agent/core/check.h"
#include "agent/text/logfmt.h"
#include "tests/fuzz/two_parts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace agent;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  Arena arena;
  text::LogfmtScanner scanner(line, arena);
  std::string_view key;
  std::string_view value;
  size_t pairs = 0;
  while (scanner.Next(key, value)) CHECK(++pairs <= size && !key.empty(), "every pair takes bytes and has a key");
  return 0;
}
