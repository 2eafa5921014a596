// SPDX-License-Identifier: Apache-2.0
// The positions file may have been torn, edited or written by anyone: any bytes, no
// crash, and what is understood is written and understood again.
#include <cstdint>
#include <string_view>

#include "agent/core/check.h"
#include "agent/source/internal/positions_format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace agent::source;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto content = ParsePositions(text, "positions.yaml");
  if (!content) return 0;
  content->edited = false;
  const std::vector<PositionView> files(content->files.begin(), content->files.end());
  std::string written;
  const auto status = RenderPositions({files, content->by_path, content->cursors, content->seen_until_ns},
                                      [&](std::string_view piece) -> agent::Status {
                                        written += piece;
                                        return {};
                                      });
  CHECK(status.has_value(), "nothing refused it");
  const auto again = ParsePositions(written, "positions.yaml");
  CHECK(again.has_value(), "what we write we can read");
  CHECK(again->files.size() == content->files.size(), "every file is there again");
  CHECK(again->seen_until_ns == content->seen_until_ns, "and the time");
  for (size_t i = 0; i < again->files.size(); ++i) {
    CHECK(again->files[i].path == content->files[i].path, "in order");
    CHECK(again->files[i].offset == content->files[i].offset, "with its offset");
  }
  return 0;
}
