// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/internal/pipeline_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include "agent/config/decode.h"
#include "agent/core/json_text.h"

namespace agent::cli {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr WallNanos kDefaultNow = 1'767'225'600 * kSecond;  // 2026-01-01T00:00:00Z

Expectation DecodeExpectation(const config::Node& node, const std::string& path, Diagnostics& diagnostics) {
  Expectation out;
  config::MapReader reader(node, path, diagnostics);
  std::string text;
  LabelMap map;
  if (reader.String("line", text)) out.line = text;
  if (reader.String("timestamp", text)) {
    const auto time = ParseUtc(text);
    if (!time) reader.Error("timestamp", "\"" + text + "\" is no time in UTC like 2026-01-02T03:04:05.678Z");
    out.timestamp = FormatUtc(time.value_or(0));
  }
  if (reader.String("dropped_by", text)) out.dropped_by = text;
  for (auto& [key, place] : {std::pair("labels", &out.labels), std::pair("structured_metadata", &out.metadata)}) {
    map.clear();
    if (reader.StringMap(key, map) || node.Find(key) != nullptr) *place = map;
  }
  if (out.dropped_by && (out.labels || out.timestamp || out.metadata)) {
    reader.Error("dropped_by", "a dropped line has no labels, timestamp or structured_metadata");
  }
  reader.Finish();
  return out;
}

TestCase DecodeCase(const config::Node& node, const std::string& path, bool has_config, Diagnostics& diagnostics) {
  TestCase out;
  out.place = node.place;
  config::MapReader reader(node, path, diagnostics);
  reader.Require("name", reader.String("name", out.name));
  reader.String("job", out.job);
  out.stages = reader.Child("pipeline_stages");
  if (out.stages == nullptr && !has_config) {
    reader.Error("", "needs pipeline_stages of its own, or the file needs `config: FILE`");
  }
  reader.StringMap("labels", out.labels);
  out.now = kDefaultNow;
  if (std::string now; reader.String("now", now)) {
    const auto time = ParseUtc(now);
    if (!time) reader.Error("now", "\"" + now + "\" is no time in UTC like 2026-01-02T03:04:05Z");
    out.now = time.value_or(kDefaultNow);
  }
  reader.Require("lines", reader.StringList("lines", out.lines));
  if (const config::Node* list = reader.Child("expect")) {
    if (!list->is_sequence()) reader.Error("expect", "must be a list");
    for (size_t i = 0; i < list->items.size(); ++i) {
      out.expected.push_back(DecodeExpectation(list->items[i], fmt::format("{}.expect[{}]", path, i), diagnostics));
    }
  }
  for (const auto& [key, value] : node.members) {
    if (key.scalar == "expect") out.expect_key = key.place;
  }
  reader.Finish();
  return out;
}

bool SameStage(const std::string& wanted, const std::string& place) {
  return place == wanted || place.ends_with("." + wanted);
}

std::string Labels(const LabelMap& labels) { return FormatLabels(labels); }

std::string Short(const Outcome& outcome) {
  return outcome.dropped_by.empty() ? fmt::format("entry {} {}", Labels(outcome.labels), outcome.line)
                                    : fmt::format("line dropped by {}: {}", outcome.dropped_by, outcome.line);
}

std::string Short(const Expectation& expectation) {
  if (expectation.dropped_by) return fmt::format("line dropped by {}: {}", *expectation.dropped_by, expectation.line.value_or("..."));
  return fmt::format("entry {} {}", expectation.labels ? Labels(*expectation.labels) : "{...}", expectation.line.value_or("..."));
}

void Differ(std::string& out, const char* what, const std::string& expected, const std::string& got) {
  if (expected == got) return;
  out += fmt::format("      {}\n        - {}\n        + {}\n", what, expected, got);
}

std::string CompareOne(const Expectation& expected, const Outcome& got) {
  std::string out;
  if (expected.dropped_by.has_value() != !got.dropped_by.empty()) {
    return fmt::format("        - {}\n        + {}\n", Short(expected), Short(got));
  }
  if (expected.line) Differ(out, "line", *expected.line, got.line);
  if (expected.dropped_by) {
    if (!SameStage(*expected.dropped_by, got.dropped_by)) Differ(out, "dropped_by", *expected.dropped_by, got.dropped_by);
    return out;
  }
  if (expected.labels) Differ(out, "labels", Labels(*expected.labels), Labels(got.labels));
  if (expected.timestamp) Differ(out, "timestamp", *expected.timestamp, got.timestamp);
  if (expected.metadata) Differ(out, "structured_metadata", Labels(*expected.metadata), Labels(got.metadata));
  return out;
}

// As a YAML scalar that reads back as this text, whatever is in it.
std::string QuotedYaml(const std::string& text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

std::string MapYaml(const LabelMap& map) {
  std::string out = "{";
  for (const auto& [name, value] : map) out += (out.size() == 1 ? "" : ", ") + name + ": " + QuotedYaml(value);
  return out + "}";
}

}  // namespace

std::string FormatUtc(WallNanos time) {
  std::time_t seconds = time / kSecond;
  int64_t nanos = time % kSecond;
  if (nanos < 0) {
    nanos += kSecond;
    --seconds;
  }
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                                utc.tm_hour, utc.tm_min, utc.tm_sec);
  if (nanos != 0) {
    out += fmt::format(".{:09}", nanos);
    out.erase(out.find_last_not_of('0') + 1);
  }
  return out + "Z";
}

