// SPDX-License-Identifier: Apache-2.0
// What flags given on the command line change in the settings of the file. Pure.
#pragma once

#include <string>
#include <string_view>

#include "agent/app/command_line.h"
#include "agent/app/settings.h"
#include "agent/core/diagnostics.h"

namespace agent::app {

// `name=value[,name=value...]`: with one '=' the value may hold commas, and quotes
// around it are taken off; with more it is one CSV record.
Result<LabelMap> ParseExternalLabels(std::string_view text);

// `loki_url` ($LOKI_URL) stands in for -client.url where there is no client at all.
void ApplyOverrides(const CommandLine& line, const std::string& loki_url, Settings& settings,
                    Diagnostics& diagnostics);

}  // namespace agent::app
