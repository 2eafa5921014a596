// SPDX-License-Identifier: Apache-2.0
// The server from outside: every path, every limit, every way to be a bad client.
#include <gtest/gtest.h>

#include "agent/core/log.h"
#include "tests/admin/harness.h"

namespace agent::admin {
namespace {

using namespace std::chrono_literals;

constexpr const char* kGet = " HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST_F(ServerTest, AnswersEveryPath) {
  source.node.node_name = "node-1";
  source.pod.summary.id = "shop/web";
  source.explanation.verdict = "all is well";
  source.targets.push_back({"pods", "File", true, {{"a", "x"}}, {}, "/var/log/x.log 5"});
  source.discovery.push_back({"pods", {{"__path__", "/x"}}, {}, "no_path"});
  Start();
  const struct {
    const char* target;
    int status;
    const char* type;
    const char* part;
  } kRows[] = {
      {"/", 200, "text/html; charset=utf-8", "<!doctype html>"},
      {"/ready", 200, "text/plain; charset=utf-8", "Ready"},
      {"/healthy", 200, "text/plain; charset=utf-8", "Healthy"},
      {"/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", "up 1\n"},
      {"/config", 200, "text/plain; charset=utf-8", "clients: []\n"},
      {"/targets", 200, "text/html; charset=utf-8", "<h2>pods (1/1 ready)</h2>"},
      {"/service-discovery", 200, "text/html; charset=utf-8", "Dropped: no_path"},
      {"/api/node", 200, "application/json", "\"node_name\":\"node-1\""},
      {"/api/pods", 200, "application/json", "\"pods\":[]"},
      {"/api/pod?id=shop/web", 200, "application/json", "\"id\":\"shop/web\""},
      {"/api/pod?id=shop%2Fweb", 200, "application/json", "\"id\":\"shop/web\""},
      {"/api/pod?id=shop/other", 404, "application/json", "no pod `shop/other` is known here"},
      {"/api/pod", 400, "application/json", "say which pod"},
      {"/api/explain?pod=shop/web&container=c", 200, "application/json", "\"pod\":\"shop/web c\""},
      {"/api/explain", 400, "application/json", "say whose logs are missing"},
      {"/api/ledger", 200, "application/json", "\"lost\":[]"},
      {"/api/cardinality", 200, "application/json", "\"labels\":[]"},
      {"/api/targets", 200, "application/json", "\"details\":\"/var/log/x.log 5\""},
      {"/api/service-discovery", 200, "application/json", "\"drop_reason\":\"no_path\""},
      {"/reload", 404, "application/json", "unless server.enable_runtime_reload is true"},
      {"/nowhere", 404, "application/json", "there is nothing at /nowhere"},
      {"/ready/", 404, "application/json", "there is nothing at /ready/"},
      {"/a%zz", 404, "application/json", "error"},
  };
  for (const auto& row : kRows) {
    Response response = Get(row.target);
    EXPECT_EQ(response.status, row.status) << row.target;
    EXPECT_EQ(response.headers["Content-Type"], row.type) << row.target;
    EXPECT_NE(response.body.find(row.part), std::string::npos) << row.target << "\n" << response.body;
    EXPECT_EQ(response.headers["Cache-Control"], "no-store") << row.target;
    EXPECT_EQ(response.headers["X-Content-Type-Options"], "nosniff") << row.target;
    EXPECT_EQ(response.headers.count("Access-Control-Allow-Origin"), 0U) << row.target;
  }
}

TEST_F(ServerTest, ThePageMayOnlySpeakToItsServer) {
  Start();
  const std::string policy = Get("/").headers["Content-Security-Policy"];
  EXPECT_NE(policy.find("default-src 'none'"), std::string::npos) << policy;
  EXPECT_NE(policy.find("connect-src 'self'"), std::string::npos) << policy;
}

TEST_F(ServerTest, ReadyFollowsPromtailsRule) {
  source.readiness = {false, "No file matches yet."};
  Start();
  const Response response = Get("/ready");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body, "Not ready: Unable to find any logs to tail. No file matches yet.\n");
}

TEST_F(ServerTest, ReadyIsAlwaysTrueWithoutTheTargetCheck) {
  source.readiness = {false, "No file matches yet."};
  options.health_check_target = false;
  Start();
  EXPECT_EQ(Get("/ready").status, 200);
}

