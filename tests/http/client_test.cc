// SPDX-License-Identifier: Apache-2.0
#include "agent/http/client.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "tests/http/http_harness.h"
#include "tests/support/scripted_loki.h"

namespace agent::http {
namespace {

using test::ReceivedRequest;
using test::ScriptedAnswer;
using test::ScriptedLoki;
using Wire = ScriptedAnswer::Wire;

ScriptedAnswer Answer(int status, std::string body, Wire wire = Wire::kWhole) {
  ScriptedAnswer answer;
  answer.status = status;
  answer.body = std::move(body);
  answer.wire = wire;
  return answer;
}

TEST(HttpClient, SendsTheRequestAndGivesTheAnswer) {
  ScriptedLoki server;
  ScriptedAnswer answer = Answer(418, "short and stout");
  answer.headers = {{"Retry-After", "7"}};
  server.Script({answer});
  Client client("sluice/test");
  Request request = Post(server.Url("/path?q=1"), "body");
  request.headers = {{"Content-Type", "text/plain"}, {"X-Empty", ""}};
  const Result<Response> result = Exchange(client, std::move(request));
  ASSERT_TRUE(result) << result.error().what;
  EXPECT_EQ(result->status, 418);
  EXPECT_EQ(result->body, "short and stout");
  EXPECT_FALSE(result->cut);
  ASSERT_NE(result->Find("retry-after"), nullptr);
  EXPECT_EQ(*result->Find("retry-after"), "7");
  EXPECT_EQ(result->Find("absent"), nullptr);
  EXPECT_GT(result->elapsed.count(), 0);
  const ReceivedRequest seen = server.requests().at(0);
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/path?q=1");
  EXPECT_EQ(seen.body, "body");
  EXPECT_EQ(seen.Header("content-type"), "text/plain");
  EXPECT_EQ(seen.Header("user-agent"), "sluice/test");
  EXPECT_TRUE(seen.headers.contains("x-empty"));
  EXPECT_FALSE(seen.headers.contains("expect"));
  EXPECT_FALSE(seen.headers.contains("accept"));
  EXPECT_FALSE(seen.headers.contains("accept-encoding"));
  EXPECT_FALSE(seen.headers.contains("authorization"));
}

TEST(HttpClient, KeepsTheConnection) {
  ScriptedLoki server;
  Client client;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Exchange(client, Post(server.Url("/"), "x")));
  EXPECT_EQ(server.connections(), 1u);
}

TEST(HttpClient, AConnectionThatTheServerHasClosedIsReplaced) {
  ScriptedLoki server;
  Client client;
  ASSERT_TRUE(Exchange(client, Post(server.Url("/"), "x")));
  server.CloseConnections();
  const Result<Response> result = Exchange(client, Post(server.Url("/"), "x"));
  ASSERT_TRUE(result) << result.error().what;
  EXPECT_EQ(server.connections(), 2u);
}

TEST(HttpClient, ALargeBodyArrivesWhole) {
  ScriptedLoki server;
  Client client;
  std::string body;
  for (int i = 0; body.size() < 3'000'000; ++i) body += std::to_string(i);
  ASSERT_TRUE(Exchange(client, Post(server.Url("/"), body)));
  EXPECT_EQ(server.requests().at(0).body, body);
}

TEST(HttpClient, AnAnswerBodyIsCut) {
  ScriptedLoki server;
  server.Script({Answer(500, std::string(300'000, 'x')), Answer(500, "after")});
  Client client;
  const Result<Response> result = Exchange(client, Get(server.Url("/")));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->body.size(), 64u * 1024);
  EXPECT_TRUE(result->cut);
  // What was thrown away was read: the connection goes on.
  EXPECT_EQ(Exchange(client, Get(server.Url("/")))->body, "after");
  EXPECT_EQ(server.connections(), 1u);
}

TEST(HttpClient, ManyAtOnce) {
  ScriptedLoki server;
  server.Script(std::vector<ScriptedAnswer>(20, Answer(204, "", Wire::kHold)));
  Client client;
  int answers = 0;
  for (int i = 0; i < 20; ++i) {
    client.Submit(Get(server.Url("/")), [&](Result<Response> result) { answers += result && result->status == 204; });
  }
  EXPECT_EQ(client.pending(), 20u);
  std::thread release([&] {
    EXPECT_TRUE(server.WaitForRequests(20));
    // A held answer may be a moment behind its request.
    while (server.requests().size() < 21) server.Release();
  });
  while (client.pending() > 0) client.Poll(std::chrono::milliseconds(10));
  ASSERT_TRUE(Exchange(client, Get(server.Url("/end"))));
  release.join();
  EXPECT_EQ(answers, 20);
}

TEST(HttpClient, ErrorsSayWhatHappened) {
  ScriptedLoki::Options closed;
  closed.listening = false;
  ScriptedLoki refusing(closed);
  ScriptedLoki server;
  Client client;
  const auto error_of = [&](Request request) {
    const Result<Response> result = Exchange(client, std::move(request));
    return result ? Error{Code::kInternal, "an answer " + std::to_string(result->status)} : result.error();
  };
  Error error = error_of(Get(refusing.Url("/")));
  EXPECT_EQ(error.code, Code::kRetry);
  EXPECT_NE(error.what.find("cannot connect to 127.0.0.1:"), std::string::npos) << error.what;

  error = error_of(Get("http://no-such-name.invalid/"));
  EXPECT_EQ(error.code, Code::kRetry);
  EXPECT_NE(error.what.find("cannot find the address of no-such-name.invalid"), std::string::npos) << error.what;

  server.Script({Answer(200, "", Wire::kReset)});
  error = error_of(Post(server.Url("/"), "x"));
  EXPECT_EQ(error.code, Code::kRetry);
  EXPECT_NE(error.what.find("broke"), std::string::npos) << error.what;

  server.Script({Answer(200, "half of this", Wire::kMidBody)});
  error = error_of(Post(server.Url("/"), "x"));
  EXPECT_EQ(error.code, Code::kRetry);
  EXPECT_NE(error.what.find("broke"), std::string::npos) << error.what;

  server.Script({Answer(200, "", Wire::kHold)});
  Request slow = Post(server.Url("/"), "x");
  slow.timeout = std::chrono::milliseconds(50);
  error = error_of(std::move(slow));
  EXPECT_EQ(error.code, Code::kRetry);
  EXPECT_NE(error.what.find("in time"), std::string::npos) << error.what;
  server.Release();

  for (const char* bad : {"localhost:80/x", "ftp://host/", "http://", "http://host:port/", "http://a b/"}) {
    error = error_of(Get(bad));
    EXPECT_EQ(error.code, Code::kConfig) << bad << ": " << error.what;
  }
  Request split = Get(server.Url("/"));
  split.headers = {{"X-Tenant", "a\r\nX-Other: b"}};
  EXPECT_EQ(error_of(std::move(split)).code, Code::kConfig);
}

TEST(HttpClient, AnAnswerBeforeTheBodyIsSentCounts) {
  ScriptedLoki server;
  server.Script({Answer(413, "too much", Wire::kEarly)});
  Client client;
  const std::string body(100'000, 'x');
  const Result<Response> result = Exchange(client, Post(server.Url("/"), body));
  // The kernel may throw the answer away with the rest of the body; then it is a retry.
  if (result) {
    EXPECT_EQ(result->status, 413);
  } else {
    EXPECT_EQ(result.error().code, Code::kRetry);
  }
}

TEST(HttpClient, CancelEndsARequestWhereverItIs) {
  ScriptedLoki server;
  server.Script({Answer(200, "", Wire::kHold)});
  Client client;
  std::vector<std::string> ended;
  const auto note = [&](std::string name) {
    return [&ended, name](Result<Response> result) {
      ended.push_back(name + (!result && result.error().code == Code::kCancelled ? " cancelled" : " answered"));
    };
  };
  const RequestId held = client.Submit(Get(server.Url("/")), note("held"));
  while (server.requests().empty()) client.Poll(std::chrono::milliseconds(5));
  client.Cancel(held);
  const RequestId never_begun = client.Submit(Get(server.Url("/")), note("new"));
  client.Cancel(never_begun);
  client.Cancel(12345);
  while (client.pending() > 0) client.Poll(std::chrono::milliseconds(5));
  client.Cancel(held);
  client.Poll(Duration::zero());
  EXPECT_EQ(ended, (std::vector<std::string>{"held cancelled", "new cancelled"}));
}

TEST(HttpClient, TheDestructorCancelsWhatIsLeft) {
  ScriptedLoki server;
  server.Script({Answer(200, "", Wire::kHold)});
  int cancelled = 0;
  {
    Client client;
    client.Submit(Get(server.Url("/")), [&](Result<Response> result) {
      cancelled += !result && result.error().code == Code::kCancelled;
      client.Submit(Get(server.Url("/")), [&](Result<Response> again) { cancelled += !again; });
    });
    while (server.requests().empty()) client.Poll(std::chrono::milliseconds(5));
    client.Submit(Get(server.Url("/")), [&](Result<Response> result) { cancelled += !result; });
  }
  EXPECT_EQ(cancelled, 3);
}

TEST(HttpClient, SubmitFromAnotherThreadWakesThePoller) {
  ScriptedLoki server;
  Client client;
  client.Poll(Duration::zero());
  std::atomic<bool> done{false};
  std::thread other([&] {
    client.Submit(Get(server.Url("/")), [&](Result<Response> result) { done = result.has_value(); });
  });
  const auto start = std::chrono::steady_clock::now();
  while (!done) client.Poll(std::chrono::seconds(30));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  other.join();
}

TEST(HttpClient, WakeupEndsAWait) {
  Client client;
  const auto start = std::chrono::steady_clock::now();
  std::thread other([&] { client.Wakeup(); });
  EXPECT_FALSE(client.Poll(std::chrono::seconds(30)));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  other.join();
}

TEST(HttpClient, StreamsChunksUntilTheReaderHasEnough) {
  ScriptedLoki server;
  server.Script({Answer(200, "a line\n", Wire::kEndless)});
  Client client;
  std::string seen;
  Request request = Get(server.Url("/watch"));
  request.on_chunk = [&](std::string_view chunk) {
    seen += chunk;
    return seen.size() < 1000;
  };
  const Result<Response> result = Exchange(client, std::move(request));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kCancelled);
  EXPECT_GE(seen.size(), 1000u);
  EXPECT_TRUE(seen.starts_with("a line\na line\n"));
}

TEST(HttpClient, AnErrorBodyIsNotStreamed) {
  ScriptedLoki server;
  server.Script({Answer(410, "too old resource version"), Answer(200, "whole")});
  Client client;
  std::string seen;
  for (int i = 0; i < 2; ++i) {
    Request request = Get(server.Url("/watch"));
    request.on_chunk = [&](std::string_view chunk) {
      seen += chunk;
      return true;
    };
    const Result<Response> result = Exchange(client, std::move(request));
    ASSERT_TRUE(result);
    EXPECT_EQ(result->body, i == 0 ? "too old resource version" : "");
  }
  EXPECT_EQ(seen, "whole");
}

TEST(HttpClient, FollowsRedirectsWithTheSameMethodAndBody) {
  ScriptedLoki server;
  ScriptedAnswer moved = Answer(301, "moved");
  moved.headers = {{"Location", "/new"}};
  server.Script({moved, Answer(204, ""), moved});
  Client client;
  EXPECT_EQ(Exchange(client, Post(server.Url("/old"), "body"))->status, 204);
  ASSERT_EQ(server.requests().size(), 2u);
  EXPECT_EQ(server.requests()[1].target, "/new");
  EXPECT_EQ(server.requests()[1].method, "POST");
  EXPECT_EQ(server.requests()[1].body, "body");

  ClientOptions stay;
  stay.follow_redirects = false;
  EXPECT_EQ(Exchange(client, Post(server.Url("/old"), "body", MakeEndpoint(stay)))->status, 301);
}

TEST(HttpClient, FetchIsBlocking) {
  ScriptedLoki server;
  server.Script({Answer(200, "hello")});
  const Result<Response> result = Fetch(Get(server.Url("/")), "tool");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->body, "hello");
  EXPECT_EQ(server.requests().at(0).Header("user-agent"), "tool");
}

}  // namespace
}  // namespace agent::http
