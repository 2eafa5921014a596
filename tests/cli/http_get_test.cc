// SPDX-License-Identifier: Apache-2.0
// The small HTTP client against a server that says what the test wants, in pieces.
#include "agent/cli/internal/http_get.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <vector>

namespace agent::cli {
namespace {

// Answers one request with the pieces, in separate writes, and closes.
class OneAnswer {
 public:
  explicit OneAnswer(std::vector<std::string> pieces) : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this, pieces = std::move(pieces)] {
      const int peer = ::accept(listener_, nullptr, nullptr);
      char buffer[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = ::read(peer, buffer, sizeof buffer);
        if (got <= 0) break;
        request.append(buffer, static_cast<size_t>(got));
      }
      for (const std::string& piece : pieces) {
        if (::send(peer, piece.data(), piece.size(), MSG_NOSIGNAL) < 0) break;
      }
      ::close(peer);
    });
  }
  ~OneAnswer() {
    Wait();
    ::close(listener_);
  }
  void Wait() {
    if (thread_.joinable()) thread_.join();
  }
  Endpoint endpoint(std::string prefix = {}) const { return {"127.0.0.1", std::to_string(port), std::move(prefix)}; }

  uint16_t port = 0;
  std::string request;

 private:
  const int listener_;
  std::thread thread_;
};

TEST(HttpGetTest, Addresses) {
  const auto parse = [](const char* text) {
    const auto endpoint = ParseEndpoint(text);
    return endpoint ? endpoint->host + "|" + endpoint->port + "|" + endpoint->prefix : endpoint.error().what;
  };
  EXPECT_EQ(parse("127.0.0.1:9080"), "127.0.0.1|9080|");
  EXPECT_EQ(parse("http://localhost:81/sluice/"), "localhost|81|/sluice");
  EXPECT_EQ(parse("node-1"), "node-1|9080|");
  EXPECT_EQ(parse(":81"), "127.0.0.1|81|");
  EXPECT_EQ(parse("[::1]:81"), "::1|81|");
  EXPECT_NE(parse("https://x").find("plain HTTP"), std::string::npos);
  EXPECT_NE(parse("x:y").find("HOST:PORT"), std::string::npos);
}

TEST(HttpGetTest, ABodyWithALength) {
  OneAnswer server({"HTTP/1.1 200 OK\r\nContent-Le", "ngth: 5\r\n\r\nhel", "lo"});
  const auto answer = HttpGet(server.endpoint("/p"), "/api?x=1");
  server.Wait();
  ASSERT_TRUE(answer) << answer.error().what;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "hello");
  EXPECT_EQ(server.request.substr(0, 24), "GET /p/api?x=1 HTTP/1.1\r");
}

TEST(HttpGetTest, ABodyInChunksComesAsItCame) {
  OneAnswer server({"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", "c\r", "\n4;x=y\r\ndefg\r\n0\r\n\r\n"});
  std::string body;
  const auto answer = HttpGet(server.endpoint(), "/", [&](std::string_view piece) {
    body += piece;
    return true;
  });
  ASSERT_TRUE(answer);
  EXPECT_EQ(body, "abcdefg");
  EXPECT_EQ(answer->body, "");
}

TEST(HttpGetTest, ARefusalIsKeptAndNotStreamed) {
  OneAnswer server({"HTTP/1.1 403 Forbidden\r\n\r\nno"});
  const auto answer = HttpGet(server.endpoint(), "/", [](std::string_view) { return true; });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 403);
  EXPECT_EQ(answer->body, "no");
}

TEST(HttpGetTest, TheSinkMayEndIt) {
  OneAnswer server({"HTTP/1.1 200 OK\r\n\r\none\n", "two\n"});
  int calls = 0;
  const auto answer = HttpGet(server.endpoint(), "/", [&](std::string_view) { return ++calls > 5; });
  ASSERT_TRUE(answer);
  EXPECT_EQ(calls, 1);
}

TEST(HttpGetTest, WhatIsNoServerIsAnError) {
  OneAnswer silent({""});
  EXPECT_FALSE(HttpGet(silent.endpoint(), "/"));
  OneAnswer other({"SSH-2.0-x\r\n\r\n"});
  EXPECT_FALSE(HttpGet(other.endpoint(), "/"));
}

TEST(HttpGetTest, ValuesOfAQueryAreEscaped) {
  EXPECT_EQ(UrlEscape("a b/c=d&é"), "a%20b%2Fc%3Dd%26%C3%A9");
  EXPECT_EQ(UrlEscape(std::string_view("\0", 1)), "%00");
}

}  // namespace
}  // namespace agent::cli
