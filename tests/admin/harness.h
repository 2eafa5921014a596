// SPDX-License-Identifier: Apache-2.0
// A server on a free loopback port with its own thread, a source that tests fill in,
// and a client of plain sockets that can misbehave.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/admin/admin.h"

namespace agent::admin {

class FakeSource : public AdminSource {
 public:
  void Ready(Reply<Readiness> reply) override { reply(readiness); }
  void Metrics(Reply<std::string> reply) override { reply("up 1\n"); }
  void ConfigText(Reply<std::string> reply) override { reply("clients: []\n"); }
  void Reload(Reply<Status> reply) override {
    ++reloads;
    reply(reload_error.empty() ? Status() : Status(Fail(Code::kConfig, reload_error)));
  }
  void Node(Reply<NodeSummary> reply) override {
    if (silent) return;  // never answers
    if (hold_node) {
      held.set_value(std::move(reply));
    } else {
      reply(node);
    }
  }
  void Pods(Reply<std::vector<PodSummary>> reply) override { reply(pods); }
  void Pod(std::string id, Reply<PodDetail> reply) override {
    PodDetail detail = pod;
    detail.found = id == pod.summary.id;
    reply(detail);
  }
  void Explain(ExplainQuery query, Reply<Explanation> reply) override {
    Explanation answer = explanation;
    answer.pod = query.pod + (query.container.empty() ? "" : " " + query.container);
    // From another thread, as app/ may.
    std::jthread([reply, answer] { reply(answer); });
  }
  void LossLedger(Reply<Ledger> reply) override { reply(ledger); }
  void LabelCardinality(Reply<Cardinality> reply) override { reply(cardinality); }
  void Targets(Reply<std::vector<TargetView>> reply) override { reply(targets); }
  void Discovery(Reply<std::vector<DiscoveryView>> reply) override { reply(discovery); }

  Readiness readiness{true, ""};
  std::string reload_error;
  int reloads = 0;
  bool silent = false;
  bool hold_node = false;
  std::promise<Reply<NodeSummary>> held;
  NodeSummary node;
  std::vector<PodSummary> pods;
  PodDetail pod;
  Explanation explanation;
  Ledger ledger;
  Cardinality cardinality;
  std::vector<TargetView> targets;
  std::vector<DiscoveryView> discovery;
};

struct Response {
  int status = 0;  // 0: the connection ended first
  std::map<std::string, std::string> headers;
  std::string body;
};

// Blocking, and gives up after ten seconds without a byte.
class Client {
 public:
  explicit Client(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval patience{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(std::string_view bytes) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    EXPECT_EQ(sent, static_cast<ssize_t>(bytes.size()));
  }
  // The bytes up to and with `end`; what came if the connection ended first.
  std::string Until(std::string_view end) {
    while (buffer_.find(end) == std::string::npos && Fill()) {
    }
    const size_t at = buffer_.find(end);
    return Take(at == std::string::npos ? buffer_.size() : at + end.size());
  }
  std::string Rest() {
    while (Fill()) {
    }
    return Take(buffer_.size());
  }
  Response Read(bool head_only = false) {
    Response response;
    const std::string head = Until("\r\n\r\n");
    if (!head.starts_with("HTTP/1.")) return response;
    response.status = std::stoi(head.substr(9, 3));
    for (size_t at = head.find("\r\n") + 2; at < head.size() - 2;) {
      const size_t end = head.find("\r\n", at);
      const size_t colon = head.find(": ", at);
      response.headers[head.substr(at, colon - at)] = head.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
    const size_t length = response.headers.count("Content-Length") ? std::stoul(response.headers["Content-Length"]) : 0;
    if (head_only) return response;
    while (buffer_.size() < length && Fill()) {
    }
    response.body = Take(std::min(length, buffer_.size()));
    return response;
  }

 private:
  bool Fill() {
    char bytes[4096];
    const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
    EXPECT_FALSE(got < 0 && errno == EAGAIN) << "the server keeps silent";
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(got));
    return true;
  }
  std::string Take(size_t count) {
    std::string taken = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return taken;
  }

  int socket_;
  std::string buffer_;
};

// Start() after the options and the source are as the test wants them.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    options.address = "127.0.0.1";
    options.port = 0;
  }
  ~ServerTest() override {
    if (!thread_.joinable()) return;
    boost::asio::post(io, [this] {
      server.reset();
      work_.reset();
    });
    thread_.join();
  }

  void Start() {
    server.emplace(io, options, source, hub, registry);
    const Status started = server->Start();
    ASSERT_TRUE(started) << started.error().what;
    port = server->port();
    thread_ = std::jthread([this] { io.run(); });
  }
  // Runs on the server's thread, and waits for it.
  template <class Call>
  void OnServer(Call call) {
    std::promise<void> done;
    boost::asio::post(io, [&] {
      call();
      done.set_value();
    });
    done.get_future().wait();
  }
  Response Ask(const std::string& method, const std::string& target, const std::string& headers = "Host: localhost\r\n") {
    Client client(port);
    client.Send(method + " " + target + " HTTP/1.1\r\n" + headers + "\r\n");
    return client.Read(method == "HEAD");
  }
  Response Get(const std::string& target) { return Ask("GET", target); }

  boost::asio::io_context io{1};
  ServerOptions options;
  FakeSource source;
  TailHub hub;
  metrics::Registry registry;
  std::optional<Server> server;
  uint16_t port = 0;

 private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io.get_executor()};
  std::jthread thread_;
};

}  // namespace agent::admin
