// SPDX-License-Identifier: Apache-2.0
// Values of a JSON line by JMESPath expressions: what the json stage needs.
//
// Where all expressions are plain paths (`level`, `request.method`), one pass over
// the text finds them, validates everything else and builds nothing; else the line
// becomes a tree and every expression is run on it. Both give the same results, and
// both take exactly the lines that Promtail takes (internal/json_scan.h).
//
// A JsonFields is immutable and shared; a JsonExtractor is one lane's scratch memory.
// Cost of the fast way: no allocation, no copy but of texts with escapes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/arena.h"
#include "agent/core/result.h"
#include "agent/text/jmespath.h"
#include "agent/text/json_parse.h"

namespace agent::text {

class JsonFields {
 public:
  // Adds an expression; its result has the index of the call.
  Status Add(std::string_view expression);
  size_t size() const { return expressions_.size(); }
  // Name of a function that does not exist, of the expression added last, or empty.
  std::string UnknownFunction() const { return expressions_.back().UnknownFunction(); }

 private:
  friend class JsonExtractor;
  struct Node {  // a key of some path
    std::string key;
    std::vector<uint32_t> children;
    std::vector<uint32_t> results;  // of the paths that end here
    uint64_t child_lengths = 0;     // bit (length % 64) of every child's key
  };
  void AddPath(const std::vector<std::string>& names, uint32_t result);

  std::vector<JmesPath> expressions_;
  bool all_paths_ = true;
  std::vector<Node> nodes_{1};  // the first is the document
};

class JsonExtractor {
 public:
  explicit JsonExtractor(const JsonFields& fields) : fields_(fields), results_(fields.size()) {}

  // False if the line is not an object (or null) and nothing else. results() then are
  // undefined; else, by expression: null (no result), bool, number or text; arrays and
  // objects as JSON text; kFailed where the expression failed at run time. Texts live
  // as long as line and arena.
  static constexpr JsonValue::Kind kFailed = JsonValue::Kind::kExpression;
  bool Extract(std::string_view line, Arena& arena);
  std::span<const JsonValue> results() const { return results_; }

 private:
  struct Scan;
  bool ExtractPaths(std::string_view line, Arena& arena);
  bool ExtractAny(std::string_view line, Arena& arena);

  const JsonFields& fields_;
  std::vector<JsonValue> results_;
  JsonParser parser_;
};

}  // namespace agent::text