TEST_F(ServerTest, MetricsCanBeTurnedOff) {
  options.register_instrumentation = false;
  Start();
  EXPECT_EQ(Get("/metrics").status, 404);
}

TEST_F(ServerTest, OtherOptionsAreFollowedFromTheNextRequestOn) {
  Start();
  const uint16_t before = server->port();
  Client open(before);
  ServerOptions fresh = options;
  fresh.register_instrumentation = false;
  fresh.path_prefix = "/sluice";
  fresh.conn_limit = 7;
  fresh.port = 1;  // where it listens stays
  fresh.address = "192.0.2.1";
  OnServer([&] { server->Use(fresh); });
  EXPECT_EQ(server->port(), before);
  open.Send("GET /sluice/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(open.Read().status, 404) << "of a connection that was open";
  EXPECT_EQ(Get("/sluice/ready").status, 200);
  EXPECT_EQ(registry.GetGauge("tcp_connections_limit", "", {{"protocol", "http"}}).Value(), 7);
}

TEST_F(ServerTest, LivesBelowItsPrefix) {
  options.path_prefix = "/sluice";
  Start();
  EXPECT_EQ(Get("/sluice/ready").status, 200);
  EXPECT_EQ(Get("/sluice").status, 200);
  EXPECT_EQ(Get("/sluice/").status, 200);
  EXPECT_EQ(Get("/ready").status, 404);
  EXPECT_EQ(Get("/sluiceready").status, 404);
}

TEST_F(ServerTest, MethodsAreLimited) {
  options.enable_runtime_reload = true;
  Start();
  const Response post = Ask("POST", "/api/node", "Host: localhost\r\nContent-Length: 0\r\n");
  EXPECT_EQ(post.status, 405);
  EXPECT_EQ(post.headers.at("Allow"), "GET, HEAD");
  EXPECT_EQ(Ask("DELETE", "/reload").headers.at("Allow"), "GET, POST");
  EXPECT_EQ(Ask("HEAD", "/reload").status, 405);
  EXPECT_EQ(source.reloads, 0);
  const Response head = Ask("HEAD", "/metrics");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("Content-Length"), "5");
}

TEST_F(ServerTest, ReloadsOnRequest) {
  options.enable_runtime_reload = true;
  Start();
  EXPECT_EQ(Get("/reload").status, 200);
  EXPECT_EQ(Ask("POST", "/reload").status, 200);
  source.reload_error = "config.yaml:3:1: error: unknown key";
  const Response failed = Ask("POST", "/reload");
  EXPECT_EQ(failed.status, 500);
  EXPECT_EQ(failed.body, "failed to reload config: config.yaml:3:1: error: unknown key\n");
  EXPECT_EQ(source.reloads, 3);
}

