// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/options.h"

#include <gtest/gtest.h>

#include <string>

namespace agent::admin {
namespace {

using namespace std::chrono_literals;

ServerOptions Decode(const std::string& yaml, std::string* said = nullptr) {
  Diagnostics diagnostics;
  const config::Node node = config::ParseYaml(yaml, "f", diagnostics);
  ServerOptions options = DecodeServer(&node, "server", ServerOptions::Promtail(), diagnostics);
  if (said != nullptr) {
    *said = diagnostics.Text();
  } else {
    EXPECT_EQ(diagnostics.Text(), "") << yaml;
  }
  return options;
}

TEST(ServerOptions, DefaultsArePromtails) {
  const ServerOptions options = Decode("");
  EXPECT_EQ(options.port, 80);
  EXPECT_EQ(options.address, "");
  EXPECT_TRUE(options.health_check_target);
  EXPECT_FALSE(options.enable_runtime_reload);
  EXPECT_EQ(ServerOptions::BuiltIn().address, "127.0.0.1");
  EXPECT_EQ(ServerOptions::BuiltIn().port, 9080);
  Diagnostics diagnostics;
  EXPECT_EQ(DecodeServer(nullptr, "server", ServerOptions::BuiltIn(), diagnostics).port, 9080);
}

TEST(ServerOptions, EveryKeyThatActs) {
  const ServerOptions options = Decode(
      "http_listen_network: tcp4\nhttp_listen_address: 10.0.0.1\nhttp_listen_port: 3101\nhttp_listen_conn_limit: 7\n"
      "http_server_read_timeout: 1s\nhttp_server_read_header_timeout: 2s\nhttp_server_write_timeout: 3s\n"
      "http_server_idle_timeout: 4s\ngraceful_shutdown_timeout: 5s\nhttp_path_prefix: sluice/\n"
      "external_url: https://x/y\nregister_instrumentation: false\nhealth_check_target: no\n"
      "enable_runtime_reload: true\nlog_request_at_info_level_enabled: true\nlive_tail: on\nlog_level: warn\n"
      "log_format: json\ndisable: true\ngrpc_listen_port: 0\nproxy_protocol_enabled: false\nprofiling_enabled: false\n");
  EXPECT_EQ(options.network, "tcp4");
  EXPECT_EQ(options.address, "10.0.0.1");
  EXPECT_EQ(options.port, 3101);
  EXPECT_EQ(options.conn_limit, 7U);
  EXPECT_EQ(options.read_timeout, 1s);
  EXPECT_EQ(options.read_header_timeout, 2s);
  EXPECT_EQ(options.write_timeout, 3s);
  EXPECT_EQ(options.idle_timeout, 4s);
  EXPECT_EQ(options.graceful_shutdown_timeout, 5s);
  EXPECT_EQ(options.path_prefix, "/sluice");
  EXPECT_EQ(options.external_url, "https://x/y");
  EXPECT_FALSE(options.register_instrumentation);
  EXPECT_FALSE(options.health_check_target);
  EXPECT_TRUE(options.enable_runtime_reload);
  EXPECT_TRUE(options.log_requests_at_info);
  EXPECT_EQ(options.live_tail, LiveTail::kOn);
  EXPECT_EQ(options.log_level, LogLevel::kWarn);
  EXPECT_TRUE(options.log_json);
  EXPECT_TRUE(options.disable);
}

TEST(ServerOptions, SaysWhatIsWrongAndWhatHasNoEffect) {
  const struct {
    const char* yaml;
    const char* said;
  } kRows[] = {
      {"http_listen_port: 70000", "error: server.http_listen_port: `70000` is not a port; write a number from 0 to 65535"},
      {"http_listen_network: udp", "error: server.http_listen_network: `udp` is not a network; write tcp, tcp4 or tcp6"},
      {"http_listen_conn_limit: -1", "error: server.http_listen_conn_limit: expected a number of connections"},
      {"http_server_idle_timeout: -1s", "error: server.http_server_idle_timeout: a timeout cannot be negative"},
      {"log_level: trace", "error: server.log_level: `trace` is not a level; write debug, info, warn or error"},
      {"live_tail: maybe", "error: server.live_tail: `maybe` is not a choice; write loopback, on or off"},
      {"http_tls_config: {cert_file: x}", "error: server.http_tls_config: is not supported: the server speaks plain HTTP"},
      {"http_tls_config: {cert_file: x}\ndisable: true", "warning: server.http_tls_config: has no effect: there is no server"},
      {"grpc_server_keepalive_time: 5x", "error: server.grpc_server_keepalive_time: `5x` is not a duration"},
      {"proxy_protocol_enabled: true", "error: server.proxy_protocol_enabled: is not supported"},
      {"grpc_listen_port: 9095", "warning: server.grpc_listen_port: has no effect: Sluice has no gRPC server"},
      {"grpc_server_max_recv_msg_size: 1", "warning: server.grpc_server_max_recv_msg_size: has no effect"},
      {"log_source_ips_enabled: true", "warning: server.log_source_ips_enabled: has no effect"},
      {"profiling_enabled: true", "warning: server.profiling_enabled: has no effect: there are no Go profiles here"},
      {"cluster_validation: {label: x}", "warning: server.cluster_validation: has no effect"},
      {"http_listen_prot: 1", "error: server.http_listen_prot: unknown key `http_listen_prot`; did you mean `http_listen_port`?"},
  };
  for (const auto& row : kRows) {
    std::string said;
    Decode(row.yaml, &said);
    EXPECT_NE(said.find(row.said), std::string::npos) << row.yaml << "\n" << said;
    EXPECT_EQ(said.find('\n'), said.size() - 1) << "one message: " << said;
  }
}

TEST(ServerOptions, EmptyTlsAsksForNothing) {
  for (const char* tls : {"{}", "{cert_file: ''}", "{client_auth_type: NoClientCert}", ""}) {
    Decode(std::string("http_tls_config: ") + tls);
  }
}

TEST(ServerOptions, OnIsABooleanToYamlAndAWordHere) {
  EXPECT_EQ(Decode("live_tail: on").live_tail, LiveTail::kOn);
  EXPECT_EQ(Decode("live_tail: 'off'").live_tail, LiveTail::kOff);
  EXPECT_EQ(Decode("live_tail: off").live_tail, LiveTail::kOff);
}

}  // namespace
}  // namespace agent::admin
