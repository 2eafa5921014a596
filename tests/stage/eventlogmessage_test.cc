// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

using testing::HasSubstr;

std::string Extracted(const char* options, const char* message) {
  StageHarness run(std::string("- json: {expressions: {message: }}\n- eventlogmessage: ") + options +
                       "\n- labeldrop: [nothing]\n- output: {source: nothing}\n",
                   {{"job", "x"}});
  EXPECT_EQ(run.problems(), "");
  run.ShowExtracted();
  const std::string out = run.Push({std::string("{\"message\":\"") + message + "\"}"});
  const size_t from = out.find(" <");
  return from == std::string::npos ? out : out.substr(from + 1, out.rfind('>') - from);
}

TEST(EventLogMessageStage, CutsLinesAtTheirFirstColon) {
  EXPECT_EQ(Extracted("{}", "Key: v1\\r\\nb:c:d\\r\\n:empty"),
            "<Key=\"v1\", _=\"empty\", b=\"c:d\", job=\"x\", message=\"Key: v1\\r\\nb:c:d\\r\\n:empty\">");
}

TEST(EventLogMessageStage, CleansKeysAndKeepsOldValues) {
  EXPECT_EQ(Extracted("{}", "Other Key: x\\r\\n9bad: z\\r\\nno colon\\r\\njob: dup\\r\\né: q"),
            "<Other_Key=\"x\", _=\"q\", _bad=\"z\", job=\"x\", job_extracted=\"dup\", "
            "message=\"Other Key: x\\r\\n9bad: z\\r\\nno colon\\r\\njob: dup\\r\\né: q\">");
}

TEST(EventLogMessageStage, CanDropKeysAndOverwrite) {
  EXPECT_EQ(Extracted("{drop_invalid_labels: true, overwrite_existing: true}", "Other Key: x\\r\\njob: dup\\r\\nmessage: m"),
            "<job=\"dup\", message=\"m\">");
}

TEST(EventLogMessageStage, TrimsUnicodeSpacesButSplitsAtCrLfOnly) {
  EXPECT_THAT(Extracted("{}", "a: \\u00a0x\\u2003"), HasSubstr("<a=\"x\","));
  EXPECT_THAT(Extracted("{}", "b: c\\nd: e"), HasSubstr("<b=\"c\\nd: e\","));
}

TEST(EventLogMessageStage, PassesWithoutASourceAndDropsWhatHasNoText) {
  StageHarness run("- json: {expressions: {message: }}\n- eventlogmessage:\n");
  ASSERT_EQ(run.problems(), "");
  EXPECT_EQ(run.Push({"plain", R"({"message":null})", R"({"message":5})"}),
            "1.000000000 {} \"plain\"\n1.000000000 {} \"{\\\"message\\\":5}\"\n");
  EXPECT_EQ(run.Drops(), "eventlogmessage_stage: 1, 16\n");
  EXPECT_THAT(run.metrics().Text(), HasSubstr("sluice_stage_failures_total{stage=\"eventlogmessage\"} 1"));
}

TEST(EventLogMessageStage, RefusesBadOptions) {
  EXPECT_THAT(PipelineProblems("- eventlogmessage: {source: 'a b'}\n"), HasSubstr("\"a b\" is not a label name"));
  EXPECT_THAT(PipelineProblems("- eventlogmessage: {drop_invalid_labels: 'true'}\n"), HasSubstr("error"));
}

}  // namespace
}  // namespace agent::test
