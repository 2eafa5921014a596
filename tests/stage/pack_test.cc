// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(PackStage, PutsExtractedValuesAndTheLineIntoAnObject) {
  StageHarness run("- regex: {expression: '(?P<l>.*)'}\n- pack: {labels: [l, job, l, none], ingest_timestamp: false}\n",
                   {{"job", "x"}, {"kept", "y"}});
  ASSERT_EQ(run.problems(), "");
  EXPECT_EQ(run.Push({"a\tb\\x", "<\"&\x01\x08\xff\xE2\x80\xA8"}),
            "1.000000000 {kept=\"y\"} \"{\\\"job\\\":\\\"x\\\",\\\"l\\\":\\\"a\\\\tb\\\\\\\\x\\\",\\\"_entry\\\":\\\"a\\\\tb\\\\\\\\x\\\"}\"\n"
            "1.000000000 {kept=\"y\"} \"{\\\"job\\\":\\\"x\\\",\\\"l\\\":\\\"\\\\u003c\\\\\\\"\\\\u0026\\\\u0001\\\\u0008\\\\ufffd\\\\u2028\\\","
            "\\\"_entry\\\":\\\"\\\\u003c\\\\\\\"\\\\u0026\\\\u0001\\\\u0008\\\\ufffd\\\\u2028\\\"}\"\n");
}

TEST(PackStage, WritesNumbersAndBoolsAsTextAndSkipsNulls) {
  StageHarness run("- json: {expressions: {num: , b: , z: }}\n"
                   "- pack: {labels: [num, b, z], ingest_timestamp: false}\n");
  EXPECT_EQ(run.Push({R"({"num":1.5,"b":true,"z":null})"}),
            "1.000000000 {} \"{\\\"b\\\":\\\"true\\\",\\\"num\\\":\\\"1.5\\\",\\\"_entry\\\":"
            "\\\"{\\\\\\\"num\\\\\\\":1.5,\\\\\\\"b\\\\\\\":true,\\\\\\\"z\\\\\\\":null}\\\"}\"\n");
}

TEST(PackStage, SetsTheTimeToNowUnlessTold) {
  const char* stamp = "- regex: {expression: '^(?P<t>.*)'}\n- timestamp: {source: t, format: Unix}\n";
  StageHarness now(std::string(stamp) + "- pack:\n");
  now.SetWall(50'000'000'000);
  EXPECT_EQ(now.Push({"7"}), "50.000000000 {} \"{\\\"_entry\\\":\\\"7\\\"}\"\n");
  StageHarness kept(std::string(stamp) + "- pack: {ingest_timestamp: 'false'}\n");
  EXPECT_EQ(kept.Push({"7"}), "7.000000000 {} \"{\\\"_entry\\\":\\\"7\\\"}\"\n");
}

TEST(PackStage, TakesOneNameForAList) {
  StageHarness run("- pack: {labels: job, ingest_timestamp: false}\n", {{"job", "x"}});
  ASSERT_EQ(run.problems(), "");
  EXPECT_EQ(run.Push({"l"}), "1.000000000 {} \"{\\\"job\\\":\\\"x\\\",\\\"_entry\\\":\\\"l\\\"}\"\n");
}

}  // namespace
}  // namespace agent::test