std::optional<WallNanos> ParseUtc(const std::string& text) {
  std::tm utc{};
  int used = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &utc.tm_hour,
                  &utc.tm_min, &utc.tm_sec, &used) != 6) {
    return std::nullopt;
  }
  utc.tm_year -= 1900;
  utc.tm_mon -= 1;
  WallNanos out = static_cast<int64_t>(timegm(&utc)) * kSecond;
  size_t at = static_cast<size_t>(used);
  if (at < text.size() && text[at] == '.') {
    int64_t unit = kSecond / 10;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) out += (text[at] - '0') * unit;
  }
  if (text.substr(at) != "Z") return std::nullopt;
  return out;
}

TestFile DecodeTestFile(const config::Node& tree, const std::string& path, Diagnostics& diagnostics) {
  TestFile out;
  config::MapReader reader(tree, "", diagnostics);
  if (reader.String("config", out.config) && !out.config.starts_with("/")) {
    out.config = (std::filesystem::path(path).parent_path() / out.config).string();
  }
  const config::Node* tests = reader.Child("tests");
  reader.Require("tests", tests != nullptr);
  if (tests != nullptr && !tests->is_sequence()) reader.Error("tests", "must be a list");
  for (size_t i = 0; tests != nullptr && i < tests->items.size(); ++i) {
    out.cases.push_back(DecodeCase(tests->items[i], fmt::format("tests[{}]", i), !out.config.empty(), diagnostics));
  }
  reader.Finish();
  return out;
}

std::string Compare(const std::vector<Expectation>& expected, const std::vector<Outcome>& got) {
  std::string out;
  for (size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
    std::string difference;
    if (i >= got.size()) {
      difference = "        - " + Short(expected[i]) + "\n        + nothing\n";
    } else if (i >= expected.size()) {
      difference = "        - nothing\n        + " + Short(got[i]) + "\n";
    } else {
      difference = CompareOne(expected[i], got[i]);
    }
    if (!difference.empty()) out += fmt::format("    expect[{}]\n{}", i, difference);
  }
  return out;
}

std::string ExpectYaml(const std::vector<Outcome>& got, size_t indent) {
  const std::string in(indent, ' ');
  if (got.empty()) return in + "expect: []\n";
  std::string out = in + "expect:\n";
  for (const Outcome& one : got) {
    if (!one.dropped_by.empty()) {
      out += fmt::format("{}  - dropped_by: {}\n{}    line: {}\n", in, one.dropped_by, in, QuotedYaml(one.line));
      continue;
    }
    out += fmt::format("{}  - line: {}\n{}    labels: {}\n{}    timestamp: {}\n", in, QuotedYaml(one.line), in,
                       MapYaml(one.labels), in, QuotedYaml(one.timestamp));
    if (!one.metadata.empty()) out += fmt::format("{}    structured_metadata: {}\n", in, MapYaml(one.metadata));
  }
  return out;
}

}  // namespace agent::cli
