// SPDX-License-Identifier: Apache-2.0
// A parsed template. Names are resolved when it is made: functions to their table
// entries, variables to slots of a frame, fields to indexes of the list of names.
// Immutable after parsing; literals point into the source or into `literals`.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/text/internal/template_value.h"

namespace agent::text::tmpl {

struct Function;
struct Pipe;

struct FieldName {
  std::string_view name;
  uint32_t index = 0;  // in Tree::names
};

// A constant number as Go sees it: it may fit several types.
struct Number {
  bool is_int = false;
  bool is_float = false;
  bool is_complex = false;
  int64_t integer = 0;
  double real = 0;
  Complex complex;  // the whole of it, if it was written with an i
};

struct Operand {
  enum class Type { kConstant, kNil, kDot, kField, kVariable, kFunction, kPipe };
  Type type = Type::kDot;
  Value constant;                      // kConstant
  const Number* number = nullptr;      // of a numeric constant
  uint32_t slot = 0;                   // kVariable
  const Function* function = nullptr;  // kFunction
  std::unique_ptr<Pipe> pipe;          // kPipe
  std::vector<FieldName> path;         // .a.b.c after any of the last five
  std::string_view text;               // for messages
  int line = 0;
};

struct Command {
  std::vector<Operand> operands;  // the function (or value) and its arguments
};

struct Pipe {
  std::vector<uint32_t> declares;  // slots
  bool assigns = false;            // `=` instead of `:=`
  bool unknown_variable = false;   // assigns to one that was never declared
  std::vector<Command> commands;
  int line = 0;
};

struct Statement {
  enum class Type { kText, kAction, kIf, kWith, kRange, kTemplate, kBreak, kContinue };
  Type type = Type::kText;
  int line = 0;
  std::string_view text;  // kText; the name for kTemplate
  std::unique_ptr<Pipe> pipe;
  std::vector<Statement> body;
  std::vector<Statement> otherwise;
};

struct Body {
  std::vector<Statement> statements;
  uint32_t frame = 1;  // slots; slot 0 is $
};

// What Promtail calls the template itself: templates may invoke it by this name.
inline constexpr std::string_view kMainTemplate = "pipeline_template";

struct Tree {
  std::string source;
  std::deque<std::string> literals;
  std::deque<Number> numbers;
  std::vector<std::string> names;
  std::map<std::string, Body, std::less<>> templates;
};

}  // namespace agent::text::tmpl
