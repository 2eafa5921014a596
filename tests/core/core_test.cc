// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "agent/core/arena.h"
#include "agent/core/budget.h"
#include "agent/core/diagnostics.h"
#include "agent/core/json_text.h"
#include "agent/core/log.h"
#include "agent/core/result.h"
#include "agent/core/time_text.h"

namespace agent {
namespace {

TEST(ArenaTest, MemoryIsAlignedApartAndReusedAfterReset) {
  Arena arena;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::span<uint64_t>> arrays;
    for (size_t i = 1; i < 200; ++i) {
      const auto array = arena.NewArray<uint64_t>(i);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(array.data()) % alignof(uint64_t), 0u);
      for (uint64_t& value : array) value = i;
      arrays.push_back(array);
    }
    for (size_t i = 0; i < arrays.size(); ++i) {
      for (const uint64_t value : arrays[i]) ASSERT_EQ(value, i + 1);
    }
    const size_t reserved = arena.bytes_reserved();
    arena.Reset();
    if (round > 0) {
      EXPECT_EQ(arena.bytes_reserved(), reserved) << "the steady state allocates nothing";
    }
  }
}

TEST(ArenaTest, ABurstIsGivenBack) {
  Arena arena;
  for (int i = 0; i < 20; ++i) static_cast<void>(arena.Allocate(1 << 20));
  EXPECT_GT(arena.bytes_reserved(), 20u << 20);
  arena.Reset();
  EXPECT_LE(arena.bytes_reserved(), Arena::kKeepBytes);
}

TEST(ArenaTest, TrimGivesBackTheEndOfTheNewestAllocation) {
  Arena arena;
  char* first = static_cast<char*>(arena.Allocate(100, 1));
  arena.Trim(first, 3);
  EXPECT_EQ(static_cast<char*>(arena.Allocate(1, 1)), first + 3);
  EXPECT_EQ(arena.Copy("abc"), "abc");
  EXPECT_TRUE(arena.Copy("").empty());
}

#if AGENT_ASAN
TEST(ArenaDeathTest, AViewThatOutlivesItsBatchDies) {
  EXPECT_DEATH(
      {
        Arena arena;
        const std::string_view view = arena.Copy("stale");
        arena.Reset();
        volatile char c = view[0];
        static_cast<void>(c);
      },
      "use-after-poison");
}
#endif

TEST(BudgetTest, TakesOnlyWhatIsFree) {
  ByteBudget budget(100);
  EXPECT_TRUE(budget.TryTake(60));
  EXPECT_FALSE(budget.TryTake(41));
  EXPECT_TRUE(budget.TryTake(40));
  EXPECT_TRUE(budget.Exhausted());
  budget.Take(10);  // what exists already may go over
  EXPECT_EQ(budget.used(), 110u);
  budget.Give(110);
  EXPECT_FALSE(budget.Exhausted());
}

TEST(DiagnosticsTest, SortedByPlaceWithEveryPart) {
  Diagnostics diagnostics;
  diagnostics.AddError({"a.yaml", 9, 2}, "clients[0].url", "second");
  diagnostics.AddWarning({"a.yaml", 3, 1}, "x", "first");
  diagnostics.AddError({}, "", "no place");
  EXPECT_EQ(diagnostics.Text(),
            "error: no place\na.yaml:3:1: warning: x: first\na.yaml:9:2: error: clients[0].url: second\n");
  EXPECT_EQ(diagnostics.errors(), 2u);
}

TEST(JsonTextTest, EscapesAndRepairs) {
  std::string out;
  AppendJsonString(out, std::string_view("a\"\\\n\t\x01\0 \xc3\xa9\xff\xed\xa0\x80", 14));
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\t\\u0001\\u0000 \xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(LogTest, LogfmtAndJson) {
  LogCapture capture;
  LogWarn("cannot open it", {{"path", "/a b"}, {"n", 3}, {"quote", "\"x\""}});
  const std::string text = capture.text();
  EXPECT_NE(text.find("level=warn msg=\"cannot open it\" path=\"/a b\" n=3 quote=\"\\\"x\\\"\"\n"), std::string::npos)
      << text;
  SetLogJson(true);
  LogInfo("hello");
  SetLogJson(false);
  EXPECT_NE(capture.text().find("\"level\":\"info\",\"msg\":\"hello\"}\n"), std::string::npos) << capture.text();
}

TEST(LogTest, AKindIsLimited) {
  LogCapture capture;
  for (int i = 0; i < 100; ++i) LogWarn("the same again");
  LogWarn("another");
  const std::string text = capture.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 11) << text;
}

TEST(LogTest, LevelsBelowTheCurrentAreSilent) {
  LogCapture capture;
  LogDebug("not now");
  EXPECT_EQ(capture.text(), "");
}

TEST(TimeTextTest, TimesSurviveTheirNanoseconds) {
  struct Row {
    int64_t seconds;
    int64_t nanos;
    int64_t kept;  // nanoseconds of far times are few
  };
  for (const Row& row : {Row{0, 0, 0}, Row{1709632800, 123456789, 123456789}, Row{-1, 999999999, 999999999},
                         Row{-62135596800, 0, 0}, Row{-62135596800, 1023, 1023}, Row{-62135596800, 1024, 0},
                         Row{-9223300001, 5, 5}, Row{-9223300000, 1024, 1024}, Row{9223000000, 999999999, 999999999},
                         Row{9223000001, 999999999, 0}, Row{9223372036, 854775806, 0}, Row{9223372036, 854775807, 854775807},
                         Row{-9223372037, 145224192, 145224192}, Row{16725225600, 7, 7}, Row{253402300799, 1023, 1023}}) {
    const SplitTime split = Split(Join(row.seconds, row.nanos));
    EXPECT_EQ(split.seconds, row.seconds) << row.seconds;
    EXPECT_EQ(split.nanos, row.kept) << row.seconds;
  }
  EXPECT_EQ(Join(-62135596801, 999999999), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Join(-62135596800, -1), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Join(std::numeric_limits<int64_t>::min(), -1), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Join(253402300800, 0), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Join(10, -500000000), 9500000000);
}

TEST(TimeTextTest, FarTimesKeepTheirOrder) {
  WallNanos last = std::numeric_limits<WallNanos>::min();
  for (int64_t seconds = -62135596800; seconds <= 253402300799; seconds += 98'765'432) {
    const WallNanos time = Join(seconds, 3);
    EXPECT_GT(time, last) << seconds;
    last = time;
  }
  for (const int64_t edge : {-9223300000ll, 9223000000ll}) {
    EXPECT_LT(Join(edge - 1, 999), Join(edge, 0));
    EXPECT_LT(Join(edge, 999999999), Join(edge + 1, 0));
  }
}

TEST(ResultTest, ForwardKeepsTheError) {
  const auto inner = []() -> Result<int> { return Fail(Code::kNotFound, "no such thing", 2); };
  const auto outer = [&]() -> Result<std::string> {
    auto r = inner();
    if (!r) return Forward(r);
    return std::to_string(*r);
  };
  const auto result = outer();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kNotFound);
  EXPECT_EQ(result.error().what, "no such thing");
  EXPECT_EQ(result.error().sys_errno, 2);
}

}  // namespace
}  // namespace agent
