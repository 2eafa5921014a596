// SPDX-License-Identifier: Apache-2.0
// Go's time layouts: any layout compiles, and reads any text the same way twice.
#include "agent/core/check.h"
#include "agent/text/timestamp.h"
#include "tests/fuzz/two_parts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace agent;
  const auto [layout, value] = fuzz::TwoParts(data, size);
  constexpr WallNanos kNow = 1'709'632'800'000'000'000;
  for (const auto& zone : {std::optional<std::string>(), std::optional<std::string>("Europe/Berlin")}) {
    const auto format = text::TimeFormat::Compile(layout, zone);
    if (!format) continue;
    WallNanos first = 0;
    WallNanos second = 0;
    const bool read = format->Parse(value, kNow, first);
    CHECK(format->Parse(value, kNow, second) == read && first == second, "a format has no memory");
  }
  return 0;
}
