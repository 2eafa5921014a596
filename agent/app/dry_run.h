// SPDX-License-Identifier: Apache-2.0
// `agent --dry-run FILE...`: what would be sent, printed; nothing is sent and no
// position is saved. Without a configuration the format of each file is guessed.
// Runs on the calling thread until the files are read.
#pragma once

#include <cstdio>

#include "agent/app/command_line.h"
#include "agent/app/settings.h"

namespace agent::app {

struct DryRunOutput {
  std::FILE* out = stdout;
  bool colour = false;
  bool entries_only = false;  // Promtail's form: no structured metadata
};

// `settings` may be null: no configuration. The exit code.
int DryRunFiles(const CommandLine& line, const Settings* settings, const DryRunOutput& output);

}  // namespace agent::app
