// SPDX-License-Identifier: Apache-2.0
// What runs in front of a person: `-stdin` (lines from standard input, through the
// first scrape config, to Loki or printed) and `-dry-run` with a configuration (its
// files are followed and their entries printed). One lane on the calling thread; the
// net thread only where something is sent. No positions are read or kept.
#pragma once

#include "agent/app/command_line.h"
#include "agent/app/dry_run.h"
#include "agent/app/settings.h"
#include "agent/metrics/registry.h"

namespace agent::app {

// Returns at the end of standard input, when everything is stored or printed, or after
// SIGINT or SIGTERM. The exit code.
int RunStdin(const CommandLine& line, const Settings& settings, metrics::Registry& registry,
             const DryRunOutput& output);

// Returns after SIGINT or SIGTERM. The exit code.
int WatchFiles(const CommandLine& line, const Settings& settings, metrics::Registry& registry,
               const DryRunOutput& output);

// Promtail's heading of a dry run.
void PrintClients(const Settings& settings, const DryRunOutput& output);

}  // namespace agent::app
