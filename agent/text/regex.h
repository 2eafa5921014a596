// SPDX-License-Identifier: Apache-2.0
// Regular expressions with the semantics of Go's regexp: RE2 (the same syntax and
// leftmost-first matching), with the differences of the C++ library evened out:
//   * several groups may have one name, and `(?<name>...)` is a named group;
//   * a byte that is not valid UTF-8 matches as one character U+FFFD (so `.` matches
//     it); RE2 alone would never match such a byte.
// Used by stages, selectors and rules. Immutable and thread-safe once compiled.
// Cost: the scan for non-ASCII bytes on top of RE2; text with invalid UTF-8 is
// copied into the arena. Who walks over all matches of a text does both once, with a
// Subject. RE2 itself allocates where a pattern is not one-pass or has more than four
// groups.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/arena.h"
#include "agent/core/result.h"

namespace agent::text {

// A text that is searched more than once, from left to right.
class Subject {
 public:
  Subject(std::string_view text, Arena& arena);
  std::string_view text() const { return text_; }

 private:
  friend class Regex;
  struct Place {  // the same one in both
    size_t original = 0;
    size_t replaced = 0;
  };
  Place AtOriginal(size_t offset) const;
  Place AtReplaced(size_t offset) const;
  void Advance(Place& place) const;

  std::string_view text_;
  std::string_view valid_;  // with U+FFFD for each invalid byte
  bool is_valid_;
  Place known_;  // no search will begin before it
};

class Regex {
 public:
  // An error's text says what is wrong with the pattern.
  static Result<std::unique_ptr<const Regex>> Compile(std::string_view pattern);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  const std::string& pattern() const { return pattern_; }
  // Capture groups, without the whole match.
  size_t groups() const { return names_.size() - 1; }
  // names()[i] is the name of group i or empty; names()[0] is the whole match.
  const std::vector<std::string>& names() const { return names_; }

  // Does it match anywhere?
  bool Contains(std::string_view text, Arena& arena) const;
  // Does it match the whole text?
  bool Matches(std::string_view text, Arena& arena) const;
  // The first match that begins at or after `start`; what stands before `start` still
  // counts for ^ and \b. found[0] is the match, found[i] group i: views into `text`;
  // data() is null where a group took no part. found.size() may be less than groups()+1.
  bool Find(std::string_view text, size_t start, std::span<std::string_view> found, Arena& arena) const;
  // The same in a text that is searched again, each time from further on.
  bool Find(Subject& subject, size_t start, std::span<std::string_view> found) const;

 private:
  struct Impl;
  Regex();
  bool FindIn(std::string_view text, size_t start, std::span<std::string_view> found) const;

  std::string pattern_;
  std::vector<std::string> names_;
  std::unique_ptr<Impl> impl_;
};

// The group that a `$` of a replacement names: `rest` is what follows it, and is moved on.
// False if the `$` stands for itself. As in Go a name without braces is as long as can be,
// letters of any script included: `$1é` names no group 1.
bool TakeReference(std::string_view& rest, std::string_view& name);

}  // namespace agent::text
