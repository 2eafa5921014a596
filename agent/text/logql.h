// SPDX-License-Identifier: Apache-2.0
// The part of LogQL that Promtail's match stage knows:
//   {name="v", other!="v", a=~"regex", b!~"regex"} |= "text" != "text" |~ "regex" !~ "regex"
// Label regexes match the whole value, line regexes anywhere; a missing label is the
// empty text. Everything is ANDed. Texts are in double quotes with Go's escapes.
// Immutable and thread-safe once parsed.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/arena.h"
#include "agent/core/result.h"
#include "agent/text/regex.h"

namespace agent::text {

class LogSelector {
 public:
  // An error's text says what is wrong and where in the selector.
  static Result<LogSelector> Parse(std::string_view selector);

  // `value_of(name)` gives a label's value, empty if there is none.
  template <class ValueOf>
  bool MatchesLabels(ValueOf&& value_of, Arena& arena) const {
    for (const Condition& matcher : matchers_) {
      if (!matcher.Accepts(value_of(matcher.label), arena)) return false;
    }
    return true;
  }
  bool MatchesLine(std::string_view line, Arena& arena) const;
  bool HasLineFilters() const { return !filters_.empty(); }

 private:
  friend class LogSelectorParser;
  enum class Op { kEqual, kNotEqual, kMatch, kNotMatch };
  struct Condition {
    std::string label;  // empty in line filters
    Op op = Op::kEqual;
    std::string text;
    std::unique_ptr<const Regex> regex;  // of kMatch and kNotMatch

    bool Accepts(std::string_view value, Arena& arena) const;  // as a label's
  };
  std::vector<Condition> matchers_;
  std::vector<Condition> filters_;
};

}  // namespace agent::text
