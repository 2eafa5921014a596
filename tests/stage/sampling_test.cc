// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

using testing::HasSubstr;

size_t Passed(const char* options, size_t lines, std::string* drops = nullptr) {
  StageHarness run(std::string("- sampling: ") + options + "\n");
  EXPECT_TRUE(run.ok()) << run.problems();
  const std::string out = run.Push(std::vector<std::string>(lines, "x"));
  if (drops != nullptr) *drops = run.Drops();
  return static_cast<size_t>(std::count(out.begin(), out.end(), '\n'));
}

TEST(SamplingStage, LetsTheRatePass) {
  std::string drops;
  EXPECT_EQ(Passed("{rate: 1}", 1000), 1000u);
  EXPECT_EQ(Passed("{rate: '1'}", 10), 10u);
  EXPECT_EQ(Passed("{rate: 0}", 1000), 0u);
  const size_t half = Passed("{rate: 0.5, drop_counter_reason: thinned}", 10'000, &drops);
  EXPECT_GT(half, 4700u);  // six standard deviations
  EXPECT_LT(half, 5300u);
  EXPECT_EQ(drops, "thinned: " + std::to_string(10'000 - half) + ", " + std::to_string(10'000 - half) + "\n");
}

TEST(SamplingStage, ChoosesTheSameAgainWithTheSameClocks) {
  const std::vector<std::string> lines(200, "x");
  StageHarness one("- sampling: {rate: 0.5}\n"), same("- sampling: {rate: 0.5}\n"), other("- sampling: {rate: 0.5}\n");
  other.Advance(std::chrono::milliseconds(1));
  const std::string first = one.Push(lines);
  EXPECT_EQ(first, same.Push(lines));
  EXPECT_NE(first.size(), 0u);
  EXPECT_NE(one.Push(lines), first);
}

TEST(SamplingStage, DropsEverythingWithoutARateAndWarns) {
  StageHarness run("- sampling:\n");
  EXPECT_TRUE(run.ok());
  EXPECT_THAT(run.problems(), HasSubstr("every line is dropped"));
  EXPECT_EQ(run.Push({"a"}), "");
  EXPECT_EQ(run.Drops(), "sampling_stage: 1, 1\n");
}

TEST(SamplingStage, RefusesRatesBeyondOne) {
  EXPECT_THAT(PipelineProblems("- sampling: {rate: 1.5}\n"), HasSubstr("between 0 and 1"));
  EXPECT_THAT(PipelineProblems("- sampling: {rate: -0.5}\n"), HasSubstr("between 0 and 1"));
  EXPECT_THAT(PipelineProblems("- sampling: {rate: .nan}\n"), HasSubstr("between 0 and 1"));
}

}  // namespace
}  // namespace agent::test
