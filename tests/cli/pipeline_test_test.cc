// SPDX-License-Identifier: Apache-2.0
// The parts of `agent test`: times, comparing, what --update writes.
#include "agent/cli/internal/pipeline_test.h"

#include <gtest/gtest.h>

namespace agent::cli {
namespace {

TEST(PipelineTestTest, TimesInUtcGoForthAndBack) {
  for (const char* text : {"2026-03-02T10:00:00Z", "2026-03-02T10:00:00.5Z", "1969-12-31T23:59:59.999999999Z"}) {
    const auto time = ParseUtc(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(FormatUtc(*time), text);
  }
  EXPECT_EQ(ParseUtc("2026-03-02T10:00:00.50Z"), ParseUtc("2026-03-02T10:00:00.5Z"));
  for (const char* text : {"", "yesterday", "2026-03-02", "2026-03-02T10:00:00", "2026-03-02T10:00:00+01:00"}) {
    EXPECT_FALSE(ParseUtc(text)) << text;
  }
}

Outcome Entry(std::string line, LabelMap labels = {}) { return {std::move(line), std::move(labels), "2026-01-01T00:00:00Z", {}, {}}; }
Outcome Dropped(std::string line, std::string by) { return {std::move(line), {}, {}, {}, std::move(by)}; }

TEST(PipelineTestTest, OnlyWhatIsGivenIsCompared) {
  Expectation line;
  line.line = "a";
  EXPECT_EQ(Compare({line}, {Entry("a", {{"x", "y"}})}), "");
  EXPECT_EQ(Compare({Expectation{}}, {Entry("b")}), "");
  line.labels = LabelMap{};
  EXPECT_NE(Compare({line}, {Entry("a", {{"x", "y"}})}).find("+ {x=\"y\"}"), std::string::npos);
}

TEST(PipelineTestTest, AStageIsNamedByItsNameOrItsWholePlace) {
  for (const char* by : {"drop", "pipeline_stages[2].drop", "scrape_configs[0].pipeline_stages[2].drop"}) {
    Expectation dropped;
    dropped.dropped_by = by;
    EXPECT_EQ(Compare({dropped}, {Dropped("x", "scrape_configs[0].pipeline_stages[2].drop")}), "") << by;
    EXPECT_NE(Compare({dropped}, {Dropped("x", "scrape_configs[0].pipeline_stages[2].limit")}), "") << by;
    EXPECT_NE(Compare({dropped}, {Entry("x")}), "") << by;
  }
}

TEST(PipelineTestTest, TooFewAndTooManyAreNamed) {
  Expectation any;
  EXPECT_NE(Compare({any, any}, {Entry("a")}).find("+ nothing"), std::string::npos);
  EXPECT_NE(Compare({}, {Entry("a")}).find("- nothing"), std::string::npos);
}

TEST(PipelineTestTest, WhatUpdateWritesReadsBackAsTheSame) {
  const std::vector<Outcome> got = {
      {"a \"quoted\"\n\ttext \\ with: {odd} things", {{"level", "x: y"}, {"empty", ""}}, "2026-01-01T00:00:00.25Z", {{"id", "'1'"}}, {}},
      Dropped("- dash", "pipeline_stages[0].drop")};
  const std::string text = "tests:\n  - name: x\n    pipeline_stages: []\n    lines: [a]\n" + ExpectYaml(got, 4);
  Diagnostics diagnostics;
  const config::Node tree = config::ParseYaml(text, "t.yaml", diagnostics);
  const TestFile file = DecodeTestFile(tree, "t.yaml", diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.Text() << text;
  ASSERT_EQ(file.cases.size(), 1u);
  EXPECT_EQ(Compare(file.cases.front().expected, got), "");
  EXPECT_EQ(file.cases.front().expected.front().labels, got.front().labels);
}

}  // namespace
}  // namespace agent::cli
