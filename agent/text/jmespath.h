// SPDX-License-Identifier: Apache-2.0
// JMESPath expressions, with the behaviour of go-jmespath, the library behind
// Promtail's json stage: the whole language of the official compliance suite, and
// where implementations differ, its choices (a function's name is checked when it is
// called, commas between arguments may be left out, and so on).
//
// Compiled once, then immutable and thread-safe. Results live in the arena.
// Limits: kMaxTokens per expression; kMaxResults values per search, so that no
// expression can blow up a small line.
// Source: https://jmespath.org/specification.html. All 862 cases of the compliance
// suite (github.com/jmespath/jmespath.test as of go-jmespath 0.4.0) give its results.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/arena.h"
#include "agent/core/result.h"
#include "agent/text/json_value.h"

namespace agent::text {

class JmesPath {
 public:
  static constexpr size_t kMaxTokens = 2000;
  static constexpr size_t kMaxResults = 1 << 20;

  // An error's text says what is wrong and where.
  static Result<JmesPath> Compile(std::string_view expression);
  ~JmesPath();
  JmesPath(JmesPath&&) noexcept;
  JmesPath& operator=(JmesPath&&) noexcept;

  // False on an error at run time (a function's argument of the wrong type, an
  // unknown function, step 0 of a slice, a limit).
  bool Search(const JsonValue& document, Arena& arena, JsonValue& out) const;

  // If the expression is nothing but names joined by dots: the names.
  bool IsPath(std::vector<std::string>& names) const;
  // The first function that does not exist, or empty: every search that calls it fails.
  std::string UnknownFunction() const;

 private:
  struct Impl;
  JmesPath();
  std::unique_ptr<const Impl> impl_;
};

}  // namespace agent::text
