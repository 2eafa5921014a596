// SPDX-License-Identifier: Apache-2.0
// File name patterns, as Promtail's `__path__` has them: `*`, `?`, `[a-z]`, `[^a-z]`,
// `{a,b}`, `\` to quote, and `**` for any number of directories. A name that begins
// with a dot is matched like any other. Immutable after parsing; pure.
//
// Braces are expanded when parsing, so a Glob is a list of plain alternatives, each a
// list of segments: what a walk over a directory tree needs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"

namespace agent::platform {

class Glob {
 public:
  struct Segment {
    enum class Kind { kLiteral, kPattern, kAnyDepth };
    Kind kind = Kind::kLiteral;
    std::string text;  // literal: unquoted; pattern: as written

    bool Matches(std::string_view name) const;
  };
  using Alternative = std::vector<Segment>;  // of an absolute path, without the first slash

  // `pattern` must be absolute. More than kMaxAlternatives is an error.
  static constexpr size_t kMaxAlternatives = 256;
  static Result<Glob> Parse(std::string_view pattern);
  // A path taken literally.
  static Glob Literal(std::string_view path);

  const std::vector<Alternative>& alternatives() const { return alternatives_; }
  bool Matches(std::string_view path) const;
  bool is_literal() const;

 private:
  std::vector<Alternative> alternatives_;
};

}  // namespace agent::platform