TEST_F(ServerTest, PagesOfOtherSitesCannotReload) {
  options.enable_runtime_reload = true;
  Start();
  EXPECT_EQ(Ask("POST", "/reload", "Host: localhost\r\nOrigin: http://evil.example\r\n").status, 403);
  EXPECT_EQ(Ask("GET", "/reload", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n").status, 403);
  EXPECT_EQ(source.reloads, 0);
  EXPECT_EQ(Ask("POST", "/reload", "Host: localhost:1\r\nOrigin: http://localhost:1\r\nSec-Fetch-Site: same-origin\r\n").status, 200);
}

TEST_F(ServerTest, OnLoopbackOnlyNamesOfThisHostAreAnswered) {
  options.external_url = "https://logs.example/agent";
  Start();
  const struct {
    const char* host;
    int status;
  } kRows[] = {
      {"localhost", 200}, {"localhost:9080", 200}, {"127.0.0.1:9080", 200}, {"127.1.2.3", 200}, {"[::1]:9080", 200},
      {"LOCALHOST", 200}, {"logs.example", 200}, {"evil.example", 421}, {"127.0.0.1.evil.example", 421}, {"", 421},
      {"localhost.evil.example", 421},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(Ask("GET", "/healthy", std::string("Host: ") + row.host + "\r\n").status, row.status) << row.host;
  }
}

TEST_F(ServerTest, OnAllInterfacesAnyNameIsAnswered) {
  options.address.clear();
  Start();
  EXPECT_EQ(Ask("GET", "/healthy", "Host: node-1.example\r\n").status, 200);
}

TEST_F(ServerTest, AConnectionServesManyRequests) {
  Start();
  Client client(port);
  for (int i = 0; i < 3; ++i) {
    client.Send(std::string("GET /healthy") + kGet);
    EXPECT_EQ(client.Read().body, "Healthy\n");
  }
  client.Send(std::string("GET /healthy") + kGet + "GET /metrics" + kGet);  // two at once
  EXPECT_EQ(client.Read().body, "Healthy\n");
  EXPECT_EQ(client.Read().body, "up 1\n");
  client.Send("GET /healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.Read().body, "Healthy\n");
  EXPECT_EQ(client.Rest(), "") << "the connection ends";
  Client old(port);
  old.Send("GET /healthy HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(old.Read().body, "Healthy\n");
  EXPECT_EQ(old.Rest(), "");
}

TEST_F(ServerTest, RequestsAreBounded) {
  Start();
  EXPECT_EQ(Ask("GET", "/healthy", "Host: localhost\r\nX: " + std::string(17 * 1024, 'x') + "\r\n").status, 431);
  Client large(port);
  large.Send("POST /healthy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n");
  EXPECT_EQ(large.Read().status, 413);
  EXPECT_EQ(large.Rest(), "");
  Client noise(port);
  noise.Send(std::string("\x16\x03\x01\x02\x00\x01 not HTTP at all\r\n\r\n", 24));
  EXPECT_EQ(noise.Read().status, 400);
}

TEST_F(ServerTest, SlowRequestsAreCutOff) {
  options.read_header_timeout = 50ms;
  options.idle_timeout = 50ms;
  Start();
  Client silent(port);
  EXPECT_EQ(silent.Rest(), "") << "a client that says nothing";
  Client slow(port);
  slow.Send("GET /healthy HTTP/1.1\r\nHost:");
  EXPECT_EQ(slow.Rest(), "") << "a client that stops in the head";
  Client idle(port);
  idle.Send(std::string("GET /healthy") + kGet);
  EXPECT_EQ(idle.Read().status, 200);
  EXPECT_EQ(idle.Rest(), "") << "a client that keeps its connection";
}

TEST_F(ServerTest, ASourceThatKeepsSilentIsATimeout) {
  options.write_timeout = 50ms;
  source.silent = true;
  Start();
  const Response response = Get("/api/node");
  EXPECT_EQ(response.status, 504);
  EXPECT_NE(response.body.find("did not answer in time"), std::string::npos);
}

TEST_F(ServerTest, ALateAnswerFindsNoTaker) {
  options.write_timeout = 50ms;
  source.hold_node = true;
  source.node.node_name = "late";
  Start();
  Client client(port);
  client.Send(std::string("GET /api/node") + kGet);
  EXPECT_EQ(client.Read().status, 504);
  source.held.get_future().get()(source.node);
  client.Send(std::string("GET /healthy") + kGet);
  EXPECT_EQ(client.Read().body, "Healthy\n") << "and not the late answer";
}

TEST_F(ServerTest, IdleConnectionsMakeRoomForNewOnes) {
  options.conn_limit = 2;
  Start();
  Client first(port);
  first.Send(std::string("GET /healthy") + kGet);
  EXPECT_EQ(first.Read().status, 200);
  Client second(port);
  second.Send(std::string("GET /healthy") + kGet);
  EXPECT_EQ(second.Read().status, 200);
  EXPECT_EQ(Get("/healthy").status, 200);
  EXPECT_EQ(first.Rest(), "") << "the one that waited longest has gone";
}

TEST_F(ServerTest, BusyConnectionsAreNotDisplaced) {
  options.conn_limit = 1;
  source.hold_node = true;
  Start();
  Client busy(port);
  busy.Send(std::string("GET /api/node") + kGet);
  const Reply<NodeSummary> reply = source.held.get_future().get();
  Client refused(port);
  EXPECT_EQ(refused.Rest(), "");
  source.node.node_name = "kept";
  reply(source.node);
  EXPECT_NE(busy.Read().body.find("kept"), std::string::npos);
}

TEST_F(ServerTest, StopLetsRunningRequestsEnd) {
  source.hold_node = true;
  Start();
  Client idle(port);
  idle.Send(std::string("GET /healthy") + kGet);
  EXPECT_EQ(idle.Read().status, 200);
  Client busy(port);
  busy.Send(std::string("GET /api/node") + kGet);
  const Reply<NodeSummary> reply = source.held.get_future().get();
  std::promise<void> stopped;
  OnServer([&] { server->Stop([&] { stopped.set_value(); }); });
  EXPECT_EQ(idle.Rest(), "");
  std::future<void> done = stopped.get_future();
  EXPECT_EQ(done.wait_for(0s), std::future_status::timeout) << "one request is still running";
  reply(source.node);
  EXPECT_EQ(busy.Read().status, 200);
  EXPECT_EQ(busy.Rest(), "");
  done.wait();
}

// Its wait for running requests went on for half a minute after the last connection was closed.
TEST_F(ServerTest, AfterStopNothingIsLeftToWaitFor) {
  boost::asio::io_context other{1};
  Server second(other, options, source, hub, registry);
  ASSERT_TRUE(second.Start());
  std::jthread runs([&] { other.run(); });
  Client idle(second.port());
  idle.Send(std::string("GET /healthy") + kGet);
  EXPECT_EQ(idle.Read().status, 200);
  const auto began = std::chrono::steady_clock::now();
  boost::asio::post(other, [&] { second.Stop([] {}); });
  runs.join();
  EXPECT_LT(std::chrono::steady_clock::now() - began, options.graceful_shutdown_timeout / 2);
}

TEST_F(ServerTest, StopGivesUpWaitingInTheEnd) {
  options.graceful_shutdown_timeout = 50ms;
  source.hold_node = true;
  Start();
  Client busy(port);
  busy.Send(std::string("GET /api/node") + kGet);
  source.held.get_future().wait();
  std::promise<void> stopped;
  OnServer([&] { server->Stop([&] { stopped.set_value(); }); });
  stopped.get_future().wait();
  EXPECT_EQ(busy.Rest(), "");
}

TEST_F(ServerTest, SaysWhyItCannotListen) {
  Start();
  ServerOptions taken = options;
  taken.port = port;
  Server second(io, taken, source, hub, registry);
  const Status used = second.Start();
  ASSERT_FALSE(used);
  EXPECT_EQ(used.error().what, "cannot listen on 127.0.0.1 port " + std::to_string(port) +
                                   ": Address already in use; change server.http_listen_address or server.http_listen_port");
  ServerOptions nowhere = options;
  nowhere.address = "no such host";
  Server third(io, nowhere, source, hub, registry);
  const Status unknown = third.Start();
  ASSERT_FALSE(unknown);
  EXPECT_TRUE(unknown.error().what.starts_with("cannot find the address `no such host` to listen on: ")) << unknown.error().what;
  ServerOptions other = options;
  other.network = "tcp6";
  Server fourth(io, other, source, hub, registry);
  EXPECT_FALSE(fourth.Start()) << "an IPv4 address on the IPv6 network";
}

TEST_F(ServerTest, CountsItsRequests) {
  Start();
  Get("/healthy");
  Get("/healthy");
  Get("/some/made/up/path");
  std::string text;
  OnServer([&] { text = registry.Text(); });
  EXPECT_NE(text.find("request_duration_seconds_count{method=\"GET\",route=\"/healthy\",status_code=\"200\",ws=\"false\"} 2\n"),
            std::string::npos) << text;
  EXPECT_NE(text.find("request_duration_seconds_count{method=\"GET\",route=\"other\",status_code=\"404\",ws=\"false\"} 1\n"),
            std::string::npos) << text;
  EXPECT_NE(text.find("inflight_requests{method=\"GET\",route=\"/healthy\"} 0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("tcp_connections_limit{protocol=\"http\"} 256\n"), std::string::npos) << text;
}

TEST_F(ServerTest, AClientThatLeavesIsNotLeftInFlight) {
  source.hold_node = true;
  Start();
  Reply<NodeSummary> reply;
  {
    Client gone(port);
    gone.Send(std::string("GET /api/node") + kGet);
    reply = source.held.get_future().get();
  }
  source.node.config_file = std::string(8 << 20, 'x');  // more than socket buffers take
  reply(source.node);
  Get("/healthy");
  std::string text;
  OnServer([&] { text = registry.Text(); });
  EXPECT_NE(text.find("inflight_requests{method=\"GET\",route=\"/api/node\"} 0\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace agent::admin
