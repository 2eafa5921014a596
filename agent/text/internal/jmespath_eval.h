// SPDX-License-Identifier: Apache-2.0
// Runs a program over a value. One Evaluator per search; its results live in the
// arena. A function that returns false has met an error at run time.
#pragma once

#include <span>

#include "agent/text/internal/jmespath_ast.h"
#include "agent/text/jmespath.h"

namespace agent::text::jmes {

class Evaluator {
 public:
  Evaluator(const Program& program, Arena& arena) : program_(program), arena_(arena) {}

  bool Run(NodeId id, const JsonValue& in, JsonValue& out);

  Arena& arena() { return arena_; }
  // Room for an array or object of `count` values; empty if the search has made too
  // many (only where count > 0).
  std::span<JsonValue> MakeArray(size_t count);
  std::span<JsonMember> MakeObject(size_t count);

 private:
  bool Field(const Node& node, const JsonValue& in, JsonValue& out);
  bool Index(const Node& node, const JsonValue& in, JsonValue& out);
  bool Slice(const Node& node, const JsonValue& in, JsonValue& out);
  bool Project(const Node& node, const JsonValue& in, JsonValue& out);
  bool ProjectValues(const Node& node, const JsonValue& in, JsonValue& out);
  bool ProjectFiltered(const Node& node, const JsonValue& in, JsonValue& out);
  bool Flatten(const Node& node, const JsonValue& in, JsonValue& out);
  bool MultiSelectList(const Node& node, const JsonValue& in, JsonValue& out);
  bool MultiSelectHash(const Node& node, const JsonValue& in, JsonValue& out);
  bool Compare(const Node& node, const JsonValue& in, JsonValue& out);
  bool Call(const Node& node, const JsonValue& in, JsonValue& out);

  const Program& program_;
  Arena& arena_;
  size_t made_ = 0;
};

// An empty array, string, object, false and null are false; all else is true.
bool IsFalse(const JsonValue& value);

// Calls a function by name. False: there is none, or it failed.
bool CallFunction(std::string_view name, std::span<JsonValue> arguments, Evaluator& evaluator,
                  JsonValue& out);
bool IsFunction(std::string_view name);

}  // namespace agent::text::jmes
