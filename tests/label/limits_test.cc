// SPDX-License-Identifier: Apache-2.0
// What Loki refuses never leaves: names, lengths, too many labels.
#include <gmock/gmock.h>

#include "tests/label/policy_harness.h"

namespace agent::label {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(LimitsTest, RepairsByTable) {
  const std::string long_name(1500, 'n');
  const std::string long_value(3000, 'v');
  // 2047 bytes, then a character of three.
  const std::string split = std::string(2047, 'v') + "\xE2\x82\xAC";
  const struct { LabelMap in, out; const char* reason; } cases[] = {
      {{{"a", "1"}}, {{"a", "1"}}, nullptr},
      {{{"a", "1"}, {"b", ""}}, {{"a", "1"}, {"b", ""}}, nullptr},
      {{{"foo.bar", "1"}}, {{"foo_bar", "1"}}, "name_illegal"},
      {{{"9lives", "1"}}, {{"_9lives", "1"}}, "name_illegal"},
      {{{"caf\xC3\xA9", "1"}}, {{"caf__", "1"}}, "name_illegal"},
      {{{"a", "1"}, {"foo.bar", "2"}, {"foo_bar", "3"}}, {{"a", "1"}, {"foo_bar", "3"}}, "name_illegal"},
      {{{long_name, "1"}}, {{long_name.substr(0, 1024), "1"}}, "name_too_long"},
      {{{"a", long_value}}, {{"a", long_value.substr(0, 2048)}}, "value_too_long"},
      {{{"a", split}}, {{"a", split.substr(0, 2047)}}, "value_too_long"},
      {{{"a", "x\xFFy"}}, {{"a", "x\xEF\xBF\xBDy"}}, "value_not_utf8"},
      {{}, {{"service_name", "unknown_service"}}, "no_labels"},
      {{{"a", ""}}, {{"a", ""}, {"service_name", "unknown_service"}}, "no_labels"},
      {{{"__tenant_id__", "t"}}, {{"__tenant_id__", "t"}, {"service_name", "unknown_service"}}, "no_labels"},
      {{{"__private__", "t"}}, {{"__private__", "t"}}, nullptr},
  };
  for (const auto& c : cases) {
    PolicyHarness harness;
    const auto file = harness.File({});
    for (int twice = 0; twice < 2; ++twice) {
      const Out out = harness.SendOne(*file, c.in);
      EXPECT_EQ(out.labels, c.out) << (c.reason != nullptr ? c.reason : "no reason");
      EXPECT_THAT(out.metadata, IsEmpty());
    }
    if (c.reason != nullptr) {
      EXPECT_THAT(harness.registry.Text(),
                  HasSubstr("sluice_label_repaired_lines_total{reason=\"" + std::string(c.reason) + "\"} 2"));
    }
  }
}

LabelMap Many(int count, const std::string& prefix) {
  LabelMap out;
  for (int i = 0; i < count; ++i) out[prefix + std::to_string(100 + i)] = "v";
  return out;
}

TEST(LimitsTest, LabelsBeyondTheNumberThatLokiTakesGoAlongAsMetadata) {
  PolicyHarness harness;
  const auto file = harness.Pod("a");  // two labels
  EXPECT_EQ(harness.SendOne(*file, Many(13, "m")).labels.size(), 15u);
  LabelMap labels = Many(14, "m");
  labels["a_stage_set_this"] = "v";
  const Out out = harness.SendOne(*file, labels);
  EXPECT_EQ(out.labels.size(), 15u);
  EXPECT_EQ(out.labels.at("pod"), "a");
  EXPECT_TRUE(out.labels.contains("a_stage_set_this"));
  EXPECT_THAT(out.metadata, ElementsAre(Pair("m112", "v"), Pair("m113", "v")));
  labels["__tenant_id__"] = "t";
  EXPECT_EQ(harness.SendOne(*file, labels).labels.size(), 16u) << "the tenant is no label";
}

TEST(LimitsTest, ExternalLabelsCountOnceAndIdentityStaysLongest) {
  PolicyOptions options;
  options.max_label_names = 3;
  options.external_labels = {"cluster", "pod"};
  PolicyHarness harness(options);
  const auto file = harness.File({{"app", "x"}, {"namespace", "n"}, {"pod", "p"}});
  const Out out = harness.SendOne(*file, {{"level", "info"}});
  EXPECT_EQ(out.labels, (LabelMap{{"namespace", "n"}, {"pod", "p"}}));
  EXPECT_THAT(out.metadata, ElementsAre(Pair("app", "x"), Pair("level", "info")));
}

TEST(LimitsTest, WithoutStructuredMetadataTheSurplusIsDropped) {
  PolicyOptions options;
  options.max_label_names = 1;
  options.cardinality.action = GuardAction::kDropLabel;
  PolicyHarness harness(options);
  const auto file = harness.File({{"pod", "p"}});
  const Out out = harness.SendOne(*file, {{"level", "info"}});
  EXPECT_EQ(out.labels, (LabelMap{{"pod", "p"}}));
  EXPECT_THAT(out.metadata, IsEmpty());
}

TEST(LimitsTest, ZeroIsNoLimit) {
  PolicyOptions options;
  options.max_label_names = 0;
  options.max_label_name_length = 0;
  options.max_label_value_length = 0;
  options.max_active_streams = 0;
  PolicyHarness harness(options);
  const auto file = harness.Pod("a");
  LabelMap labels = Many(80, "m");
  labels["long"] = std::string(5000, 'x');
  labels[std::string(2000, 'n')] = "v";
  EXPECT_EQ(harness.SendOne(*file, labels).labels.size(), 84u);
}

TEST(LimitsTest, ASetOfMoreThanSixtyFourLabelsLosesNothing) {
  PolicyHarness harness;
  const auto file = harness.Pod("a");
  const Out out = harness.SendOne(*file, Many(100, "m"));
  EXPECT_EQ(out.labels.size(), 15u);
  EXPECT_EQ(out.metadata.size(), 87u);
}

TEST(LimitsTest, MetadataThatAStageHasSetIsNotSetTwiceAndNamesAreLegal) {
  PolicyOptions options;
  options.cardinality.labels = {{"trace_id", 0}, {"trace.id", 0}};
  PolicyHarness harness(options);
  const auto file = harness.Pod("a");
  RecordBatch batch;
  Record* record = batch.Append();
  record->labels = harness.interner().Intern(LabelMap{{"pod", "a"}, {"trace.id", "d"}, {"trace_id", "t"}});
  record->origin.file = file.get();
  AppendMetadata(batch.arena(), *record, "trace_id", "staged");
  harness.policy->Apply(0, batch.records(), batch.arena(), harness.interner(), harness.wall, harness.now);
  ASSERT_NE(record->metadata, nullptr);
  EXPECT_EQ(record->metadata->value, "staged");
  EXPECT_EQ(record->metadata->next, nullptr);
}

}  // namespace
}  // namespace agent::label
