// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/options.h"

#include <string_view>

#include "agent/config/decode.h"

namespace agent::admin {
namespace {

using config::MapReader;

constexpr std::string_view kNoGrpc = "Sluice has no gRPC server";
constexpr std::string_view kNoTls = "the server speaks plain HTTP; listen on 127.0.0.1, or put a proxy that ends TLS in front";

void DecodeListener(MapReader& reader, ServerOptions& out) {
  reader.String("http_listen_network", out.network);
  if (out.network != "tcp" && out.network != "tcp4" && out.network != "tcp6") {
    reader.Error("http_listen_network", "`" + out.network + "` is not a network; write tcp, tcp4 or tcp6");
  }
  reader.String("http_listen_address", out.address);
  int64_t port = out.port;
  reader.Int("http_listen_port", port);
  if (port < 0 || port > 65535) {
    reader.Error("http_listen_port", "`" + std::to_string(port) + "` is not a port; write a number from 0 to 65535");
  } else {
    out.port = static_cast<uint16_t>(port);
  }
  int64_t limit = out.conn_limit;
  reader.Int("http_listen_conn_limit", limit);
  if (limit < 0 || limit > 65535) {
    reader.Error("http_listen_conn_limit", "expected a number of connections from 0 to 65535");
  } else {
    out.conn_limit = static_cast<uint32_t>(limit);
  }
  reader.String("http_path_prefix", out.path_prefix);
  while (out.path_prefix.ends_with('/')) out.path_prefix.pop_back();
  if (!out.path_prefix.empty() && out.path_prefix[0] != '/') out.path_prefix.insert(0, 1, '/');
}

void DecodeTimeout(MapReader& reader, const char* key, Duration& out) {
  reader.GoDuration(key, out);
  if (out.count() < 0) reader.Error(key, "a timeout cannot be negative");
}

void DecodeLog(MapReader& reader, ServerOptions& out) {
  std::string level;
  if (reader.String("log_level", level) && !ParseLogLevel(level, out.log_level)) {
    reader.Error("log_level", "`" + level + "` is not a level; write debug, info, warn or error");
  }
  std::string format;
  if (reader.String("log_format", format)) out.log_json = format == "json";
  reader.Bool("log_request_at_info_level_enabled", out.log_requests_at_info);
  for (const char* key : {"log_source_ips_enabled", "log_source_ips_full", "log_source_ips_header",
                          "log_source_ips_regex", "log_request_headers", "log_request_exclude_headers_list",
                          "trace_request_headers", "trace_request_exclude_headers_list",
                          "http_log_closed_connections_without_response_enabled"}) {
    reader.Ignore(key, "requests are logged with method, path, status and time only");
  }
}

void DecodeTail(MapReader& reader, ServerOptions& out) {
  std::string who;
  if (!reader.String("live_tail", who)) return;
  if (who == "loopback") {
    out.live_tail = LiveTail::kLoopback;
  } else if (who == "on") {
    out.live_tail = LiveTail::kOn;
  } else if (who == "off") {
    out.live_tail = LiveTail::kOff;
  } else {
    reader.Error("live_tail", "`" + who + "` is not a choice; write loopback, on or off");
  }
}

// A key that turns something on: harmless while it is false.
void RefuseIfTrue(MapReader& reader, const char* key, std::string_view why) {
  bool on = false;
  if (reader.Bool(key, on) && on) reader.Refuse(key, why);
}

// A value of the wrong type is an error also where the value has no effect.
void CheckWithoutEffect(MapReader& reader, const char* key, char type, std::string_view why) {
  const size_t errors = reader.diagnostics().errors();
  std::string text;
  bool flag = false;
  int64_t number = 0;
  Duration duration{};
  if (type == 's') reader.String(key, text);
  if (type == 'b') reader.Bool(key, flag);
  if (type == 'i') reader.Int(key, number);
  if (type == 'd') reader.GoDuration(key, duration);
  if (reader.diagnostics().errors() == errors) reader.Ignore(key, why);
}

void DecodeGrpc(MapReader& reader) {
  int64_t grpc_port = 0;  // 0 stands in most configurations, and asks for nothing
  if (reader.Int("grpc_listen_port", grpc_port) && grpc_port != 0) reader.Ignore("grpc_listen_port", kNoGrpc);
  struct Key {
    const char* name;
    char type;
  };
  constexpr Key kKeys[] = {{"grpc_listen_network", 's'},
                           {"grpc_listen_address", 's'},
                           {"grpc_listen_conn_limit", 'i'},
                           {"grpc_collect_max_streams_by_conn", 'b'},
                           {"grpc_server_max_recv_msg_size", 'i'},
                           {"grpc_server_max_send_msg_size", 'i'},
                           {"grpc_server_max_concurrent_streams", 'i'},
                           {"grpc_server_max_connection_idle", 'd'},
                           {"grpc_server_max_connection_age", 'd'},
                           {"grpc_server_max_connection_age_grace", 'd'},
                           {"grpc_server_keepalive_time", 'd'},
                           {"grpc_server_keepalive_timeout", 'd'},
                           {"grpc_server_min_time_between_pings", 'd'},
                           {"grpc_server_ping_without_stream_allowed", 'b'},
                           {"grpc_server_num_workers", 'i'},
                           {"grpc_server_stats_tracking_enabled", 'b'},
                           {"grpc_server_recv_buffer_pools_enabled", 'b'},
                           {"report_grpc_codes_in_instrumentation_label_enabled", 'b'}};
  for (const Key& key : kKeys) CheckWithoutEffect(reader, key.name, key.type, kNoGrpc);
  reader.Ignore("grpc_tls_config", kNoGrpc);
}

// Refused only where Promtail would speak TLS.
void DecodeTls(MapReader& reader, bool disabled) {
  CheckWithoutEffect(reader, "tls_cipher_suites", 's', kNoTls);
  CheckWithoutEffect(reader, "tls_min_version", 's', kNoTls);
  const config::Node* tls = reader.Child("http_tls_config");
  if (tls == nullptr) return;
  const auto names = [tls](const char* key) {
    const config::Node* value = tls->Find(key);
    return value != nullptr && !value->is_null() && !(value->is_scalar() && value->scalar.empty());
  };
  const bool wanted = !tls->is_map() || names("cert") || names("cert_file") || names("key") || names("key_file");
  if (wanted && !disabled) {
    reader.Refuse("http_tls_config", kNoTls);
  } else if (wanted) {
    reader.Ignore("http_tls_config", "there is no server");
  }
}

void DecodeWithoutEffect(MapReader& reader, bool disabled) {
  DecodeGrpc(reader);
  DecodeTls(reader, disabled);
  RefuseIfTrue(reader, "proxy_protocol_enabled", "the server does not read the PROXY protocol");
  reader.Ignore("cluster_validation", "it guards calls between Loki's own services");
  bool profiling = false;
  if (reader.Bool("profiling_enabled", profiling) && profiling) {
    reader.Ignore("profiling_enabled", "there are no Go profiles here; use `perf record -g -p PID`");
  }
}

}  // namespace

ServerOptions ServerOptions::BuiltIn() {
  ServerOptions options;
  options.address = "127.0.0.1";
  options.port = 9080;
  return options;
}

void ServerOptions::ListenLike(const ServerOptions& other) {
  disable = other.disable;
  network = other.network;
  address = other.address;
  port = other.port;
}

bool ParseLogLevel(std::string_view text, LogLevel& out) {
  if (text == "debug") return out = LogLevel::kDebug, true;
  if (text == "info") return out = LogLevel::kInfo, true;
  if (text == "warn") return out = LogLevel::kWarn, true;
  if (text == "error") return out = LogLevel::kError, true;
  return false;
}

ServerOptions DecodeServer(const config::Node* node, const std::string& path, ServerOptions defaults,
                           Diagnostics& diagnostics) {
  ServerOptions out = std::move(defaults);
  if (node == nullptr) return out;
  MapReader reader(*node, path, diagnostics);
  reader.Bool("disable", out.disable);
  DecodeListener(reader, out);
  DecodeTimeout(reader, "http_server_read_timeout", out.read_timeout);
  DecodeTimeout(reader, "http_server_read_header_timeout", out.read_header_timeout);
  DecodeTimeout(reader, "http_server_write_timeout", out.write_timeout);
  DecodeTimeout(reader, "http_server_idle_timeout", out.idle_timeout);
  DecodeTimeout(reader, "graceful_shutdown_timeout", out.graceful_shutdown_timeout);
  reader.String("external_url", out.external_url);
  reader.Bool("register_instrumentation", out.register_instrumentation);
  reader.Bool("per_path_metrics", out.per_path_metrics);
  reader.Bool("health_check_target", out.health_check_target);
  reader.Bool("enable_runtime_reload", out.enable_runtime_reload);
  DecodeLog(reader, out);
  DecodeTail(reader, out);
  DecodeWithoutEffect(reader, out.disable);
  reader.Finish();
  return out;
}

}  // namespace agent::admin
