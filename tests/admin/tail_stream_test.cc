// SPDX-License-Identifier: Apache-2.0
// /api/tail: the events of a live tail, and who may have one.
#include <gtest/gtest.h>

#include "tests/admin/harness.h"

namespace agent::admin {
namespace {

constexpr const char* kRequestEnd = " HTTP/1.1\r\nHost: localhost\r\n\r\n";

class TailStreamTest : public ServerTest {
 protected:
  void Offer(const LabelMap& labels, std::string_view line, size_t times = 1) {
    LabelInterner interner;
    RecordBatch batch;
    for (size_t i = 0; i < times; ++i) {
      Record* record = batch.Append();
      record->labels = interner.Intern(labels);
      record->line = batch.arena().Copy(line);
      record->time = 1'772'445'600'123'456'789;
    }
    hub.Offer(batch.records());
  }
  // A tail that is being watched.
  void Open(Client& client, const std::string& query) {
    client.Send("GET /api/tail" + query + kRequestEnd);
    const std::string head = client.Until("\r\n\r\n");
    ASSERT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
    EXPECT_NE(head.find("Content-Type: text/event-stream\r\n"), std::string::npos);
    EXPECT_EQ(client.Until("\n\n"), "retry: 3000\n\n");
  }
};

TEST_F(TailStreamTest, SendsLinesAsEvents) {
  Start();
  Client client(port);
  Open(client, "");
  Offer({{"pod", "web"}}, "two\nlines \"quoted\" \xff");
  EXPECT_EQ(client.Until("\n\n"),
            "event: line\ndata: {\"time\":\"2026-03-02T10:00:00.123Z\",\"labels\":{\"pod\":\"web\"},\"metadata\":{},"
            "\"line\":\"two\\nlines \\\"quoted\\\" \xef\xbf\xbd\"}\n\n");
}

TEST_F(TailStreamTest, FiltersByItsParameters) {
  Start();
  Client client(port);
  Open(client, "?pod=shop/web&label=stream=stdout&text=KEEP&grep=%5Ek");
  const LabelMap wanted = {{"namespace", "shop"}, {"pod", "web"}, {"stream", "stdout"}};
  Offer(wanted, "drop this");
  Offer({{"namespace", "other"}, {"pod", "web"}, {"stream", "stdout"}}, "keep: wrong namespace");
  Offer({{"namespace", "shop"}, {"pod", "web"}, {"stream", "stderr"}}, "keep: wrong stream");
  Offer(wanted, "x keep: not at the start");
  Offer(wanted, "keep: this one");
  EXPECT_NE(client.Until("\n\n").find("keep: this one"), std::string::npos);
}

TEST_F(TailStreamTest, SaysHowManyLinesItSkipped) {
  Start();
  Client client(port);
  Open(client, "");
  Offer({{"pod", "web"}}, "x", TailHub::kKeptLines + 5);
  EXPECT_NE(client.Until("event: skipped\n").find("event: line\n"), std::string::npos);
  EXPECT_EQ(client.Until("\n\n"), "data: {\"lines\":5}\n\n");
}

TEST_F(TailStreamTest, AFloodIsSkippedNotQueued) {
  Start();
  Client client(port);
  Open(client, "");
  const std::string line(TailHub::kLongestLine, 'x');
  for (int i = 0; i < 500; ++i) Offer({{"pod", "web"}}, line, 64);
  const std::string before = client.Until("event: skipped\n");
  EXPECT_NE(before.find("event: line\n"), std::string::npos);
  EXPECT_LT(before.size(), 2 * TailHub::kKeptBytes);
  EXPECT_TRUE(client.Until("\n\n").starts_with("data: {\"lines\":"));
}

TEST_F(TailStreamTest, AWatcherGoesWithItsClient) {
  Start();
  {
    Client client(port);
    Open(client, "");
    EXPECT_TRUE(hub.Wanted());
  }
  while (hub.Wanted()) OnServer([] {});
  SUCCEED();
}

TEST_F(TailStreamTest, RefusesWhatItCannotDo) {
  Start();
  Response bad = Get("/api/tail?grep=a(");
  EXPECT_EQ(bad.status, 400);
  EXPECT_NE(bad.body.find("`a(` is not a regular expression"), std::string::npos) << bad.body;
  bad = Get("/api/tail?label=stream");
  EXPECT_EQ(bad.status, 400);
  EXPECT_NE(bad.body.find("write label=NAME=VALUE"), std::string::npos) << bad.body;
  std::vector<std::unique_ptr<Client>> watching;
  for (size_t i = 0; i < TailHub::kMostWatchers; ++i) {
    watching.push_back(std::make_unique<Client>(port));
    Open(*watching.back(), "");
  }
  bad = Get("/api/tail");
  EXPECT_EQ(bad.status, 503);
  EXPECT_NE(bad.body.find("8 live tails already"), std::string::npos) << bad.body;
}

TEST_F(TailStreamTest, CanBeTurnedOff) {
  options.live_tail = LiveTail::kOff;
  Start();
  EXPECT_EQ(Get("/api/tail").status, 403);
  EXPECT_NE(Get("/api/node").body.find("\"may_tail\":false"), std::string::npos);
}

TEST_F(TailStreamTest, LoopbackClientsMayTailByDefault) {
  options.address.clear();
  Start();
  EXPECT_NE(Get("/api/node").body.find("\"live_tail\":\"loopback\",\"may_tail\":true"), std::string::npos);
}

TEST_F(TailStreamTest, StopEndsTails) {
  Start();
  Client client(port);
  Open(client, "");
  std::promise<void> stopped;
  OnServer([&] { server->Stop([&] { stopped.set_value(); }); });
  stopped.get_future().wait();
  EXPECT_EQ(client.Rest(), "");
}

}  // namespace
}  // namespace agent::admin
