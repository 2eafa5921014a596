// SPDX-License-Identifier: Apache-2.0
// Selectors of the match stage: any text is a selector or an error, and one that
// parses can be asked about any line.
#include "agent/text/logql.h"
#include "tests/fuzz/two_parts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace agent;
  const auto [selector, line] = fuzz::TwoParts(data, size);
  const auto parsed = text::LogSelector::Parse(selector);
  if (!parsed) return 0;
  Arena arena;
  const std::string_view value = line.substr(0, 16);
  (void)parsed->MatchesLabels([&](std::string_view) { return value; }, arena);
  (void)parsed->MatchesLine(line, arena);
  return 0;
}
