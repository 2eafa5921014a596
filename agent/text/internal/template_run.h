// SPDX-License-Identifier: Apache-2.0
// One execution of a template, as the functions see it: where results live, what may
// still be spent, and the first thing that went wrong.
//
// Failure: Fail() remembers the first reason; from then on results do not matter and
// everybody returns as soon as convenient. Memory and steps beyond the limits are a
// failure like any other. Functions that make much of little (repeat, join, padding)
// ask Room() before they make it; the rest is caught when a result is kept.
// Lane-local; nothing outlives the run except the regular expressions.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/core/arena.h"
#include "agent/text/internal/template_hash.h"
#include "agent/text/internal/template_value.h"
#include "agent/text/regex.h"

namespace agent::text {

namespace tmpl {
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
}  // namespace tmpl

struct TemplateScratch::Impl {
  Impl(uint64_t seed, TemplateLimits l);
  ~Impl();
  uint64_t Random();  // splitmix64

  TemplateLimits limits;
  Arena arena;
  std::string out;
  std::vector<std::unique_ptr<std::string>> texts;           // pool of Buffer
  std::vector<std::unique_ptr<std::vector<tmpl::Value>>> lists;  // pool of ValueBuffer
  std::vector<tmpl::Value> variables;
  std::string error;
  std::unordered_map<std::string, std::unique_ptr<const Regex>, tmpl::TextHash, std::equal_to<>> regexes;
  tmpl::Hasher hasher;
  uint64_t random;
  absl::Time now;
};

}  // namespace agent::text

namespace agent::text::tmpl {

using Args = std::span<const Value>;

class Run {
 public:
  explicit Run(TemplateScratch::Impl& scratch)
      : scratch_(scratch), steps_(scratch.limits.steps), memory_(scratch.limits.memory) {}

  // The first failure wins. Returns no value, so that `return run.Fail(...)` works.
  Value Fail(std::string_view why);
  Value Fail(std::string_view before, std::string_view what, std::string_view after = {});
  bool failed() const { return failed_; }

  // False: out of steps, which is a failure.
  bool Charge(uint64_t steps = 1) {
    if (steps <= steps_) {
      steps_ -= steps;
      return true;
    }
    return OutOfSteps();
  }
  uint64_t& steps() { return steps_; }
  // Whether that many bytes could still be kept. False is a failure.
  bool Room(size_t bytes);

  // -- results; empty after a failure --
  char* NewBytes(size_t bytes);  // null after a failure
  std::string_view Keep(std::string_view text);
  Value Text(std::string_view text) { return Value::String(Keep(text)); }
  Value NewList(std::span<const Value> items, Elem elem = Elem::kAny);
  Value NullList(Elem elem);
  Map* NewMap(Elem elem = Elem::kAny);
  // `key` must be kept already.
  void Set(Map& map, std::string_view key, Value value);
  void Erase(Map& map, std::string_view key);
  // Copies the execution's data into the map if it still stands behind it.
  const Map& Fill(Map& map);
  Value NewTime(absl::Time time, absl::TimeZone zone, std::string_view zone_name = {});

  // Compiled, or null after a failure: the pattern is not a regular expression.
  const Regex* Compile(std::string_view pattern);

  TemplateScratch::Impl& scratch() { return scratch_; }
  absl::Time now() const { return scratch_.now; }
  uint64_t Random() { return scratch_.Random(); }

 private:
  bool OutOfSteps();

  TemplateScratch::Impl& scratch_;
  uint64_t steps_;
  size_t memory_;
  bool failed_ = false;
};

// A std::string or a vector of values from the scratch's pool, given back at the end
// of the scope, so that building a result allocates nothing in the steady state.
class Buffer {
 public:
  explicit Buffer(Run& run);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  std::string& operator*() { return *text_; }
  std::string* operator->() { return text_.get(); }

 private:
  TemplateScratch::Impl& scratch_;
  std::unique_ptr<std::string> text_;
};

class ValueBuffer {
 public:
  explicit ValueBuffer(Run& run);
  ~ValueBuffer();
  ValueBuffer(const ValueBuffer&) = delete;
  ValueBuffer& operator=(const ValueBuffer&) = delete;
  std::vector<Value>& operator*() { return *values_; }
  std::vector<Value>* operator->() { return values_.get(); }

 private:
  TemplateScratch::Impl& scratch_;
  std::unique_ptr<std::vector<Value>> values_;
};

}  // namespace agent::text::tmpl
