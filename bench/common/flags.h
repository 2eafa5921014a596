// SPDX-License-Identifier: Apache-2.0
// The command line of the yardsticks: a table of options, each bound to a variable that
// holds its default. Go's flag forms: -name=value, --name value, a bool without a value.
// Thread-compatible. The bound variables must outlive Parse.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bench {

// "512MiB", "10MB", "64k" (= KiB), "123"; an optional "/s" is ignored.
// Returns false if the text is no size.
bool ParseSize(std::string_view text, uint64_t* bytes);

class Flags {
 public:
  // `usage` is printed above the table by --help.
  explicit Flags(std::string usage) : usage_(std::move(usage)) {}

  void Text(std::string name, std::string* value, std::string help);
  void Number(std::string name, uint64_t* value, std::string help);
  void Size(std::string name, uint64_t* value, std::string help);  // with a unit
  void Real(std::string name, double* value, std::string help);
  void Bool(std::string name, bool* value, std::string help);

  // False: the program must exit with exit_code() (0 after --help, 2 after an error
  // that has been printed). What is not an option goes to `rest`.
  bool Parse(int argc, char** argv, std::vector<std::string>* rest);
  int exit_code() const { return exit_code_; }
  // A mistake that Parse cannot see; prints it as Parse would. Returns the exit code.
  int Wrong(const std::string& sentence) const;

 private:
  struct Size64 {
    uint64_t* value;
  };
  struct Option {
    std::string name, help, shown_default;
    std::variant<std::string*, uint64_t*, Size64, double*, bool*> target;
  };
  const Option* Find(std::string_view name) const;
  static bool Set(const Option& option, const std::string& value);
  void PrintHelp() const;
  bool Fail(const std::string& sentence);

  std::string usage_;
  std::vector<Option> options_;
  int exit_code_ = 0;
};

}  // namespace bench
