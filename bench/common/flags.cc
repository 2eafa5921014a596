// SPDX-License-Identifier: Apache-2.0
#include "bench/common/flags.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace bench {

bool ParseSize(std::string_view text, uint64_t* bytes) {
  if (text.ends_with("/s")) text.remove_suffix(2);
  const std::string copy(text);
  char* end = nullptr;
  const double number = std::strtod(copy.c_str(), &end);
  if (end == copy.c_str() || number < 0 || !std::isfinite(number)) return false;
  struct Unit {
    const char* name;
    double factor;
  };
  static constexpr Unit kUnits[] = {
      {"", 1},      {"B", 1},      {"k", 1024},      {"K", 1024},          {"m", 1048576},
      {"M", 1048576}, {"g", 1073741824}, {"G", 1073741824}, {"KiB", 1024}, {"MiB", 1048576},
      {"GiB", 1073741824}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}};
  while (*end == ' ') ++end;
  for (const Unit& unit : kUnits) {
    if (std::string_view(end) == unit.name) {
      *bytes = static_cast<uint64_t>(number * unit.factor);
      return true;
    }
  }
  return false;
}

void Flags::Text(std::string name, std::string* value, std::string help) {
  options_.push_back({std::move(name), std::move(help), *value, value});
}
void Flags::Number(std::string name, uint64_t* value, std::string help) {
  options_.push_back({std::move(name), std::move(help), std::to_string(*value), value});
}
void Flags::Size(std::string name, uint64_t* value, std::string help) {
  options_.push_back({std::move(name), std::move(help), std::to_string(*value), Size64{value}});
}
void Flags::Real(std::string name, double* value, std::string help) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", *value);
  options_.push_back({std::move(name), std::move(help), text, value});
}
void Flags::Bool(std::string name, bool* value, std::string help) {
  options_.push_back({std::move(name), std::move(help), *value ? "true" : "false", value});
}

const Flags::Option* Flags::Find(std::string_view name) const {
  for (const Option& option : options_) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

bool Flags::Set(const Option& option, const std::string& value) {
  char* end = nullptr;
  if (auto* const* text = std::get_if<std::string*>(&option.target)) {
    **text = value;
    return true;
  }
  if (auto* const* number = std::get_if<uint64_t*>(&option.target)) {
    **number = std::strtoull(value.c_str(), &end, 10);
    return !value.empty() && *end == '\0' && value[0] != '-';
  }
  if (const auto* size = std::get_if<Size64>(&option.target)) return ParseSize(value, size->value);
  if (auto* const* real = std::get_if<double*>(&option.target)) {
    **real = std::strtod(value.c_str(), &end);
    return !value.empty() && *end == '\0';
  }
  auto* flag = std::get<bool*>(option.target);
  *flag = value == "true" || value == "1";
  return *flag || value == "false" || value == "0";
}

bool Flags::Parse(int argc, char** argv, std::vector<std::string>* rest) {
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (word.size() < 2 || word[0] != '-') {
      rest->emplace_back(word);
      continue;
    }
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    const size_t equals = word.find('=');
    const std::string name(word.substr(0, equals));
    if (name == "help" || name == "h") {
      PrintHelp();
      exit_code_ = 0;
      return false;
    }
    const Option* option = Find(name);
    if (option == nullptr) return Fail("unknown option --" + name + "; --help lists them");
    std::string value;
    if (equals != std::string_view::npos) {
      value = word.substr(equals + 1);
    } else if (std::holds_alternative<bool*>(option->target)) {
      value = "true";
    } else if (i + 1 < argc) {
      value = argv[++i];
    } else {
      return Fail("--" + name + " needs a value");
    }
    if (!Set(*option, value)) return Fail("--" + name + ": cannot read \"" + value + "\"");
  }
  return true;
}

bool Flags::Fail(const std::string& sentence) {
  exit_code_ = Wrong(sentence);
  return false;
}

int Flags::Wrong(const std::string& sentence) const {
  std::fprintf(stderr, "%s\n", sentence.c_str());
  return 2;
}

void Flags::PrintHelp() const {
  std::printf("%s\n", usage_.c_str());
  for (const Option& option : options_) {
    const std::string shown = option.shown_default.empty() ? "" : " (default " + option.shown_default + ")";
    std::printf("  --%-20s %s%s\n", option.name.c_str(), option.help.c_str(), shown.c_str());
  }
}

}  // namespace bench
