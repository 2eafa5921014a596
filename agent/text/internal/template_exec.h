// SPDX-License-Identifier: Apache-2.0
// Walks a template's tree and writes its output, with Go's rules of evaluation:
// missing keys, nil, argument types, truth, scopes. Recursion, steps and output are
// limited by the Run. Lives for one execution.
#pragma once

#include <string>

#include "agent/text/internal/template_functions.h"
#include "agent/text/internal/template_tree.h"

namespace agent::text::tmpl {

class Interpreter {
 public:
  Interpreter(const Tree& tree, Run& run, std::string& out)
      : tree_(tree), run_(run), out_(out), stack_(run.scratch().variables) {}

  // Whether it failed is in the run.
  void Execute(const Value& data);

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // -- statements --
  void Call(const Body& body, const Value& data);
  Flow Walk(const std::vector<Statement>& statements, const Value& dot);
  Flow Step(const Statement& statement, const Value& dot);
  Flow Range(const Statement& statement, const Value& dot);
  Flow RangeTurn(const Statement& statement, const Value& index, const Value& element);
  void Invoke(const Statement& statement, const Value& dot);
  void Write(const Value& value);
  void Write(std::string_view text);

  // -- pipelines --
  Value Evaluate(const Pipe& pipe, const Value& dot);
  Value Evaluate(const Command& command, const Value& dot, const Value* piped);
  Value CallFunction(const Function& function, std::string_view types, const Value* receiver,
                     std::span<const Operand> args, const Value& dot, const Value* piped);
  Value AndOr(const Function& function, std::span<const Operand> args, const Value& dot, const Value* piped);
  Value Fields(Value receiver, const std::vector<FieldName>& path, std::span<const Operand> args, const Value& dot,
               const Value* piped);
  Value Field(const Value& receiver, const FieldName& field, std::span<const Operand> args, const Value& dot,
              const Value* piped);
  // The operand as a value, without arguments of its own.
  Value Plain(const Operand& operand, const Value& dot);
  // The operand as an argument for a parameter of this type.
  Value Argument(const Operand& operand, char type, const Value& dot);
  Value Constant(const Operand& operand, char type);
  Value NilArgument(char type);
  Value Check(const Value& value, char type);

  const Tree& tree_;
  Run& run_;
  std::string& out_;
  std::vector<Value>& stack_;  // frames of variables, and arguments on top
  size_t frame_ = 0;
  int depth_ = 0;
};

}  // namespace agent::text::tmpl
