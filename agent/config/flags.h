// SPDX-License-Identifier: Apache-2.0
// Command-line flags by the rules of Go's `flag` package, which Promtail's users rely
// on: -name and --name are one, values after `=` or as the next word, booleans only
// with `=` or bare, parsing stops at the first word that is no flag, at `-` or `--`;
// a repeated flag: the last wins (repeatable ones collect).
//
// The caller declares flags with the variable that holds the default, then parses:
//
//   FlagSet flags("agent");
//   flags.String("config.file", options.config_file, "the configuration to load");
//   flags.Duration("client.timeout", options.timeout, "time for one push");
//   if (Status parsed = flags.Parse(arguments); !parsed) ...   // usage error: exit 2
//
// Precedence over a file: a flag writes its variable only in Parse. Load the file
// into the same variables first, or ask WasSet() afterwards.
// Ownership: borrows the variables until after Parse. Thread-compatible.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"
#include "agent/core/time.h"

namespace agent::config {

class FlagSet {
 public:
  enum class Kind { kString, kBool, kInt, kFloat, kDuration, kBytes, kUrl, kTextList };

  explicit FlagSet(std::string program) : program_(std::move(program)) {}

  // Declares a flag; the variable's value is the default that Usage shows. Names are
  // unique and carry no dash in front (both are CHECKed).
  void String(std::string name, std::string& out, std::string help);
  void Bool(std::string name, bool& out, std::string help);
  void Int(std::string name, int64_t& out, std::string help);
  void Float(std::string name, double& out, std::string help);
  void Duration(std::string name, agent::Duration& out, std::string help);
  void Bytes(std::string name, uint64_t& out, std::string help);
  // Text that must be a URL with scheme and host ("" is allowed: unset).
  void Url(std::string name, std::string& out, std::string help);
  // May be given often; the texts are appended in order. The first one replaces the
  // default.
  void TextList(std::string name, std::vector<std::string>& out, std::string help);
  // Known to Promtail and accepted, value and all, but without effect here; Usage
  // leaves it out. `kind` decides how its value is checked and whether it takes one.
  void Accepted(std::string name, Kind kind);

  // Reads the words after the program's name. On an error the variables may be
  // partly set. Nothing is printed. `-h`, `-help`: help_wanted() is true and parsing
  // stops there, unless a flag of that name was declared.
  Status Parse(const std::vector<std::string>& arguments);

  // What Parse left over: the words from the first that is no flag.
  const std::vector<std::string>& rest() const { return rest_; }
  bool help_wanted() const { return help_wanted_; }
  // True if Parse met the flag.
  bool WasSet(std::string_view name) const;
  // The names that Parse met, once each, in order of appearance.
  const std::vector<std::string>& set_names() const { return set_; }
  // The set flags that were declared with Accepted, for a warning.
  std::vector<std::string> SetWithoutEffect() const;

  // Every flag with its kind, default and help, sorted by name; for -help and for
  // completions and the manual page.
  struct Description {
    std::string name;
    Kind kind;
    std::string fallback;  // as it would be written on the command line
    std::string help;
  };
  std::vector<Description> Describe() const;
  std::string Usage() const;

  static std::string_view KindName(Kind kind);  // "" for a boolean: it needs no value

 private:
  struct Flag {
    Description description;
    bool accepted_only = false;
    std::function<Status(const std::string&)> set;
  };
  struct Word {
    std::string name;
    std::string value;
    bool has_value = false;
  };

  void Add(std::string name, Kind kind, std::string fallback, std::string help,
           std::function<Status(const std::string&)> set);
  const Flag* Find(std::string_view name) const;
  Status Apply(Word word, const std::vector<std::string>& arguments, size_t& next);
  std::unexpected<Error> Unknown(const std::string& name) const;

  std::string program_;
  std::vector<Flag> flags_;
  std::vector<std::string> rest_;
  std::vector<std::string> set_;
  bool help_wanted_ = false;
};

}  // namespace agent::config
