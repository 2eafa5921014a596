// SPDX-License-Identifier: Apache-2.0
// Everything that is wrong with a configuration, collected, so that a person sees
// all of it at once. Each problem names its place, the key path, the offending
// text and what was expected. Thread-compatible.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace agent {

struct Place {
  std::string file;  // empty: the command line
  int line = 0;      // from 1; 0 = unknown
  int column = 0;    // from 1
};

struct Diagnostic {
  enum class Severity { kError, kWarning };
  Severity severity = Severity::kError;
  Place place;
  std::string key;      // e.g. scrape_configs[0].pipeline_stages[2].regex.expression
  std::string message;  // one sentence, with the offending text and what to do
};

class Diagnostics {
 public:
  void AddError(Place place, std::string_view key, std::string_view message);
  void AddWarning(Place place, std::string_view key, std::string_view message);

  bool ok() const { return errors_ == 0; }
  size_t errors() const { return errors_; }
  const std::vector<Diagnostic>& all() const { return all_; }

  // One line each, in order of place: `file:line:col: error: key: message`.
  std::string Text() const;

 private:
  std::vector<Diagnostic> all_;
  size_t errors_ = 0;
};

}  // namespace agent
