// SPDX-License-Identifier: Apache-2.0
// MapReader: each kind of value under each mode, and the sentences of its errors.
#include "agent/config/decode.h"

#include <gtest/gtest.h>

#include <string>

namespace agent::config {
namespace {

// Reads the member `v` of `yaml` with `read` and says what became of it:
// "present value" or "absent value", then the diagnostics.
template <class T, class Read>
std::string Show(const std::string& yaml, Mode mode, T value, Read read) {
  Diagnostics diagnostics;
  const Node root = ParseYaml(yaml, "", diagnostics);
  MapReader reader(root, "x", diagnostics, mode);
  const bool present = read(reader, value);
  reader.Finish();
  std::string shown;
  if constexpr (std::is_same_v<T, std::string>) {
    shown = value;
  } else if constexpr (std::is_same_v<T, bool>) {
    shown = value ? "true" : "false";
  } else if constexpr (std::is_same_v<T, Duration>) {
    shown = std::to_string(value.count());
  } else {
    shown = std::to_string(value);
  }
  return std::string(present ? "present " : "absent ") + shown + (diagnostics.Text().empty() ? "" : "\n" + diagnostics.Text());
}

constexpr Mode kModes[] = {Mode::kTyped, Mode::kStrictStage, Mode::kWeakStage};

struct Row {
  const char* yaml;
  const char* typed;
  const char* strict;
  const char* weak;
};

// `expected` "" means: an error, and the default 7 in place.
template <class T, class Read, size_t N>
void Check(const Row (&rows)[N], T fallback, const std::string& kept, Read read) {
  for (const Row& row : rows) {
    const char* expected[] = {row.typed, row.strict, row.weak};
    for (int i = 0; i < 3; ++i) {
      const std::string got = Show(row.yaml, kModes[i], fallback, read);
      if (*expected[i] == '\0') {
        EXPECT_TRUE(got.starts_with("present " + kept + "\n1:4: error: x.v: expected ")) << row.yaml << " mode " << i << "\n" << got;
      } else {
        EXPECT_EQ(got, expected[i]) << row.yaml << " mode " << i;
      }
    }
  }
}

TEST(MapReader, ReadsText) {
  const Row kRows[] = {
      {"{}", "absent 7", "absent 7", "absent 7"},
      {"v:", "absent 7", "absent 7", "absent 7"},
      {"v: ~", "absent 7", "absent 7", "absent 7"},
      {"v: a b", "present a b", "present a b", "present a b"},
      {"v: '5'", "present 5", "present 5", "present 5"},
      {"v: 5", "present 5", "", "present 5"},
      {"v: 0x10", "present 0x10", "", "present 16"},
      {"v: 1.10", "present 1.10", "", "present 1.1"},
      {"v: 1e21", "present 1e21", "", "present 1000000000000000000000"},
      {"v: yes", "present yes", "", "present 1"},
      {"v: false", "present false", "", "present 0"},
      {"v: 9223372036854775808", "present 9223372036854775808", "", "present 9223372036854775808"},
      {"v: .inf", "present .inf", "", "present +Inf"},
      {"v: [a]", "", "", ""},
      {"v: {a: b}", "", "", ""},
  };
  Check(kRows, std::string("7"), "7", [](MapReader& r, std::string& v) { return r.String("v", v); });
}

TEST(MapReader, ReadsWholeNumbers) {
  // As Promtail, which says nothing.
  constexpr const char* kCut = "present 1\n1:4: warning: x.v: this is a whole number; `1.5` is taken as 1\n";
  const Row kRows[] = {
      {"v:", "absent 7", "absent 7", "absent 7"},
      {"v: 5", "present 5", "present 5", "present 5"},
      {"v: -0x10", "present -16", "present -16", "present -16"},
      {"v: 1_000", "present 1000", "present 1000", "present 1000"},
      {"v: 017", "present 15", "present 15", "present 15"},
      {"v: 1e6", "present 1000000", "present 1000000", "present 1000000"},
      {"v: 1.5", kCut, kCut, kCut},
      {"v: '5'", "", "", "present 5"},
      {"v: ''", "", "", "present 0"},
      {"v: yes", "", "", "present 1"},
      {"v: 5m", "", "", ""},
      {"v: 9223372036854775808", "", "", ""},
      {"v: .nan", "", "", ""},
      {"v: []", "", "", ""},
  };
  Check(kRows, int64_t{7}, "7", [](MapReader& r, int64_t& v) { return r.Int("v", v); });
}

TEST(MapReader, ReadsNumbers) {
  const Row kRows[] = {
      {"v: 5", "present 5.000000", "present 5.000000", "present 5.000000"},
      {"v: .25", "present 0.250000", "present 0.250000", "present 0.250000"},
      {"v: '0.5'", "", "", "present 0.500000"},
      {"v: on", "", "", "present 1.000000"},
      {"v: abc", "", "", ""},
      {"v: {}", "", "", ""},
  };
  Check(kRows, 7.0, "7.000000", [](MapReader& r, double& v) { return r.Double("v", v); });
}

TEST(MapReader, ReadsBooleans) {
  const Row kRows[] = {
      {"v: true", "present true", "present true", "present true"},
      {"v: On", "present true", "present true", "present true"},
      {"v: 'true'", "", "", "present true"},
      {"v: 'yes'", "", "", ""},
      {"v: 1", "", "", "present true"},
      {"v: 0", "", "", "present false"},
      {"v: ''", "", "", "present false"},
      {"v: maybe", "", "", ""},
      {"v: [true]", "", "", ""},
  };
  Check(kRows, false, "false", [](MapReader& r, bool& v) { return r.Bool("v", v); });
}

TEST(MapReader, ReadsDurations) {
  const auto go = [](MapReader& r, Duration& v) { return r.GoDuration("v", v); };
  EXPECT_EQ(Show("v: 1m30s", Mode::kTyped, Duration(7), go), "present 90000000000");
  EXPECT_EQ(Show("v: '1s'", Mode::kTyped, Duration(7), go), "present 1000000000");
  EXPECT_EQ(Show("v: 0", Mode::kTyped, Duration(7), go), "present 0");
  EXPECT_EQ(Show("v: 5", Mode::kTyped, Duration(7), go),
            "present 5\n1:4: warning: x.v: `5` has no unit and means nanoseconds, as in Promtail; write 5s if seconds are meant\n");
  EXPECT_EQ(Show("v: 1d", Mode::kTyped, Duration(7), go),
            "present 7\n1:4: error: x.v: `1d` is not a duration: `d` is not a unit (ns, us, ms, s, m, h)\n");
  EXPECT_EQ(Show("v: 5", Mode::kWeakStage, Duration(7), go),
            "present 7\n1:4: error: x.v: `5` has no unit; write a duration such as 5s or 1h30m\n");
  EXPECT_EQ(Show("v: 5", Mode::kStrictStage, Duration(7), go),
            "present 7\n1:4: error: x.v: expected text, but `5` is a number in YAML; write \"5\" with quotes\n");
  const auto prometheus = [](MapReader& r, Duration& v) { return r.PrometheusDuration("v", v); };
  EXPECT_EQ(Show("v: 1d", Mode::kTyped, Duration(7), prometheus), "present 86400000000000");
}

TEST(MapReader, ReadsSizes) {
  const auto bytes = [](MapReader& r, uint64_t& v) { return r.Bytes("v", v); };
  EXPECT_EQ(Show("v: 17", Mode::kTyped, uint64_t{7}, bytes), "present 17");
  EXPECT_EQ(Show("v: 256kb", Mode::kWeakStage, uint64_t{7}, bytes), "present 262144");
  EXPECT_EQ(Show("v: 1.5MB", Mode::kTyped, uint64_t{7}, bytes),
            "present 7\n1:4: error: x.v: `1.5MB` is not a size; write a whole number of bytes, or one with a unit, such as 256kb or 1MB\n");
}

TEST(MapReader, ReadsListsAndMaps) {
  Diagnostics diagnostics;
  const Node root = ParseYaml("l: [a, 5, ~]\nm: {a: x, b: 5, c: }\ns: one\nn: [a, [b]]\nbad: {a: [1], b: {}}\n", "f", diagnostics);
  std::vector<std::string> list;
  LabelMap map;
  MapReader typed(root, "x", diagnostics);
  EXPECT_TRUE(typed.StringList("l", list));
  EXPECT_EQ(list, (std::vector<std::string>{"a", "5", ""}));
  EXPECT_TRUE(typed.StringMap("m", map));
  EXPECT_EQ(map, (LabelMap{{"a", "x"}, {"b", "5"}, {"c", ""}}));
  EXPECT_EQ(diagnostics.Text(), "");
  EXPECT_TRUE(typed.StringList("s", list));
  EXPECT_TRUE(typed.StringList("n", list));
  EXPECT_TRUE(typed.StringMap("bad", map));
  EXPECT_TRUE(typed.StringMap("l", map));
  EXPECT_EQ(list.size(), 3U) << "a bad list leaves the target alone";
  EXPECT_EQ(map.size(), 3U);
  EXPECT_EQ(diagnostics.Text(),
            "f:1:4: error: x.l: expected a map (`name: text` lines), got a list\n"
            "f:3:4: error: x.s: expected a list, got `one`; write one `- item` a line, or [a, b]\n"
            "f:4:8: error: x.n[1]: expected text, got a list\n"
            "f:5:10: error: x.bad.a: expected text, got a list\n"
            "f:5:18: error: x.bad.b: expected text, got a map\n");
  Diagnostics weak_diagnostics;
  MapReader weak(root, "x", weak_diagnostics, Mode::kWeakStage);
  EXPECT_TRUE(weak.StringList("S", list));
  EXPECT_EQ(list, std::vector<std::string>{"one"});
}

TEST(MapReader, ReportsUnknownKeysWithASuggestion) {
  const std::string yaml = "batchwiat: 1s\nzzzz: 1\nURL: x\n";
  Diagnostics diagnostics;
  const Node root = ParseYaml(yaml, "f", diagnostics);
  for (const Mode mode : {Mode::kTyped, Mode::kStrictStage}) {
    std::string url;
    Duration wait{};
    MapReader reader(root, "clients[0]", diagnostics, mode);
    reader.String("url", url);
    reader.GoDuration("batchwait", wait);
    reader.Finish();
    EXPECT_EQ(url, mode == Mode::kTyped ? "" : "x") << "stage options match in any case";
  }
  EXPECT_EQ(diagnostics.Text(),
            "f:1:1: error: clients[0].batchwiat: unknown key `batchwiat`; did you mean `batchwait`?\n"
            "f:1:1: warning: clients[0].batchwiat: unknown key `batchwiat`; did you mean `batchwait`?; it is ignored\n"
            "f:2:1: error: clients[0].zzzz: unknown key `zzzz`; the keys here are url, batchwait\n"
            "f:2:1: warning: clients[0].zzzz: unknown key `zzzz`; the keys here are url, batchwait; it is ignored\n"
            "f:3:1: error: clients[0].URL: unknown key `URL`; did you mean `url`?\n");
}

TEST(MapReader, IgnoresRefusesAndRequires) {
  Diagnostics diagnostics;
  const Node root = ParseYaml("a: 1\nb: 2\n", "f", diagnostics);
  MapReader reader(root, "", diagnostics);
  reader.Ignore("a", "nothing uses it.");
  reader.Ignore("absent", "never said");
  reader.Refuse("b", "write c instead");
  reader.Refuse("absent", "never said");
  reader.Require("url", false);
  reader.Require("a", true);
  reader.Finish();
  EXPECT_EQ(diagnostics.Text(),
            "f:1:1: error: url: is required\n"
            "f:1:4: warning: a: has no effect: nothing uses it.\n"
            "f:2:4: error: b: is not supported: write c instead\n");
}

TEST(MapReader, TakesNullForAnEmptyMapAndNothingElse) {
  Diagnostics diagnostics;
  const Node null = ParseYaml("", "f", diagnostics);
  MapReader(null, "a", diagnostics).Finish();
  EXPECT_EQ(diagnostics.Text(), "");
  const Node list = ParseYaml("[a]", "f", diagnostics);
  MapReader(list, "a", diagnostics).Finish();
  EXPECT_EQ(diagnostics.Text(), "f:1:1: error: a: expected a map (`key: value` lines), got a list\n");
}

TEST(MapReader, HandsOutChildren) {
  Diagnostics diagnostics;
  const Node root = ParseYaml("a: {b: 1}\nc:\n", "f", diagnostics);
  MapReader reader(root, "", diagnostics);
  ASSERT_NE(reader.Child("a"), nullptr);
  EXPECT_EQ(reader.Child("a")->Find("b")->scalar, "1");
  EXPECT_EQ(reader.Child("c"), nullptr);
  reader.Finish();
  EXPECT_EQ(diagnostics.Text(), "");
}

}  // namespace
}  // namespace agent::config
