// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

using testing::HasSubstr;

constexpr const char* kJson = "- json: {expressions: {a: , b: , num: , z: , t: }}\n";
constexpr const char* kLine = R"({"a":"hello","b":"","num":1e20,"z":null,"t":true})";

struct Case {
  const char* source;
  const char* text;      // the template
  const char* expected;  // what the label `out` shows of the source afterwards; null: the key is gone
};

class TemplateValues : public testing::TestWithParam<Case> {};

TEST_P(TemplateValues, AreWhatPromtailMakes) {
  const Case& c = GetParam();
  const std::string source = c.source;
  StageHarness run(std::string(kJson) + "- template: {source: " + source + ", template: '" + c.text + "'}\n" +
                       "- labels: {out: " + source + "}\n",
                   {{"job", "x"}});
  ASSERT_EQ(run.problems(), "");
  const std::string out = c.expected == nullptr ? "" : std::string("out=\"") + c.expected + "\"";
  EXPECT_THAT(run.Push({kLine}), HasSubstr("{job=\"x\"" + (out.empty() ? "" : ", " + out) + "}"));
}

INSTANTIATE_TEST_SUITE_P(
    Stage, TemplateValues,
    testing::Values(Case{"a", "{{ .Value }}", "hello"}, Case{"a", "{{ .a | ToUpper }}", "HELLO"},
                    Case{"b", "{{ .a }}", "hello"}, Case{"new", "{{ .a }}-{{ .job }}", "hello-x"},
                    Case{"new", "{{ .Value }}", "<no value>"}, Case{"z", "{{ .Value }}", "<no value>"},
                    Case{"num", "{{ .Value }}", "100000000000000000000"}, Case{"t", "{{ .Value }}", "true"},
                    Case{"a", "{{ .missing }}", "<no value>"}, Case{"a", "{{ .z }}", "<no value>"},
                    Case{"a", "{{ .missing | ToUpper }}", "hello"},  // fails: nothing changes
                    Case{"a", "{{ if .b }}x{{ end }}", nullptr}, Case{"a", "", nullptr}, Case{"a", "lit", "lit"},
                    Case{"a", "{{ len . }}", "7"}, Case{"new", "{{ len . }}", "6"},
                    Case{"a", "{{ range $k, $v := . }}{{ $k }},{{ end }}", "Entry,Value,a,b,job,num,t,"},
                    Case{"a", "{{ eq .num \"100000000000000000000\" }}", "true"},
                    Case{"a", "{{ .Entry | trunc 5 | squote }}", "'{\\\"a\\\":'"},
                    Case{"a", "{{ .z | default \"d\" }}", "d"},
                    Case{"a", "{{ Hash \"salt\" .Value }}",
                         "03e21ab7c10d07f9d4ac68705a6e42ea9812c43704eea51814343e1ae462df96"},
                    Case{"a", "{{ .Value | Sha2Hash \"x\" }}",
                         "2be1c55b58708d3075fa692891dd9d763623b537f467012b67768cedba086fd2"}));

TEST(TemplateStage, ReadsKeysThatCameFromNoKnownName) {
  StageHarness run("- json: {expressions: {message: }}\n- eventlogmessage:\n"
                   "- template: {source: out, template: '{{ .Surprise }}|{{ index . \"Surprise\" }}'}\n"
                   "- output: {source: out}\n");
  ASSERT_EQ(run.problems(), "");
  EXPECT_THAT(run.Push({R"({"message":"Surprise: yes"})"}), HasSubstr("\"yes|yes\""));
}

TEST(TemplateStage, CountsRecordsThatItFailsOn) {
  StageHarness run("- template: {source: a, template: '{{ .missing | ToUpper }}'}\n");
  run.Push({"x", "y"});
  EXPECT_THAT(run.metrics().Text(), HasSubstr("sluice_stage_failures_total{stage=\"template\"} 2"));
}

TEST(TemplateStage, KnowsTheTimeOfTheBatch) {
  StageHarness run("- template: {source: t, template: '{{ now.Unix }}'}\n- output: {source: t}\n");
  run.SetWall(1'700'000'000'000'000'000);
  EXPECT_THAT(run.Push({"x"}), HasSubstr("\"1700000000\""));
}

TEST(TemplateStage, RefusesWhatIsNoTemplate) {
  EXPECT_THAT(PipelineProblems("- template: {source: a, template: '{{ .x'}\n"),
              HasSubstr("pipeline_stages[0].template.template: the template does not compile: line 1: an action has no end"));
  EXPECT_THAT(PipelineProblems("- template: {source: a, template: '{{ nope }}'}\n"), HasSubstr("\"nope\" not defined"));
  EXPECT_THAT(PipelineProblems("- template: {template: x}\n"), HasSubstr("error"));
  EXPECT_THAT(PipelineProblems("- template: {source: '', template: x}\n"), HasSubstr("error"));
  EXPECT_THAT(PipelineProblems("- template: {source: a, template: 5}\n"), HasSubstr("error"));
}

TEST(TemplateStage, WithoutATemplateRemovesTheSource) {
  StageHarness run("- regex: {expression: '(?P<a>.*)'}\n- template: {source: a}\n- labels: {a: }\n");
  ASSERT_EQ(run.problems(), "");
  EXPECT_EQ(run.Push({"x"}), "1.000000000 {} \"x\"\n");
}

}  // namespace
}  // namespace agent::test
