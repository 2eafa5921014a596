// SPDX-License-Identifier: Apache-2.0
// The command line: Promtail's flags with Go's rules, and Sluice's own. Plain data.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/config/flags.h"
#include "agent/core/result.h"
#include "agent/core/time.h"

namespace agent::app {

struct CommandLine {
  // -- what to do --
  std::vector<std::string> files;  // for --dry-run
  bool help = false;
  bool version = false;
  bool check_syntax = false;
  bool print_config = false;
  bool log_config_reverse = false;
  bool dry_run = false;
  bool cardinality = false;  // of --dry-run: a forecast instead of lines
  bool inspect = false;
  bool from_stdin = false;
  // -- Sluice's own --
  std::string output = "text";  // or "json"
  Duration shutdown_timeout = std::chrono::seconds(20);
  int64_t lanes = 1;
  uint64_t memory_limit = 64 * 1024 * 1024;
  std::string pods_root = "/var/log/pods";
  std::string node_name;  // default: $NODE_NAME, $HOSTNAME, the host's name
  // -- the configuration, and what overrides it --
  std::string config_file;
  bool expand_env = false;
  bool config_watch = true;
  struct Overrides {
    std::string client_url;
    Duration batch_wait = std::chrono::seconds(1);
    int64_t batch_size = 1024 * 1024;
    Duration client_timeout = std::chrono::seconds(10);
    Duration min_backoff = std::chrono::milliseconds(500);
    Duration max_backoff = std::chrono::minutes(5);
    int64_t max_retries = 10;
    std::string tenant_id;
    bool drop_rate_limited = false;
    std::string external_labels;
    std::string positions_file;
    Duration positions_sync = std::chrono::seconds(10);
    bool positions_ignore_invalid = false;
    Duration target_sync = std::chrono::seconds(10);
    Duration min_poll = std::chrono::milliseconds(250);
    Duration max_poll = std::chrono::milliseconds(250);
    double readline_rate = 10000;
    int64_t readline_burst = 10000;
    bool readline_rate_enabled = false;
    bool readline_rate_drop = true;
    int64_t max_streams = 0;
    uint64_t max_line_size = 0;
    bool max_line_size_truncate = false;
    std::string log_level = "info";
    std::string log_format = "logfmt";
    bool server_disable = false;
    bool runtime_reload = false;
    std::string http_listen_network = "tcp";
    std::string http_listen_address;
    int64_t http_listen_port = 80;
    int64_t http_conn_limit = 0;
    std::string http_path_prefix;
    Duration graceful_shutdown = std::chrono::seconds(30);
    Duration http_read_timeout = std::chrono::seconds(30);
    Duration http_write_timeout = std::chrono::seconds(30);
    Duration http_idle_timeout = std::chrono::seconds(120);
    bool register_instrumentation = true;
  } overrides;
  // Which flags were given: WasSet.
  std::shared_ptr<config::FlagSet> flags;

  bool WasSet(std::string_view flag) const { return flags != nullptr && flags->WasSet(flag); }
};

// Reads the words after the program's name. An Error is a usage error (exit 2).
Result<CommandLine> ParseCommandLine(const std::vector<std::string>& words);

// The short help, which fits a screen, and the whole list of flags.
std::string ShortHelp();
std::string FlagHelp();
// Every flag, for completions.
std::vector<config::FlagSet::Description> DescribeFlags();

}  // namespace agent::app
