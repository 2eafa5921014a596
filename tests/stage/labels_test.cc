// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

struct Case {
  const char* name;
  const char* yaml;
  const char* line;
  const char* labels;  // of the record that comes out
};

// A regex makes the extracted values; groups that take no part are empty text.
const Case kCases[] = {
    {"a null source is the name itself", "- regex: {expression: '(?P<level>\\w+)'}\n- labels: {level: }\n",
     "info x", R"({job="test", level="info"})"},
    {"an empty source is the name itself",
     "- regex: {expression: '(?P<level>\\w+)'}\n- labels: {level: ''}\n", "info x",
     R"({job="test", level="info"})"},
    {"a source names another key", "- regex: {expression: '(?P<l>\\w+)'}\n- labels: {level: l}\n", "info x",
     R"({job="test", level="info"})"},
    {"an absent key sets nothing", "- labels: {level: }\n", "info x", R"({job="test"})"},
    {"an empty value is a label", "- regex: {expression: '(?P<a>x*)y'}\n- labels: {a: }\n", "y",
     R"({a="", job="test"})"},
    {"a group that took no part is an empty label", "- regex: {expression: '(?P<a>x)?y'}\n- labels: {a: }\n",
     "y", R"({a="", job="test"})"},
    {"invalid UTF-8 never becomes a label", "- regex: {expression: '(?P<a>.+)'}\n- labels: {a: , job: a}\n",
     "\xff\xfe", R"({job="test"})"},
    {"a label is replaced", "- regex: {expression: '(?P<job>\\w+)'}\n- labels: {job: }\n", "new",
     R"({job="new"})"},
    {"labels at the start are extracted values", "- labels: {copy: job}\n", "x",
     R"({copy="test", job="test"})"},
    {"labels set later are not extracted values", "- labels: {a: job}\n- labels: {b: a}\n", "x",
     R"({a="test", job="test"})"},
    {"an empty map does nothing", "- labels: {}\n", "x", R"({job="test"})"},
};

TEST(LabelsStage, SetsLabelsFromExtractedValues) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    StageHarness run(c.yaml, {{"job", "test"}});
    ASSERT_EQ(run.problems(), "");
    for (int repeat = 0; repeat < 2; ++repeat) {  // the second time from the cache
      const std::string out = run.Push({c.line});
      const std::string expected = std::string("1.000000000 ") + c.labels + " ";
      EXPECT_EQ(out.substr(0, expected.size()), expected);
    }
  }
}

TEST(LabelsStage, GivesEveryLineItsOwnValues) {
  StageHarness run("- regex: {expression: '(?P<a>\\w*),(?P<b>\\w*)'}\n- labels: {a: , b: }\n");
  std::vector<std::string> lines;
  std::string expected;
  for (int i = 0; i < 2000; ++i) {  // more than the cache holds
    const std::string a = std::to_string(i % 7);
    const std::string b = std::to_string(i);
    lines.push_back(a + "," + b);
    expected += "1.000000000 {a=\"" + a + "\", b=\"" + b + "\"} \"" + a + "," + b + "\"\n";
  }
  EXPECT_EQ(run.Push(lines), expected);
  run.SweepLabels();
  EXPECT_EQ(run.Push(lines), expected);
}

TEST(LabelsStage, DoesNotConfuseNeighbouringTexts) {
  StageHarness run("- regex: {expression: '(?P<a>\\w*),(?P<b>\\w*)'}\n- labels: {a: , b: }\n");
  EXPECT_EQ(run.Push({"ab,c", "a,bc", "abc,", ",abc"}),
            "1.000000000 {a=\"ab\", b=\"c\"} \"ab,c\"\n"
            "1.000000000 {a=\"a\", b=\"bc\"} \"a,bc\"\n"
            "1.000000000 {a=\"abc\", b=\"\"} \"abc,\"\n"
            "1.000000000 {a=\"\", b=\"abc\"} \",abc\"\n");
}

TEST(LabelsStage, NamesEveryBadOption) {
  EXPECT_EQ(PipelineProblems("- labels: null\n"),
            "test.yaml:1:11: warning: pipeline_stages[0].labels: no labels are named, so this stage does "
            "nothing\n");
  EXPECT_EQ(PipelineProblems("- labels: {a-b: , 1x: , ok: }\n"),
            "test.yaml:1:12: error: pipeline_stages[0].labels: \"a-b\" is not a label name: use letters, "
            "digits and "
            "_, and do not begin with a digit\n"
            "test.yaml:1:19: error: pipeline_stages[0].labels: \"1x\" is not a label name: use letters, "
            "digits and _, "
            "and do not begin with a digit\n");
  EXPECT_EQ(PipelineProblems("- labels: {a: 1, n: yes}\n"),
            "test.yaml:1:15: error: pipeline_stages[0].labels.a: text is needed here, but this is a number; "
            "write it "
            "in quotes: \"1\"\n"
            "test.yaml:1:18: error: pipeline_stages[0].labels: text is needed here, but this is a bool; "
            "write it in "
            "quotes: \"n\"\n");
  EXPECT_EQ(PipelineProblems("- labels: [a]\n"),
            "test.yaml:1:11: error: pipeline_stages[0].labels: a map of names is needed here, but this is a "
            "list\n");
}

}  // namespace
}  // namespace agent::test
