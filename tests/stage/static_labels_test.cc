// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(StaticLabelsStage, SetsLabels) {
  ExpectStageCases({
      {"fixed values",
       "- static_labels: {x: v, job: new}\n",
       {"l"},
       {R"(1.000000000 {job="new", x="v"} "l" <job="test">)"}},
      {"null and empty values are skipped",
       "- static_labels: {x: , job: '', z: w}\n",
       {"l"},
       {R"(1.000000000 {job="test", z="w"} "l" <job="test">)"}},
      {"a value in quotes",
       "- static_labels: {x: '5'}\n",
       {"l"},
       {R"(1.000000000 {job="test", x="5"} "l" <job="test">)"}},
      {"nothing named", "- static_labels: {}\n", {"l"}, {R"(1.000000000 {job="test"} "l" <job="test">)"}},
      {"null", "- static_labels: null\n", {"l"}, {R"(1.000000000 {job="test"} "l" <job="test">)"}},
  });
}

TEST(StaticLabelsStage, NamesBadOptions) {
  ExpectBadOptions("static_labels", {"{x: 5}", "{x: yes}", "[x]", "x", "{'': x}"});
}

TEST(StaticLabelsStage, WarnsOfNamesThatLokiRefuses) {
  StageHarness run("- static_labels: {a-b: x, ok: v}\n");
  EXPECT_EQ(run.problems(),
            "test.yaml:1:19: warning: pipeline_stages[0].static_labels.a-b: Loki refuses the label name "
            "\"a-b\", so "
            "it is sent with _ for what is not allowed; use letters, digits and _\n");
  EXPECT_EQ(run.Push({"l"}), "1.000000000 {a-b=\"x\", ok=\"v\"} \"l\"\n");
}

}  // namespace
}  // namespace agent::test
