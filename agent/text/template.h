// SPDX-License-Identifier: Apache-2.0
// Go's text/template language with the functions that Promtail gives it: the stages
// `template` and `replace` compile one when the pipeline is built and run it per record.
//
// A Template is immutable and shared by lanes. A TemplateScratch is lane-local: it
// owns the memory of the runs of any number of templates, their cache of regular
// expressions and their random numbers, and keeps both clocks out (SetNow).
// Cost: no allocation per run in the steady state, except inside functions that
// compile a new regular expression; a template of text and fields only is copied
// together without the interpreter.
// Limits: a run stops with an error beyond the TemplateLimits, so a hostile template
// neither loops, nor recurses, nor allocates without bound.
// Failure: Compile says what is wrong and where; a run that fails says why, and what
// it had written is lost (Promtail's stages then do nothing).
// Dialect, functions and what is left out: docs/STAGES-TEMPLATE.md.
// Tested by tests/text/template_test.cc against tests/text/template/*.txt, whose
// results were made by Go itself (tests/tools/template).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/annotations.h"
#include "agent/core/result.h"
#include "agent/core/time.h"

namespace agent::text {

// What a template sees as `.`: a map from names to texts. The views must live
// until the run ends.
class TemplateData {
 public:
  virtual ~TemplateData() = default;
  // The text of Template::names()[index]; false if there is none.
  virtual bool Field(size_t index, std::string_view& out) const = 0;
  // The same for a name that only turned up during the run.
  virtual bool Named(std::string_view name, std::string_view& out) const = 0;
  // Every key, each once, in any order (for templates that look at the whole map).
  using Visit = std::function<void(std::string_view name, std::string_view text)>;
  virtual void ForEach(const Visit& visit) const = 0;
};

struct TemplateLimits {
  size_t output = 8u << 20;    // bytes written
  size_t memory = 16u << 20;   // bytes of everything computed on the way
  uint64_t steps = 1'000'000;  // evaluations, loop turns, elements touched
  int depth = 500;             // templates in templates, values in values
};

class TemplateScratch {
 public:
  // The seed makes randAlpha, shuffle, uuidv4 and the like repeatable in tests.
  explicit TemplateScratch(uint64_t seed, TemplateLimits limits = {});
  ~TemplateScratch();
  TemplateScratch(const TemplateScratch&) = delete;
  TemplateScratch& operator=(const TemplateScratch&) = delete;

  // What `now` and the functions of dates take for the present.
  void SetNow(WallNanos wall);
  // Why the last run failed: one sentence, valid until the next run.
  std::string_view error() const LIFETIME_BOUND;
  // Memory kept for the next run.
  size_t bytes_reserved() const;

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// The Go type of the data map's values. It decides what a template may do with `.`
// as a whole (`set`, `toJson`, `index`), not what fields print.
enum class TemplateDataType { kAny, kString };

class Template {
 public:
  // An error says the line of the template and what was expected there.
  static Result<std::shared_ptr<const Template>> Compile(std::string_view source,
                                                         TemplateDataType type = TemplateDataType::kAny);
  ~Template();
  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;

  // The names of fields that occur in the template: what Field() is asked for.
  const std::vector<std::string>& names() const LIFETIME_BOUND;

  // True: `out` is the text, valid until the scratch's next run. False: see
  // scratch.error(); `out` is empty.
  bool Execute(const TemplateData& data, TemplateScratch& scratch, std::string_view& out) const;

  struct Impl;

 private:
  explicit Template(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::text
