// SPDX-License-Identifier: Apache-2.0
// The `server` block: Promtail's keys and one of ours (live_tail).
// Plain data; const once a Server has been made from it.
#pragma once

#include <cstdint>
#include <string>

#include "agent/config/node.h"
#include "agent/core/diagnostics.h"
#include "agent/core/log.h"
#include "agent/core/time.h"

namespace agent::admin {

// Who may watch log lines on /api/tail. Everything else that the server shows is about
// the agent; this is what the pods say.
enum class LiveTail {
  kLoopback,  // clients on this host, or through `kubectl port-forward`
  kOn,        // whoever reaches the port
  kOff,
};

struct ServerOptions {
  bool disable = false;  // no listener at all
  std::string network = "tcp";  // tcp, tcp4 or tcp6
  std::string address;          // a host name or address; empty: all interfaces
  uint16_t port = 80;           // 0: any free one
  // Connections at once; 0 means kMostConnections, never "without limit". A new one
  // beyond it displaces the one that has waited longest for its next request.
  uint32_t conn_limit = 0;
  Duration read_timeout = std::chrono::seconds(30);    // of one whole request
  Duration read_header_timeout{};                      // of its head; 0 = read_timeout
  Duration write_timeout = std::chrono::seconds(30);   // of making and writing one response
  Duration idle_timeout = std::chrono::seconds(120);   // between requests
  Duration graceful_shutdown_timeout = std::chrono::seconds(30);
  std::string path_prefix;   // "" or "/x", without a slash at the end
  std::string external_url;  // for the links of the page; "" = the page's own address
  bool register_instrumentation = true;  // false: no /metrics
  bool per_path_metrics = false;         // promtail_read_bytes_total and the like per file
  bool health_check_target = true;       // false: /ready is always 200
  bool enable_runtime_reload = false;    // /reload
  bool log_requests_at_info = false;     // else at debug
  LiveTail live_tail = LiveTail::kLoopback;
  LogLevel log_level = LogLevel::kInfo;
  bool log_json = false;

  bool operator==(const ServerOptions&) const = default;
  // Takes where and whether to listen from `other`.
  void ListenLike(const ServerOptions& other);

  static constexpr uint32_t kMostConnections = 256;

  // What Promtail does without a `server` block: port 80 on all interfaces.
  static ServerOptions Promtail() { return {}; }
  // The built-in configuration: 127.0.0.1:9080.
  static ServerOptions BuiltIn();
};

// Reads `server:` (null: nothing) over `defaults`. Every problem goes to the
// diagnostics; keys that only concern gRPC are accepted, with a warning where they ask
// for something.
ServerOptions DecodeServer(const config::Node* node, const std::string& path, ServerOptions defaults,
                           Diagnostics& diagnostics);

// debug, info, warn, error; false for anything else.
bool ParseLogLevel(std::string_view text, LogLevel& out);

}  // namespace agent::admin
