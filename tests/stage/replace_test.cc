// SPDX-License-Identifier: Apache-2.0
// What a real Promtail 3.6 makes of the same lines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

using testing::HasSubstr;

struct Replacement {
  const char* options;
  const char* line;
  const char* expected;   // the line afterwards
  const char* extracted;  // the extracted map, beside the label job="x"
};

class Replaces : public testing::TestWithParam<Replacement> {};

TEST_P(Replaces, AsPromtailDoes) {
  const Replacement& c = GetParam();
  StageHarness run(std::string("- replace: ") + c.options + "\n", {{"job", "x"}});
  ASSERT_EQ(run.problems(), "");
  run.ShowExtracted();
  EXPECT_EQ(run.Push({c.line}),
            std::string("1.000000000 {job=\"x\"} \"") + c.expected + "\" <" + c.extracted + ">\n");
}

INSTANTIATE_TEST_SUITE_P(
    Stage, Replaces,
    testing::Values(
        Replacement{R"({expression: 'password=(\S+)', replace: '****'})", "user=a password=secret x password=b",
             "user=a password=**** x password=****", "job=\"x\""},
        Replacement{R"({expression: 'password=(\S+)', replace: '****'})", "password=", "password=", "job=\"x\""},
        Replacement{R"({expression: '(?P<ip>\d+\.\d+) (?P<u>\w+)', replace: '{{ .Value | ToUpper }}-{{ .missing }}-{{ .job }}'})",
             "1.2 bob 3.4 al", "1.2-<no value>-x BOB-<no value>-x 3.4-<no value>-x AL-<no value>-x",
             "ip=\"1.2-<no value>-x\", job=\"x\", u=\"BOB-<no value>-x\""},
        Replacement{"{expression: '(a(b)c)(d)?', replace: '<{{ .Value }}>'}", "xabcd abc", "x<abc><d> <abc>", "job=\"x\""},
        Replacement{"{expression: '(x*)', replace: '-'}", "axxb", "-a-b-", "job=\"x\""},
        Replacement{"{expression: '(x*)', replace: '-'}", "", "-", "job=\"x\""},
        Replacement{"{expression: '(x*)', replace: '-'}", "é", "-é-", "job=\"x\""},
        Replacement{"{expression: 'abc', replace: '-'}", "abc", "abc", "job=\"x\""},
        Replacement{"{expression: '(x)', replace: '-', source: job}", "axxb", "axxb", "job=\"-\""},
        Replacement{R"({expression: '(?P<g>a)|(?P<h>b)', replace: '{{ if eq .Value "a" }}1{{ else }}2{{ end }}'})", "ba", "21",
             "h=\"2\", job=\"x\""},
        Replacement{"{expression: '(?P<g>a*)b(?P<h>c*)', replace: '[{{ .Value }}]'}", "b bc ab", "[]b[] []b[c] [a]b[]",
             "g=\"[]\", h=\"[]\", job=\"x\""},
        Replacement{"{expression: '(a)', replace: '{{ .x | ToUpper }}'}", "ab", "ab", "job=\"x\""},
        Replacement{"{expression: '(a)'}", "aba", "b", "job=\"x\""},
        Replacement{"{expression: '(?:(a)|(b))*', replace: '<{{ .Value }}>'}", "abab c", "ab<a><b> c", "job=\"x\""},
        Replacement{R"({expression: '(?P<x>\w+)=(?P<y>\w+)', replace: '{{ .Value }}{{ .job }}{{ .Entry }}{{ len . }}'})",
             "k=v a=b", "kx<no value>2=vx<no value>2 ax<no value>2=bx<no value>2",
             "job=\"x\", x=\"kx<no value>2\", y=\"vx<no value>2\""},
        Replacement{"{expression: '(?P<a>.)(?P<a>.)', replace: '[{{ .Value }}]'}", "ab cd", "[a][b][ ][c]d",
             "a=\"[b]\", job=\"x\""},
        Replacement{R"({expression: '(\b)', replace: '|'})", "ab cd", "|ab| |cd|", "job=\"x\""},
        Replacement{"{expression: '(?P<a>x)?(?P<b>y)', replace: '{{ .Value }}!'}", "y xy", "y! x!y!", "b=\"y!\", job=\"x\""},
        Replacement{"{expression: '(?P<a>x?)(?P<b>y)', replace: '{{ .Value }}!'}", "y xy", "!y! x!y!",
             "a=\"!\", b=\"y!\", job=\"x\""},
        Replacement{"{expression: 'a(b(c))d', replace: '<{{ .Value }}>'}", "abcd abcd", "a<bc>d a<bc>d", "job=\"x\""},
        Replacement{"{expression: '(.)', replace: x}", "a\xff" "b", "xxx", "job=\"x\""}));

TEST(ReplaceStage, ReadsNumbersAndSkipsNulls) {
  StageHarness run("- json: {expressions: {num: }}\n- replace: {expression: '(1)', source: num, replace: '7'}\n"
                   "- labels: {num: }\n");
  ASSERT_EQ(run.problems(), "");
  EXPECT_EQ(run.Push({R"({"num":11.5})", R"({"num":null})", "none"}),
            "1.000000000 {num=\"77.5\"} \"{\\\"num\\\":11.5}\"\n"
            "1.000000000 {} \"{\\\"num\\\":null}\"\n"
            "1.000000000 {} \"none\"\n");
}

TEST(ReplaceStage, CountsRecordsThatItsTemplateFailsOn) {
  StageHarness run("- replace: {expression: '(a)', replace: '{{ .x | ToUpper }}'}\n");
  run.Push({"a", "b", "a"});
  EXPECT_THAT(run.metrics().Text(), HasSubstr("sluice_stage_failures_total{stage=\"replace\"} 2"));
}

TEST(ReplaceStage, StartsWithATemplateThatDoesNotCompileAndSaysSo) {
  StageHarness run("- replace: {expression: '(a)', replace: '{{ .Value | nope }}'}\n");
  EXPECT_TRUE(run.ok());
  EXPECT_THAT(run.problems(), HasSubstr("warning: pipeline_stages[0].replace.replace: the template does not compile, so "
                                        "the stage does nothing: line 1: function \"nope\" not defined"));
  EXPECT_EQ(run.Push({"a"}), "1.000000000 {} \"a\"\n");
}

TEST(ReplaceStage, RefusesBadOptions) {
  for (const char* options : {"{replace: x}", "{expression: ''}", "{expression: '('}", "{expression: a, source: ''}",
                              "{expression: '(a)', replace: 5}"}) {
    EXPECT_THAT(PipelineProblems(std::string("- replace: ") + options + "\n"), HasSubstr("error: pipeline_stages[0].replace"))
        << options;
  }
}

}  // namespace
}  // namespace agent::test
