// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(OutputStage, MakesAnExtractedValueTheLine) {
  StageHarness run("- regex: {expression: '^\\w+ (?P<rest>.*)'}\n- output: {source: rest}\n");
  ASSERT_EQ(run.problems(), "");
  EXPECT_EQ(run.Push({"info the rest", "nomatch", "info "}),
            "1.000000000 {} \"the rest\"\n"
            "1.000000000 {} \"nomatch\"\n"
            "1.000000000 {} \"\"\n");
}

TEST(OutputStage, ReadsLabelsToo) {
  StageHarness run("- output: {source: job}\n", {{"job", "api"}});
  EXPECT_EQ(run.Push({"x"}), "1.000000000 {job=\"api\"} \"api\"\n");
}

TEST(OutputStage, NeedsASource) {
  EXPECT_NE(PipelineProblems("- output:\n").find("pipeline_stages[0].output"), std::string::npos);
  EXPECT_NE(PipelineProblems("- output: {source: ''}\n").find("pipeline_stages[0].output"),
            std::string::npos);
  EXPECT_NE(PipelineProblems("- output: {source: 7}\n").find("error"), std::string::npos);
}

}  // namespace
}  // namespace agent::test
