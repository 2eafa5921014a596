// SPDX-License-Identifier: Apache-2.0
#include "agent/stage/internal/cri_options.h"

namespace agent::stage {

CriOptions ReadCriOptions(const config::Node& options, BuildContext& context) {
  CriOptions read;
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kWeakStage);
  int64_t lines = 0;
  int64_t size = 0;
  reader.Int("max_partial_lines", lines);
  reader.Int("max_partial_line_size", size);
  reader.Bool("max_partial_line_size_truncate", read.truncate);
  if (lines < 0) reader.Error("max_partial_lines", "the number of partial lines must not be negative");
  if (size < 0) reader.Error("max_partial_line_size", "the size must be a number of bytes, at least 0");
  reader.Finish();
  if (lines > 0) read.max_partial_lines = static_cast<uint32_t>(lines);
  if (size > 0) read.max_partial_line_size = static_cast<uint64_t>(size);
  return read;
}

}  // namespace agent::stage
