// SPDX-License-Identifier: Apache-2.0
// This room's parts of the configuration: `positions`, `target_config`,
// `global.file_watch_config`, and of a scrape config `decompression`, `static_configs`,
// `file_sd_configs`. Keys, defaults and meanings are Promtail's.
// Each function reports every problem to the diagnostics and returns what it could read.
#pragma once

#include <string>
#include <vector>

#include "agent/config/decode.h"
#include "agent/source/positions.h"
#include "agent/source/tailer.h"

namespace agent::source {

PositionsOptions DecodePositions(const config::Node& node, const std::string& path, Diagnostics& diagnostics);

struct TargetConfig {
  Duration sync_period = std::chrono::seconds(10);
  bool standard_input = false;  // target_config.stdin
};
TargetConfig DecodeTargetConfig(const config::Node& node, const std::string& path, Diagnostics& diagnostics);

struct FileWatchConfig {
  Duration shortest = std::chrono::milliseconds(250);
  Duration longest = std::chrono::milliseconds(250);
};
FileWatchConfig DecodeFileWatch(const config::Node& node, const std::string& path, Diagnostics& diagnostics);

TailerOptions::Unpacking DecodeDecompression(const config::Node& node, const std::string& path,
                                             Diagnostics& diagnostics);

struct StaticConfig {  // one group of targets
  std::vector<std::string> targets{"localhost"};
  LabelMap labels;
};
std::vector<StaticConfig> DecodeStaticConfigs(const config::Node& node, const std::string& path,
                                              Diagnostics& diagnostics);

struct FileSdConfig {
  std::vector<std::string> files;  // the last segment may hold a `*`
  Duration refresh_interval = std::chrono::minutes(5);
};
std::vector<FileSdConfig> DecodeFileSdConfigs(const config::Node& node, const std::string& path,
                                              Diagnostics& diagnostics);

}  // namespace agent::source
