// SPDX-License-Identifier: Apache-2.0
// The whole configuration in effect: the file's, the built-in one's, and what the
// command line overrides. Const once loaded. Owns the YAML tree that parts point into.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/admin/options.h"
#include "agent/app/command_line.h"
#include "agent/app/scrape.h"
#include "agent/config/node.h"
#include "agent/core/diagnostics.h"
#include "agent/metrics/registry.h"
#include "agent/label/options.h"
#include "agent/push/options.h"
#include "agent/source/positions.h"
#include "agent/source/tailer.h"

namespace agent::app {

// A batch names its client in eight bits (internal/pushers.h).
constexpr size_t kMostClients = 256;

// limits_config: Promtail's keys and Sluice's own.
struct Limits {
  uint32_t max_streams = 0;
  uint64_t max_line_size = 0;
  bool max_line_size_truncate = false;
  uint64_t pinned_bytes = 1024ULL * 1024 * 1024;
  bool loss_marker = false;  // an entry in the pod's own log where bytes were lost
  // The kubelet's settings of these names; only the time to loss depends on them.
  uint64_t container_log_max_size = 10ULL * 1024 * 1024;
  uint64_t container_log_max_files = 5;
  label::PolicyOptions policy;
  label::ShareOptions share;
};

struct Settings {
  std::shared_ptr<const config::Node> tree;  // as parsed
  std::string file;                          // empty: the built-in configuration
  bool from_stdin = false;                   // read standard input, and no file
  std::string text;                          // as read, environment put in
  admin::ServerOptions server;
  std::vector<push::ClientOptions> clients;
  source::PositionsOptions positions;
  source::TailerOptions tail;
  Limits limits;
  std::vector<ScrapeConfig> scrapes;
  std::string node_name;
  std::string host_name;

  // The configuration in effect as YAML, secrets masked.
  std::string Text() const;
  // Each client's part of it.
  std::vector<std::string> ClientTexts() const;
};

// The text of the configuration: of the first existing file of the list, expanded if
// asked for; or the built-in one. Sets `file`.
Result<std::string> ReadConfiguration(const CommandLine& line, std::string& file, Diagnostics& diagnostics);

// Loads everything; all problems go to the diagnostics. Complete only if there were no
// errors. `clients_needed`: an empty list of clients is an error.
Settings LoadSettings(const CommandLine& line, bool clients_needed, Diagnostics& diagnostics,
                      metrics::Registry& metrics);

}  // namespace agent::app
