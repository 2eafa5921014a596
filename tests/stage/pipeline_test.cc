// SPDX-License-Identifier: Apache-2.0
// What all stages share: how lists are read, and how the extracted map begins.
#include <gtest/gtest.h>

#include "agent/stage/fields.h"
#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(Pipeline, AnEmptyListPassesEverything) {
  for (const char* yaml : {"", "[]", "null", "- {}\n"}) {
    StageHarness run(yaml, {{"job", "x"}});
    EXPECT_TRUE(run.ok());
    EXPECT_EQ(run.Push({"a", ""}), "1.000000000 {job=\"x\"} \"a\"\n1.000000000 {job=\"x\"} \"\"\n");
  }
}

TEST(Pipeline, ReportsEveryBadStageWithItsPlace) {
  EXPECT_EQ(
      PipelineProblems("- regx: {expression: a}\n"
                       "- json\n"
                       "- {labels: {a: }, output: {source: a}}\n"
                       "- regex: {expression: '('}\n"),
      "test.yaml:1:3: error: pipeline_stages[0].regx: unknown stage \"regx\"; did you mean \"regex\"?\n"
      "test.yaml:2:3: error: pipeline_stages[1]: `- json` is not a stage: write a map of one stage name to "
      "its "
      "options, for example `- json: {expressions: {level: level}}`\n"
      "test.yaml:3:3: error: pipeline_stages[2]: a stage must have exactly one name, but this one has 2, "
      "starting with \"labels\" and \"output\"; begin each stage with its own `- `\n"
      "test.yaml:4:23: error: pipeline_stages[3].regex.expression: invalid regular expression \"(\": missing "
      "): (\n");
  EXPECT_EQ(
      PipelineProblems("json: {}\n"),
      "test.yaml:1:1: error: pipeline_stages: stages must be a list: begin each stage with `- ` on its own "
      "line\n");
}

TEST(Pipeline, StageNamesAreFoundByNameAndAlias) {
  EXPECT_NE(stage::FindStage("regex"), nullptr);
  EXPECT_EQ(stage::FindStage("Regex"), nullptr);
  EXPECT_EQ(stage::FindStage(""), nullptr);
  for (const std::string& name : stage::StageNames()) EXPECT_NE(stage::FindStage(name), nullptr) << name;
}

// -- the extracted map --

class FieldsTest : public ::testing::Test {
 protected:
  FieldsTest() {
    a_ = symbols_.Intern("a");
    job_ = symbols_.Intern("job");
    record_.labels = interner_.Intern(LabelMap{{"job", "api"}, {"pod", "p1"}});
  }
  std::string Text(std::string_view name) {
    std::string_view out = "(none)";
    if (!fields_.GetByName(record_, name).present()) return "(absent)";
    stage::ToText(fields_.GetByName(record_, name), arena_, out);
    return std::string(out);
  }

  stage::SymbolTable symbols_;
  stage::FieldAccess fields_{symbols_};
  LabelInterner interner_;
  Arena arena_;
  Record record_;
  Symbol a_ = 0;
  Symbol job_ = 0;
};

TEST_F(FieldsTest, BeginsAsTheLabels) {
  EXPECT_EQ(Text("job"), "api");
  EXPECT_EQ(Text("pod"), "p1");
  EXPECT_EQ(Text("a"), "(absent)");
}

TEST_F(FieldsTest, KeepsTheFirstLabelsWhenLabelsChange) {
  fields_.Set(record_, a_, Value::String("1"), arena_);
  record_.labels = interner_.With(record_.labels, "job", "other");
  EXPECT_EQ(Text("job"), "api");
}

TEST_F(FieldsTest, SetHidesALabelAndEraseRemovesIt) {
  fields_.Set(record_, job_, Value::Number(4), arena_);
  EXPECT_EQ(Text("job"), "4");
  fields_.Erase(record_, job_, arena_);
  EXPECT_EQ(Text("job"), "(absent)");
  fields_.SetByName(record_, "pod", Value::Null(), arena_);
  EXPECT_TRUE(fields_.GetByName(record_, "pod").present());
  EXPECT_EQ(Text("pod"), "(none)");
  fields_.SetByName(record_, "pod", Value::Bool(true), arena_);
  EXPECT_EQ(Text("pod"), "true");
}

TEST_F(FieldsTest, EnteringANestedPipelineCopiesTheLabelsOverTheValues) {
  fields_.Set(record_, job_, Value::String("mine"), arena_);
  fields_.Set(record_, a_, Value::String("kept"), arena_);
  fields_.SetByName(record_, "pod", Value::String("mine"), arena_);
  fields_.SetByName(record_, "other", Value::String("kept"), arena_);
  record_.labels = interner_.With(record_.labels, "new", "n");
  fields_.EnterPipeline(record_, arena_);
  EXPECT_EQ(Text("job"), "api");
  EXPECT_EQ(Text("pod"), "p1");
  EXPECT_EQ(Text("new"), "n");
  EXPECT_EQ(Text("a"), "kept");
  EXPECT_EQ(Text("other"), "kept");
}

TEST_F(FieldsTest, ALabelThatIsGoneStaysExtracted) {
  fields_.EnterPipeline(record_, arena_);
  record_.labels = interner_.Without(record_.labels, "pod");
  fields_.EnterPipeline(record_, arena_);
  EXPECT_EQ(Text("pod"), "p1");
  fields_.SetByName(record_, "pod", Value::Erased(), arena_);
  fields_.EnterPipeline(record_, arena_);
  EXPECT_EQ(Text("pod"), "(absent)");
}

TEST_F(FieldsTest, ForEachVisitsEveryKeyOnce) {
  fields_.Set(record_, job_, Value::String("x"), arena_);
  fields_.SetByName(record_, "z", Value::Null(), arena_);
  fields_.SetByName(record_, "pod", Value::Erased(), arena_);
  std::map<std::string, int> seen;
  fields_.ForEach(record_, [&](std::string_view name, const Value&) { ++seen[std::string(name)]; });
  EXPECT_EQ(seen, (std::map<std::string, int>{{"job", 1}, {"z", 1}}));
}

TEST(Values, ToFloatTakesNumbersBoolsLiteralsAndDurations) {
  const std::pair<Value, double> good[] = {
      {Value::Number(1.5), 1.5},    {Value::Bool(true), 1},         {Value::Bool(false), 0},
      {Value::String("1e3"), 1000}, {Value::String("250ms"), 0.25}, {Value::String("1h"), 3600},
      {Value::String("-4"), -4},    {Value::String("0x10p0"), 16},
  };
  for (const auto& [value, expected] : good) {
    double out = -1;
    EXPECT_TRUE(stage::ToFloat(value, out));
    EXPECT_EQ(out, expected);
  }
  double out = 0;
  for (const Value& bad : {Value(), Value::Null(), Value::Erased(), Value::String(""), Value::String("1d"),
                           Value::String("x"), Value::String(" 1")}) {
    EXPECT_FALSE(stage::ToFloat(bad, out));
  }
}

}  // namespace
}  // namespace agent::test
