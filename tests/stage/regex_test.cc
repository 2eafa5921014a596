// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

struct Case {
  const char* name;
  const char* options;
  const char* line;
  const char* extracted;
};

const Case kCases[] = {
    {"named groups", "{expression: '(?P<a>\\d+) (?P<b>\\w+)'}", "x 12 ab", R"(<a="12", b="ab", job="test">)"},
    {"unnamed groups are ignored", "{expression: '(\\d+) (?P<b>\\w+)'}", "x 12 ab",
     R"(<b="ab", job="test">)"},
    {"no match changes nothing", "{expression: '^(?P<job>\\d+)$'}", "x", R"(<job="test">)"},
    {"an optional group is empty text", "{expression: '(?P<a>\\d+)?(?P<b>x)'}", "x",
     R"(<a="", b="x", job="test">)"},
    {"only the first match counts", "{expression: '(?P<a>\\d)'}", "1 2", R"(<a="1", job="test">)"},
    {"of two groups of one name the later wins", "{expression: '(?P<a>1)|(?P<a>2)'}", "1",
     R"(<a="", job="test">)"},
    {"and again", "{expression: '(?P<a>\\w)-(?P<a>\\w)'}", "x-y", R"(<a="y", job="test">)"},
    {"the short form of a name", "{expression: '(?<a>\\d+)'}", "7", R"(<a="7", job="test">)"},
    {"a bracket or escape is no group", "{expression: '[(?P<a>]\\(\\Q(?P<x>\\E(?P<a>.)'}", "((?(?P<x>1",
     R"(<job="test">)"},
    {"leftmost first, not longest", "{expression: '(?P<a>a|ab)'}", "ab", R"(<a="a", job="test">)"},
    {"another source", "{expression: '(?P<a>^t)', source: job}", "x", R"(<a="t", job="test">)"},
    {"a missing source", "{expression: '(?P<a>.)', source: nothing}", "x", R"(<job="test">)"},
    {"a group may replace a label's value", "{expression: '(?P<job>.)'}", "x", R"(<job="x">)"},
    {"option names in any case", "{Expression: '(?P<a>.)', SOURCE: job}", "x", R"(<a="t", job="test">)"},
    {"a dot matches a byte that is not UTF-8", "{expression: '^(?P<a>.)(?P<b>..)$'}",
     "\xff"
     "\xc3\xa9"
     "\xfe",
     "<a=\"\\xff\", b=\"\xc3\xa9\\xfe\", job=\"test\">"},
    {"case-insensitive flags", "{expression: '(?i)(?P<a>INFO)'}", "info", R"(<a="info", job="test">)"},
    {"anchors are those of the text", "{expression: '(?P<a>b$)'}", "b\nb", R"(<a="b", job="test">)"},
};

TEST(RegexStage, ExtractsNamedGroups) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    StageHarness run(std::string("- regex: ") + c.options + "\n", {{"job", "test"}});
    ASSERT_EQ(run.problems(), "");
    run.ShowExtracted();
    const std::string out = run.Push({c.line});
    EXPECT_EQ(out.substr(out.find(" <") + 1), std::string(c.extracted) + "\n");
  }
}

TEST(RegexStage, NamesEveryBadOption) {
  for (const char* options : {"", "{}", "{expression: ''}", "{expression: '('}", "{expression: 7}",
                              "{expression: a, source: ''}", "{expression: '(?P<a-b>x)'}", "[a]"}) {
    SCOPED_TRACE(options);
    const std::string problems = PipelineProblems(std::string("- regex: ") + options + "\n");
    EXPECT_NE(problems.find(": error: pipeline_stages[0].regex"), std::string::npos) << problems;
  }
  const std::string warning = PipelineProblems("- regex: {expression: a, sorce: b}\n");
  EXPECT_NE(warning.find(":1:26: warning: pipeline_stages[0].regex.sorce"), std::string::npos) << warning;
}

}  // namespace
}  // namespace agent::test
