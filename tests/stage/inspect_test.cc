// SPDX-License-Identifier: Apache-2.0
// What -inspect says of stages. That the words are Promtail's is for
// tests/differential/test_front.py.
#include "agent/stage/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/stage/pipeline.h"

namespace agent::stage {
namespace {

using ::testing::ElementsAre;

class InspectTest : public ::testing::Test {
 protected:
  // What is said of one line in the given stages.
  std::vector<std::string> Say(const std::string& stages, std::string_view line) {
    const config::Node list = config::ParseYaml(stages, "t", diagnostics_);
    const auto plan = BuildPipeline(&list, "p", "job", diagnostics_, registry_, &inspector_);
    EXPECT_TRUE(diagnostics_.ok()) << diagnostics_.Text();
    StageChain chain(plan->stages);
    StageContext context{batch_.arena(), interner_, 0, MonoTime(), MonoTime()};
    Record* record = batch_.Append();
    record->line = line;
    record->labels = interner_.Intern(LabelMap{{"app", "a"}});
    chain.Process(batch_.records(), context);
    std::vector<Record*> rest;
    chain.Flush(rest, context, true);
    batch_.Reset();
    return std::move(said_);
  }

  Diagnostics diagnostics_;
  metrics::Registry registry_;
  LabelInterner interner_;
  RecordBatch batch_;
  std::vector<std::string> said_;
  Inspector inspector_ = [this](const std::string& text) { said_.push_back(text); };
};

TEST_F(InspectTest, EveryStageSpeaksAndNestedOnesToo) {
  EXPECT_THAT(Say("- json: {expressions: {app: , big: }}\n"
                  "- match: {selector: '{app=\"a\"}', stages: [{static_labels: {m: x}}]}\n"
                  "- drop: {source: big, value: \"1000000\"}\n",
                  R"({"app":"b","big":1000000})"),
              ElementsAre("[inspect: json stage]: \n{stages.Entry}.Extracted[\"app\"].(string):\n\t-: a\n\t+: b"
                          "\n{stages.Entry}.Extracted[\"big\"]:\n\t+: 1e+06\n",
                          "[inspect: static_labels stage]: \n{stages.Entry}.Entry.Labels:\n\t-: {app=\"a\"}"
                          "\n\t+: {app=\"a\", m=\"x\"}\n",
                          "[inspect: match stage]: \n{stages.Entry}.Extracted[\"app\"].(string):\n\t-: b\n\t+: a"
                          "\n{stages.Entry}.Entry.Labels:\n\t-: {app=\"a\"}\n\t+: {app=\"a\", m=\"x\"}\n",
                          "[inspect: drop stage]: \n(dropped)\n"));
}

TEST_F(InspectTest, WhatIsKeptBackAndComesLater) {
  EXPECT_THAT(Say("- multiline: {firstline: '^x'}\n", "x1"),
              ElementsAre("[inspect: multiline stage]: \n(kept back)\n", "[inspect: multiline stage]: \n\t+: x1\n"));
  EXPECT_THAT(Say("- cri: {}\n", "no cri"), ElementsAre("[inspect: cri stage]: none\n"))
      << "a leading cri is a stage here";
}

}  // namespace
}  // namespace agent::stage
