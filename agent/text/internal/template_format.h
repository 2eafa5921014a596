// SPDX-License-Identifier: Apache-2.0
// One value printed with one verb of Go's fmt, its flags, width and precision.
// Lives for one call; appends to the text it was given.
#pragma once

#include <string>
#include <string_view>

#include "agent/text/internal/template_functions.h"

namespace agent::text::tmpl {

struct Spec {
  bool minus = false;
  bool plus = false;
  bool sharp = false;
  bool space = false;
  bool zero = false;
  bool sharp_v = false;  // %#v
  int width = -1;
  int precision = -1;
  char32_t verb = 'v';
};

class Formatter {
 public:
  Formatter(Run& run, std::string& out, const Spec& spec, int depth = 0)
      : run_(run), out_(out), spec_(spec), depth_(depth) {}

  void One(const Value& value);

 private:
  void Pad(std::string_view text);
  void Text(std::string_view text, const Value& value);
  void Int(const Value& value);
  void Integer(int64_t value, int base, char mark);
  void Character(int64_t value);
  void Float(const Value& value);
  void Complex(const Value& value);
  void Listing(const Value& value);
  void Mapping(const Value& value);
  void Element(const Value& value);
  bool Named(const Value& value);
  void BadVerb(const Value& value);

  Run& run_;
  std::string& out_;
  const Spec spec_;
  const int depth_;
};

// The number as strconv.FormatFloat writes it; -1: as few digits as tell it apart.
void AppendFloat(std::string& out, double value, char format, int precision);

}  // namespace agent::text::tmpl
