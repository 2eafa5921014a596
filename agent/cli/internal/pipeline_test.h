// SPDX-License-Identifier: Apache-2.0
// Unit tests of pipelines, as YAML beside the configuration (docs/TESTING-PIPELINES.md):
// lines go in one by one; what comes out, and which stage dropped what, is compared.
// Pure but for reading the named configuration.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/node.h"
#include "agent/core/diagnostics.h"
#include "agent/core/time.h"
#include "agent/model/label_set.h"

namespace agent::cli {

// What is expected of one entry, or of one dropped line; what is not given is not compared.
struct Expectation {
  std::optional<std::string> line;
  std::optional<LabelMap> labels;
  std::optional<std::string> timestamp;  // RFC 3339 in UTC
  std::optional<LabelMap> metadata;
  std::optional<std::string> dropped_by;  // "drop", or the stage's whole place
};

// What happened: an entry came out, or a line was dropped.
struct Outcome {
  std::string line;
  LabelMap labels;
  std::string timestamp;
  LabelMap metadata;
  std::string dropped_by;  // the place of the stage; empty: an entry
};

struct TestCase {
  std::string name;
  Place place;
  std::string job;                        // of the configuration; empty: its first
  const config::Node* stages = nullptr;   // instead of a configuration
  LabelMap labels;
  WallNanos now = 0;
  std::vector<std::string> lines;
  std::vector<Expectation> expected;
  Place expect_key;  // where `expect:` stands; line 0: nowhere
};

struct TestFile {
  std::string config;  // path; empty: every test has its own stages
  std::vector<TestCase> cases;
};

// Reads a test file; every problem goes to the diagnostics. `tree` must outlive the result.
TestFile DecodeTestFile(const config::Node& tree, const std::string& path, Diagnostics& diagnostics);

// Differences, one per line, indented; empty: as expected.
std::string Compare(const std::vector<Expectation>& expected, const std::vector<Outcome>& got);

// `expect:` and what came out, as YAML, indented by `indent`.
std::string ExpectYaml(const std::vector<Outcome>& got, size_t indent);

std::string FormatUtc(WallNanos time);
std::optional<WallNanos> ParseUtc(const std::string& text);

}  // namespace agent::cli
