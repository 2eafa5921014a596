// SPDX-License-Identifier: Apache-2.0
#include "agent/push/internal/payload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/push/internal/backoff.h"
#include "tests/push/push_harness.h"

namespace agent::push {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

PushRequest Request(const std::vector<PushedStream>& streams) {
  return *DecodeBody(test::EncodePush(streams));
}

// "labels: line line; ..." of a request.
std::string Text(const PushRequest& request) {
  std::string out;
  for (const auto& stream : request.streams()) {
    out += stream.labels() + ":";
    for (const auto& entry : stream.entries()) out += " " + entry.line();
    out += ";";
  }
  return out;
}

TEST(Payload, EncodesWhatItHasDecoded) {
  const PushRequest request = Request({Stream("a", {"1", "2"}), Stream("b", {"3"})});
  EXPECT_EQ(Text(*DecodeBody(EncodeBody(request).view())), "{app=\"a\"}: 1 2;{app=\"b\"}: 3;");
  const PayloadSize size = Measure(request);
  EXPECT_EQ(size.streams, 2u);
  EXPECT_EQ(size.entries, 3u);
  EXPECT_EQ(size.line_bytes, 3u);
}

TEST(Payload, DamagedBytesAreNotDecoded) {
  EXPECT_FALSE(DecodeBody("\x7fxyz"));
  EXPECT_FALSE(DecodeBody(""));
  // The length of a request that nobody would send.
  EXPECT_FALSE(DecodeBody({"\xff\xff\xff\xff\x0f\0", 6}));
}

TEST(Payload, HalvesBetweenStreamsThenEntries) {
  struct Row {
    std::vector<PushedStream> streams;
    const char* front;
    const char* back;
  };
  const std::string big(100, 'x');
  const Row rows[] = {
      {{Stream("a", {"1"}), Stream("b", {"2"})}, "{app=\"a\"}: 1;", "{app=\"b\"}: 2;"},
      {{Stream("a", {"1"}), Stream("b", {"2"}), Stream("c", {"3"}), Stream("d", {"4"})},
       "{app=\"a\"}: 1;{app=\"b\"}: 2;",
       "{app=\"c\"}: 3;{app=\"d\"}: 4;"},
      {{Stream("a", {"123456"}), Stream("b", {"2"}), Stream("c", {"3"})}, "{app=\"a\"}: 123456;",
       "{app=\"b\"}: 2;{app=\"c\"}: 3;"},
      {{Stream("a", {"1"}), Stream("b", {"23456"})}, "{app=\"a\"}: 1;", "{app=\"b\"}: 23456;"},
      {{Stream("a", {"1", "2", "3", "4"})}, "{app=\"a\"}: 1 2;", "{app=\"a\"}: 3 4;"},
      {{Stream("a", {"", ""})}, "{app=\"a\"}: ;", "{app=\"a\"}: ;"},
      {{Stream("a", {"123456", "2", "3"})}, "{app=\"a\"}: 123456;", "{app=\"a\"}: 2 3;"},
      {{Stream("a", {"1", "234567"})}, "{app=\"a\"}: 1;", "{app=\"a\"}: 234567;"},
  };
  for (const Row& row : rows) {
    const auto [front, back] = Halve(Request(row.streams));
    EXPECT_EQ(Text(front), row.front);
    EXPECT_EQ(Text(back), row.back);
  }
}

TEST(Payload, RefusalsAreAttributedOnce) {
  const PushRequest request = Request({Stream("a", {"1", "22", "333"}), Stream("b", {"4444"})});
  LokiError error;
  const auto item = [](const char* reason, const std::string& app) {
    RefusedItem out;
    out.reason = reason;
    out.stream = "{app=\"" + app + "\"}";
    out.labels = {{"app", app}};
    return out;
  };
  RefusedItem by_time = item("old", "a");
  by_time.second = 1'700'000'001;
  RefusedItem again = by_time;
  RefusedItem by_length = item("long", "a");
  by_length.line_length = 2;  // the same entry
  RefusedItem oldest = item("behind", "a");
  oldest.oldest = true;
  oldest.count = 2;  // "1", and "333" because "22" is taken
  RefusedItem whole = item("labels", "b");
  whole.whole_stream = true;
  RefusedItem elsewhere = item("old", "z");
  elsewhere.count = 3;
  error.refused = {by_time, again, by_length, oldest, whole, elsewhere};
  uint64_t entries = 0;
  std::vector<std::string> seen;
  for (const Refusal& r : Attribute(request, error, entries)) {
    seen.push_back(r.reason + " " + r.stream + " " + std::to_string(r.entries) + "/" + std::to_string(r.bytes));
  }
  EXPECT_THAT(seen, ElementsAre("old {app=\"a\"} 1/2", "behind {app=\"a\"} 2/4", "labels {app=\"b\"} 1/4",
                                "old {app=\"z\"} 3/0"));
  EXPECT_EQ(entries, 7u);
}

TEST(Payload, WhatIsGivenUpWholeIsEachStreamsOwnLoss) {
  const Refusal whole{"max_retries", "", "no answer", 3, 8};
  const std::string body = test::EncodePush({Stream("a", {"12", "345"}), Stream("b", {"678"})});
  const std::vector<Refusal> each = RefuseEachStream(body, whole);
  ASSERT_THAT(each, SizeIs(2));
  EXPECT_EQ(each[0].stream, "{app=\"a\"}");
  EXPECT_EQ(each[0].entries, 2u);
  EXPECT_EQ(each[0].bytes, 5u);
  EXPECT_EQ(each[1].stream, "{app=\"b\"}");
  EXPECT_EQ(each[1].entries, 1u);
  EXPECT_EQ(each[1].reason, "max_retries");
  EXPECT_EQ(each[1].detail, "no answer");
  // Damaged: the sum is all that is known.
  ASSERT_THAT(RefuseEachStream("\x7fxyz", whole), SizeIs(1));
  EXPECT_EQ(RefuseEachStream("\x7fxyz", whole)[0].entries, 3u);
}

TEST(PushBackoff, RetryAfter) {
  const WallNanos wall = 1'700'000'000'500'000'000;  // Tue, 14 Nov 2023 22:13:20.5
  struct Row {
    const char* value;
    std::optional<Duration> wait;
  };
  const Row rows[] = {
      {"0", 0s},
      {" 120 ", 120s},
      {"Tue, 14 Nov 2023 22:13:50 GMT", 30s},
      {"Tue, 14 Nov 2023 22:00:00 GMT", 0s},
      {"", std::nullopt},
      {"-1", std::nullopt},
      {"1.5", std::nullopt},
      {"99999999999999999999", std::nullopt},
      {"Tue, 14 Foo 2023 22:13:50 GMT", std::nullopt},
      {"Tue, 31 Feb 2023 22:13:50 GMT", std::nullopt},
      {"Tue, 14 Nov 9999 22:13:50 GMT", std::nullopt},
      {"soon", std::nullopt},
  };
  for (const Row& row : rows) EXPECT_EQ(ParseRetryAfter(row.value, wall), row.wait) << row.value;
}

TEST(PushBackoff, StaysWithinBounds) {
  for (const BackoffOptions& options :
       {BackoffOptions{500ms, 5min, 0}, BackoffOptions{1s, 1s, 0}, BackoffOptions{10s, 1s, 0},
        BackoffOptions{1ns, Duration::max(), 0}}) {
    Jitter jitter(7);
    Backoff backoff;
    for (int i = 0; i < 200; ++i) {
      const Duration wait = backoff.Next(options, jitter);
      EXPECT_GE(wait, options.min_period);
      EXPECT_LE(wait, std::max(options.min_period, options.max_period));
    }
  }
}

}  // namespace
}  // namespace agent::push
