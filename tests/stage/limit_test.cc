// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

std::vector<std::string> Numbered(size_t count) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < count; ++i) lines.push_back(std::to_string(i));
  return lines;
}

size_t Lines(const std::string& dump) { return static_cast<size_t>(std::count(dump.begin(), dump.end(), '\n')); }

TEST(LimitStage, DropsBeyondBurstAndRefillsAtTheRate) {
  StageHarness run("- limit: {rate: 10, burst: 3, drop: true}\n");
  ASSERT_EQ(run.problems(), "");
  EXPECT_EQ(Lines(run.Push(Numbered(5))), 3u);
  run.Advance(milliseconds(100));
  EXPECT_EQ(Lines(run.Push(Numbered(5))), 1u);
  run.Advance(milliseconds(99));
  EXPECT_EQ(Lines(run.Push(Numbered(5))), 0u);
  run.Advance(milliseconds(1));
  EXPECT_EQ(Lines(run.Push(Numbered(5))), 1u);
  run.Advance(seconds(100));
  EXPECT_EQ(Lines(run.Push(Numbered(5))), 3u);
  EXPECT_EQ(run.Drops(), "ratelimit_drop_stage: 17, 17\n");
  EXPECT_EQ(run.pause_until(), MonoTime());
}

TEST(LimitStage, HasABucketForEachValueOfALabel) {
  StageHarness run("- regex: {expression: '(?P<app>.)'}\n- labels: {app: }\n"
                   "- limit: {rate: 0.001, burst: 1, drop: true, by_label_name: app}\n");
  ASSERT_EQ(run.problems(), "");
  EXPECT_EQ(run.Push({"a1", "b1", "a2", "b2", "c1", "a3"}),
            "1.000000000 {app=\"a\"} \"a1\"\n1.000000000 {app=\"b\"} \"b1\"\n1.000000000 {app=\"c\"} \"c1\"\n");
  const std::string text = run.metrics().Text();
  EXPECT_THAT(text, HasSubstr("logentry_dropped_lines_by_label_total{label_name=\"app\",label_value=\"a\"} 2"));
  EXPECT_THAT(text, HasSubstr("logentry_dropped_lines_by_label_total{label_name=\"app\",label_value=\"b\"} 1"));
  EXPECT_EQ(run.Drops(), "ratelimit_drop_stage: 3, 6\n");
}

TEST(LimitStage, DoesNotLimitRecordsWithoutTheLabel) {
  StageHarness run("- limit: {rate: 0.001, burst: 1, drop: true, by_label_name: app}\n");
  EXPECT_EQ(Lines(run.Push(Numbered(5))), 5u);
}

TEST(LimitStage, ForgetsLabelValuesAndTheirCountersByGenerations) {
  StageHarness run("- regex: {expression: '(?P<app>.*)'}\n- labels: {app: }\n"
                   "- limit: {rate: 0.001, burst: 1, drop: true, by_label_name: app, max_distinct_labels: 10000}\n");
  ASSERT_EQ(run.problems(), "");
  EXPECT_EQ(Lines(run.Push({"0", "0"})), 1u);
  EXPECT_THAT(run.metrics().Text(), HasSubstr("label_value=\"0\"} 1"));
  EXPECT_EQ(Lines(run.Push(Numbered(10'000))), 9'999u);  // ends a generation
  EXPECT_THAT(run.metrics().Text(), testing::Not(HasSubstr("by_label_total{")));
  EXPECT_EQ(Lines(run.Push({"0"})), 0u);  // the bucket of the old generation still counts
}

// -- without `drop`: nothing is lost, it only waits --

TEST(LimitStage, KeepsBackWhatHasNoTokenAndPausesTheLane) {
  StageHarness run("- limit: {rate: 10, burst: 2}\n");
  ASSERT_EQ(run.problems(), "");
  EXPECT_EQ(run.Push(Numbered(5)), "1.000000000 {} \"0\"\n1.000000000 {} \"1\"\n");
  EXPECT_EQ(run.Held(), 3u);
  EXPECT_GE(run.pause_until(), run.now() + milliseconds(300));
  EXPECT_LE(run.pause_until(), run.now() + milliseconds(301));
  EXPECT_EQ(run.file().receipts.Committed(), 4u);  // the third line begins there
  run.Advance(milliseconds(100));
  EXPECT_LE(run.NextDeadline(), run.now() + milliseconds(10));
  EXPECT_EQ(run.Flush(), "1.000000000 {} \"2\"\n");
  run.Advance(milliseconds(200));
  EXPECT_EQ(run.Flush(), "1.000000000 {} \"3\"\n1.000000000 {} \"4\"\n");
  EXPECT_EQ(run.NextDeadline(), kNever);
  EXPECT_EQ(run.Drops(), "");
}

TEST(LimitStage, KeepsTheOrderWhenMoreArrivesWhileLinesWait) {
  StageHarness run("- limit: {rate: 10, burst: 1}\n");
  std::string out = run.Push({"a", "b"});
  run.Advance(milliseconds(100));
  out += run.Push({"c", "d"});  // a token is there, but `b` is first
  for (int i = 0; i < 10; ++i) {
    run.Advance(milliseconds(100));
    out += run.Flush();
  }
  EXPECT_EQ(out, "1.000000000 {} \"a\"\n1.000000000 {} \"b\"\n1.100000000 {} \"c\"\n1.100000000 {} \"d\"\n");
}

TEST(LimitStage, SendsEverythingAtTheEnd) {
  StageHarness run("- limit: {rate: 0.001, burst: 1}\n");
  EXPECT_EQ(Lines(run.Push(Numbered(10))), 1u);
  EXPECT_EQ(Lines(run.Flush(true)), 9u);
  EXPECT_EQ(run.Held(), 0u);
}

TEST(LimitStage, HoldsAHighRateOverTime) {
  StageHarness run("- limit: {rate: 20000, burst: 1}\n");
  size_t sent = 0;
  const MonoTime end = run.now() + seconds(1);
  while (run.now() < end) {
    if (run.Held() == 0) sent += Lines(run.Push(Numbered(500)));
    run.Advance(milliseconds(10));
    sent += Lines(run.Flush());
  }
  EXPECT_GT(sent, 18'000u);
  EXPECT_LT(sent, 21'500u);
}

TEST(LimitStage, RefusesBadOptions) {
  for (const char* options : {"{rate: 0, burst: 2}", "{rate: 1}", "{burst: 1}", "{rate: -1, burst: 1}", "{}",
                              "{rate: 1, burst: 1, by_label_name: app}", "{rate: x, burst: 1}"}) {
    EXPECT_THAT(PipelineProblems(std::string("- limit: ") + options + "\n"), HasSubstr("error: pipeline_stages[0].limit"))
        << options;
  }
  EXPECT_EQ(PipelineProblems("- limit: {rate: '1.5', burst: '2', drop: 'true'}\n"), "");
}

}  // namespace
}  // namespace agent::test
