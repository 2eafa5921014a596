// SPDX-License-Identifier: Apache-2.0
#include "agent/label/options.h"

#include <gmock/gmock.h>

#include "agent/config/node.h"

namespace agent::label {
namespace {

using ::testing::HasSubstr;

struct Decoded {
  PolicyOptions policy;
  ShareOptions share;
  std::string problems;
};

Decoded FromYaml(const std::string& yaml) {
  Decoded out;
  Diagnostics diagnostics;
  const config::Node node = config::ParseYaml(yaml, "test.yaml", diagnostics);
  config::MapReader reader(node, "limits_config", diagnostics);
  Decode(reader, out.policy);
  Decode(reader, out.share);
  reader.Finish();
  out.problems = diagnostics.Text();
  return out;
}

TEST(OptionsTest, EveryKeyIsRead) {
  const Decoded d = FromYaml(R"(
max_label_names: 30
max_label_name_length: 100
max_label_value_length: 0
max_active_streams: 500
cardinality:
  enabled: false
  window: 2h
  max_values_per_label: 50
  labels: {trace_id: 0, customer: 1000}
  action: overflow
  overflow_value: other
  exempt: [cluster, zone]
readline_rate_enabled: true
readline_rate: 12.5
readline_burst: 7
readline_rate_drop: false
namespaces:
  noisy: {weight: 2, bytes_per_second: 5MB, burst: 10MB, action: drop}
  calm: {weight: 3}
)");
  EXPECT_EQ(d.problems, "");
  EXPECT_EQ(d.policy.max_label_names, 30u);
  EXPECT_EQ(d.policy.max_label_name_length, 100u);
  EXPECT_EQ(d.policy.max_label_value_length, 0u);
  EXPECT_EQ(d.policy.max_active_streams, 500u);
  EXPECT_FALSE(d.policy.cardinality.enabled);
  EXPECT_EQ(d.policy.cardinality.window, std::chrono::hours(2));
  EXPECT_EQ(d.policy.cardinality.max_values_per_label, 50u);
  EXPECT_EQ(d.policy.cardinality.labels.at("trace_id"), 0u);
  EXPECT_EQ(d.policy.cardinality.labels.at("customer"), 1000u);
  EXPECT_EQ(d.policy.cardinality.action, GuardAction::kOverflow);
  EXPECT_EQ(d.policy.cardinality.overflow_value, "other");
  EXPECT_TRUE(d.policy.cardinality.exempt.contains("zone"));
  EXPECT_TRUE(d.share.readline_rate_enabled);
  EXPECT_EQ(d.share.readline_rate, 12.5);
  EXPECT_EQ(d.share.readline_burst, 7);
  EXPECT_FALSE(d.share.readline_rate_drop);
  const NamespaceShare noisy{.weight = 2, .bytes_per_second = 5 << 20, .burst_bytes = 10 << 20,
                             .action = NamespaceShare::Action::kDrop};
  EXPECT_EQ(d.share.namespaces.at("noisy"), noisy);
  EXPECT_EQ(d.share.namespaces.at("calm").weight, 3u);
}

TEST(OptionsTest, NothingGivenIsTheDefault) {
  const Decoded d = FromYaml("");
  EXPECT_EQ(d.problems, "");
  EXPECT_EQ(d.policy.max_label_names, 15u);
  EXPECT_EQ(d.policy.max_active_streams, 10000u);
  EXPECT_TRUE(d.policy.cardinality.enabled);
  EXPECT_EQ(d.policy.cardinality.max_values_per_label, 200u);
  EXPECT_EQ(d.policy.cardinality.window, std::chrono::hours(1));
  EXPECT_EQ(d.policy.cardinality.action, GuardAction::kStructuredMetadata);
  EXPECT_FALSE(d.share.readline_rate_enabled);
  EXPECT_TRUE(d.share.namespaces.empty());
}

TEST(OptionsTest, ProblemsNameTheirPlace) {
  const struct { const char* yaml; const char* says; } cases[] = {
      {"max_label_names: 64", "limits_config.max_label_names: 64 is not between 0 (no limit) and 63"},
      {"max_active_streams: -1", "limits_config.max_active_streams: -1 is not between"},
      {"cardinality: {action: overflo}", "did you mean \"overflow\"?"},
      {"cardinality: {window: 1s}", "limits_config.cardinality.window: is shorter than 10s"},
      {"cardinality: {labels: {a: -1}}", "limits_config.cardinality.labels.a: -1 is negative"},
      {"cardinality: {labels: {a: }}", "limits_config.cardinality.labels.a: give a number"},
      {"cardinality: {overflow_value: ''}", "limits_config.cardinality.overflow_value"},
      {"cardinality: {windw: 1h}", "limits_config.cardinality.windw"},
      {"cardinality: [1]", "limits_config.cardinality"},
      {"namespaces: {a: {weight: 0}}", "limits_config.namespaces.a.weight: 0 is not between 1 and 1000"},
      {"namespaces: {a: {action: stop}}", "\"stop\" is neither slow (lossless) nor drop"},
      {"namespaces: {a: {action: drop}}", "limits_config.namespaces.a.bytes_per_second: is missing"},
      {"namespaces: {a: {weigth: 2}}", "limits_config.namespaces.a.weigth"},
      {"{readline_rate_enabled: true, readline_rate: 0}", "limits_config.readline_rate: must be more than 0"},
      {"{readline_rate_enabled: true, readline_burst: 0}", "limits_config.readline_burst: must be at least 1"},
  };
  for (const auto& c : cases) EXPECT_THAT(FromYaml(c.yaml).problems, HasSubstr(c.says)) << c.yaml;
  EXPECT_EQ(FromYaml("{readline_rate: 0, readline_burst: 0}").problems, "") << "not enabled";
}

}  // namespace
}  // namespace agent::label
