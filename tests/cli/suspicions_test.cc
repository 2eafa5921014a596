// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/internal/suspicions.h"

#include <gtest/gtest.h>

#include <string>

namespace agent::cli {
namespace {

std::string Warnings(const std::string& stages) {
  Diagnostics diagnostics;
  const config::Node tree =
      config::ParseYaml("scrape_configs: [{job_name: a, pipeline_stages: " + stages + "}]", "c.yaml", diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.Text();
  FindSuspicions(tree, diagnostics);
  return diagnostics.Text();
}

TEST(SuspicionsTest, ExpressionsThatCannotMatch) {
  for (const char* never : {"a^b", "a$b", "error$ (x)", "^a$b", "x+^y", "\\\\d^", "[a]$b"}) {
    EXPECT_NE(Warnings(std::string("[regex: {expression: \"") + never + "\"}]").find("can never match"), std::string::npos) << never;
  }
  for (const char* fine : {"^a$", "a|^b", "(^a)b", "a*^b", "(?m)a$b", "[$^]a", "\\\\$5 ^?", "^^a$$", "a\\\\b$", "(a$|b)", "^(?P<x>.*)$",
                           "a$|b", "x?^y"}) {
    EXPECT_EQ(Warnings(std::string("[regex: {expression: \"") + fine + "\"}]"), "") << fine;
  }
}

TEST(SuspicionsTest, ALineHasNoLineBreakWithoutMultiline) {
  EXPECT_NE(Warnings("[regex: {expression: 'a\\nb'}]").find("line break"), std::string::npos);
  EXPECT_EQ(Warnings("[multiline: {firstline: x}, regex: {expression: 'a\\nb'}]"), "");
  EXPECT_EQ(Warnings("[json: {expressions: {x: }}, regex: {expression: 'a\\nb', source: x}]"), "");
}

TEST(SuspicionsTest, TheRuntimesHeadIsGoneBehindCri) {
  const std::string regex = "regex: {expression: '^(?P<t>\\S+) (stdout|stderr) (.*)$'}";
  EXPECT_NE(Warnings("[cri: {}, " + regex + "]").find("taken off"), std::string::npos);
  EXPECT_EQ(Warnings("[" + regex + "]"), "");
}

TEST(SuspicionsTest, NothingComesBehindAStageThatDropsAll) {
  EXPECT_NE(Warnings("[drop: {expression: '.*'}, output: {source: x}]").find("no line comes here"), std::string::npos);
  EXPECT_NE(Warnings("[sampling: {rate: 0}, output: {source: x}]").find("no line comes here"), std::string::npos);
  EXPECT_EQ(Warnings("[drop: {expression: '.*', source: x}, output: {source: x}]"), "");
  EXPECT_EQ(Warnings("[drop: {expression: 'a.*'}, output: {source: x}]"), "");
  EXPECT_EQ(Warnings("[match: {selector: '{a=\"b\"}', stages: [{drop: {expression: '.*'}}]}, output: {source: x}]"), "");
}

TEST(SuspicionsTest, LabelsWithoutABound) {
  EXPECT_NE(Warnings("[labels: {trace_id: }]").find("trace_id"), std::string::npos);
  EXPECT_NE(Warnings("[labels: {who: user_id}]").find("\"who\""), std::string::npos);
  EXPECT_EQ(Warnings("[labels: {level: , status: code}]"), "");
  EXPECT_EQ(Warnings("[structured_metadata: {trace_id: }]"), "");
}

}  // namespace
}  // namespace agent::cli
