// SPDX-License-Identifier: Apache-2.0
#include "agent/label/relabel.h"

#include <gtest/gtest.h>

namespace agent::label {
namespace {

std::vector<RelabelRule> Rules(const std::string& yaml, Diagnostics& diagnostics) {
  const config::Node node = config::ParseYaml(yaml, "t.yaml", diagnostics);
  return DecodeRelabelRules(&node, "relabel_configs", diagnostics);
}

struct Case {
  const char* name;
  const char* rules;
  LabelMap labels;
  LabelMap expected;
  bool kept = true;
};

const Case kCases[] = {
    {"copy", "[{source_labels: [a], target_label: b}]", {{"a", "1"}}, {{"a", "1"}, {"b", "1"}}},
    {"no match changes nothing", "[{source_labels: [a], regex: x, target_label: b}]", {{"a", "1"}}, {{"a", "1"}}},
    {"the regex is anchored", "[{source_labels: [a], regex: b, target_label: z, replacement: y}]", {{"a", "abc"}}, {{"a", "abc"}}},
    {"join and groups", "[{source_labels: [a, b], separator: '-', regex: '(.)-(.*)', target_label: c, replacement: '${2}/$1'}]",
     {{"a", "1"}, {"b", "two"}}, {{"a", "1"}, {"b", "two"}, {"c", "two/1"}}},
    {"named groups and the longest name", "[{source_labels: [a], regex: '(?P<x>.)(.*)', target_label: 'b_$x', replacement: '$x_$$$2-'}]",
     {{"a", "qr"}}, {{"a", "qr"}, {"b_q", "$r-"}}},
    {"an empty result deletes", "[{source_labels: [none], target_label: a}]", {{"a", "1"}}, {}},
    {"a literal needs no source", "[{target_label: a, replacement: lit}]", {}, {{"a", "lit"}}},
    {"dot matches newline", "[{source_labels: [a], target_label: b}]", {{"a", "1\n2"}}, {{"a", "1\n2"}, {"b", "1\n2"}}},
    {"a name takes letters of any script", "[{source_labels: [a], target_label: b, replacement: 'x$1é.$1'}]", {{"a", "1"}}, {{"a", "1"}, {"b", "x.1"}}},
    {"01 is a name", "[{source_labels: [a], target_label: b, replacement: 'x$01'}]", {{"a", "1"}}, {{"a", "1"}, {"b", "x"}}},
    // A pod with an empty label `app`, beside the chart's rule for app, came out without the label.
    {"labelmap does not find empty labels", "[{source_labels: [a], target_label: app}, {regex: m_(.*), action: labelmap}]", {{"a", "1"}, {"m_app", ""}, {"m_b", "2"}},
     {{"a", "1"}, {"app", "1"}, {"m_b", "2"}, {"b", "2"}}},
    {"a modulus beyond 2^63", "[{source_labels: [a], target_label: b, modulus: 18446744073709551615, action: hashmod}]", {{"a", "foo"}}, {{"a", "foo"}, {"b", "17145033699835028696"}}},
    {"keep", "[{source_labels: [a], regex: 'x|1', action: keep}]", {{"a", "1"}}, {{"a", "1"}}},
    {"keep drops", "[{source_labels: [a], regex: x, action: Keep}]", {{"a", "1"}}, {{"a", "1"}}, false},
    {"drop drops", "[{source_labels: [a], regex: '1', action: drop}]", {{"a", "1"}}, {{"a", "1"}}, false},
    {"keepequal", "[{source_labels: [a], target_label: b, action: keepequal}]", {{"a", "1"}, {"b", "1"}}, {{"a", "1"}, {"b", "1"}}},
    {"dropequal", "[{source_labels: [a], target_label: b, action: dropequal}]", {{"a", "1"}, {"b", "1"}}, {{"a", "1"}, {"b", "1"}}, false},
    {"hashmod", "[{source_labels: [a], target_label: b, modulus: 1000, action: hashmod}]", {{"a", "foo"}}, {{"a", "foo"}, {"b", "696"}}},
    {"labelmap", "[{regex: '__meta_(.+)', action: labelmap}]", {{"__meta_x", "1"}, {"y", "2"}}, {{"__meta_x", "1"}, {"x", "1"}, {"y", "2"}}},
    {"labeldrop", "[{regex: 'a.*', action: labeldrop}]", {{"a", "1"}, {"ab", "1"}, {"b", "2"}}, {{"b", "2"}}},
    {"labelkeep", "[{regex: 'a.*', action: labelkeep}]", {{"a", "1"}, {"ab", "1"}, {"b", "2"}}, {{"a", "1"}, {"ab", "1"}}},
    {"case", "[{source_labels: [a], target_label: b, action: uppercase}, {source_labels: [a], target_label: c, action: lowercase}]",
     {{"a", "xY"}}, {{"a", "xY"}, {"b", "XY"}, {"c", "xy"}}},
    {"the chart's app rule takes the first that is not empty",
     "[{source_labels: [n, app, tmp], regex: '^;*([^;]+)(;.*)?$', target_label: app}]",
     {{"tmp", "web"}, {"z", ""}}, {{"tmp", "web"}, {"app", "web"}}},
};

TEST(RelabelTest, Table) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Diagnostics diagnostics;
    const auto rules = Rules(c.rules, diagnostics);
    ASSERT_TRUE(diagnostics.ok()) << diagnostics.Text();
    const Relabelled result = Relabel(rules, c.labels);
    EXPECT_EQ(result.kept, c.kept);
    EXPECT_EQ(result.dropped_by != nullptr, !c.kept);
    EXPECT_EQ(result.labels, c.expected);
  }
}

TEST(RelabelTest, ErrorsAreAllReportedWithTheirPlace) {
  Diagnostics diagnostics;
  Rules("- action: replac\n  target_label: x\n- regex: '('\n  target_label: y\n- action: hashmod\n  target_label: z\n"
        "- action: keepequal\n- action: labeldrop\n  source_labels: [a]\n- bogus: 1\n  target_label: x\n"
        "- action: labelmap\n  replacement: ''\n- source_labels: ['']\n  target_label: x\n"
        "- action: keepequal\n  source_labels: [a]\n  target_label: x\n  regex: (.*)\n",
        diagnostics);
  const std::string text = diagnostics.Text();
  for (const char* wanted : {"did you mean \"replace\"", "is no regular expression", "modulus above 0", "target_label",
                             "take a regex only", "bogus", "labelmap needs a replacement",
                             "name cannot be empty", "[8].action: keepequal"}) {
    EXPECT_NE(text.find(wanted), std::string::npos) << wanted << "\n" << text;
  }
  EXPECT_NE(text.find("t.yaml:1:"), std::string::npos) << text;
}

TEST(RelabelTest, Names) {
  EXPECT_EQ(SanitizeLabelName("app.kubernetes.io/name"), "app_kubernetes_io_name");
  EXPECT_TRUE(IsLegalLabelName("_a1"));
  for (const char* bad : {"", "1a", "a.b", "\xc3\xa9"}) EXPECT_FALSE(IsLegalLabelName(bad)) << bad;
}

}  // namespace
}  // namespace agent::label
