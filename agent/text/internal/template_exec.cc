// SPDX-License-Identifier: Apache-2.0
#include "agent/text/internal/template_exec.h"

namespace agent::text::tmpl {
namespace {

std::string_view TypeText(char type) {
  switch (type) {
    case 's': return "string";
    case 'i': return "int";
    case 'b': return "bool";
    case 'f': return "float64";
    case 'm': return "map[string]interface {}";
    case 't': return "time.Time";
    case 'p': return "*semver.Version";
    default: return "interface {}";
  }
}

// Counts nesting for as long as it lives.
class Deeper {
 public:
  explicit Deeper(int& depth) : depth_(++depth) {}
  ~Deeper() { --depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  int& depth_;
};

}  // namespace

void Interpreter::Execute(const Value& data) {
  stack_.clear();
  const auto main = tree_.templates.find(kMainTemplate);
  Call(main->second, data);
}

void Interpreter::Call(const Body& body, const Value& data) {
  const size_t frame = frame_;
  const size_t base = stack_.size();
  stack_.resize(base + body.frame);
  stack_[base] = data;
  frame_ = base;
  Walk(body.statements, data);
  frame_ = frame;
  stack_.resize(base);
}

void Interpreter::Write(std::string_view text) {
  if (out_.size() + text.size() > run_.scratch().limits.output) {
    run_.Fail("the template writes more than one record may hold");
    return;
  }
  out_.append(text);
}

void Interpreter::Write(const Value& value) {
  if (value.is_string()) return Write(value.text);
  if (value.is_nothing()) return Write("<no value>");
  Buffer text(run_);
  AppendValue(run_, *text, value);
  Write(*text);
}

Interpreter::Flow Interpreter::Walk(const std::vector<Statement>& statements, const Value& dot) {
  const Deeper deeper(depth_);
  if (depth_ > run_.scratch().limits.depth) {
    run_.Fail("templates call each other too deeply");
    return Flow::kNext;
  }
  for (const Statement& statement : statements) {
    const Flow flow = Step(statement, dot);
    if (run_.failed() || flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::Step(const Statement& statement, const Value& dot) {
  using Type = Statement::Type;
  if (!run_.Charge()) return Flow::kNext;
  switch (statement.type) {
    case Type::kText: Write(statement.text); break;
    case Type::kAction: {
      const Value value = Evaluate(*statement.pipe, dot);
      if (!run_.failed() && statement.pipe->declares.empty()) Write(value);
      break;
    }
    case Type::kIf:
    case Type::kWith: {
      const Value value = Evaluate(*statement.pipe, dot);
      if (run_.failed()) break;
      if (!IsTrue(value)) return Walk(statement.otherwise, dot);
      return Walk(statement.body, statement.type == Type::kWith ? value : dot);
    }
    case Type::kRange: return Range(statement, dot);
    case Type::kTemplate: Invoke(statement, dot); break;
    case Type::kBreak: return Flow::kBreak;
    case Type::kContinue: return Flow::kContinue;
  }
  return Flow::kNext;
}

void Interpreter::Invoke(const Statement& statement, const Value& dot) {
  const auto found = tree_.templates.find(statement.text);
  if (found == tree_.templates.end()) {
    run_.Fail("there is no template ", statement.text);
    return;
  }
  const Value data = statement.pipe == nullptr ? Value() : Evaluate(*statement.pipe, dot);
  if (!run_.failed()) Call(found->second, data);
}

Interpreter::Flow Interpreter::RangeTurn(const Statement& statement, const Value& index, const Value& element) {
  const auto& declares = statement.pipe->declares;
  if (!run_.Charge()) return Flow::kBreak;
  if (declares.size() > 1) {
    stack_[frame_ + declares[0]] = index;
    stack_[frame_ + declares[1]] = element;
  } else if (declares.size() == 1) {
    stack_[frame_ + declares[0]] = element;
  }
  const Flow flow = Walk(statement.body, element);
  return run_.failed() ? Flow::kBreak : flow;
}

Interpreter::Flow Interpreter::Range(const Statement& statement, const Value& dot) {
  const Value over = Evaluate(*statement.pipe, dot);
  if (run_.failed()) return Flow::kNext;
  bool empty = true;
  if (over.kind == Kind::kList) {
    const auto items = over.list->items;
    empty = items.empty();
    for (size_t i = 0; i < items.size(); ++i) {
      if (RangeTurn(statement, Value::Int(static_cast<int64_t>(i)), items[i]) == Flow::kBreak) break;
    }
  } else if (over.kind == Kind::kMap) {
    // The keys as of now: the body may change the map.
    ValueBuffer pairs(run_);
    for (const Map::Entry& entry : run_.Fill(*over.map).all()) {
      pairs->push_back(Value::String(entry.key));
      pairs->push_back(entry.value);
    }
    empty = pairs->empty();
    for (size_t i = 0; i < pairs->size(); i += 2) {
      if (RangeTurn(statement, (*pairs)[i], (*pairs)[i + 1]) == Flow::kBreak) break;
    }
  } else if (over.kind == Kind::kInt) {
    if (statement.pipe->declares.size() > 1) {
      run_.Fail("range over a number has only one variable");
      return Flow::kNext;
    }
    empty = over.integer <= 0;
    for (int64_t i = 0; i < over.integer; ++i) {
      const Value turn = Value::Int(i, over.int_type);
      if (RangeTurn(statement, turn, turn) == Flow::kBreak) break;
    }
  } else if (!over.is_nothing()) {
    run_.Fail("range cannot go over a value of type ", TypeName(over));
    return Flow::kNext;
  }
  return empty ? Walk(statement.otherwise, dot) : Flow::kNext;
}

Value Interpreter::Evaluate(const Pipe& pipe, const Value& dot) {
  const Deeper deeper(depth_);
  if (depth_ > run_.scratch().limits.depth) return run_.Fail("the template is nested too deeply");
  Value value;
  const Value* piped = nullptr;
  for (const Command& command : pipe.commands) {
    value = Evaluate(command, dot, piped);
    if (run_.failed()) return {};
    if (value.kind == Kind::kNil) value = {};
    piped = &value;
  }
  if (pipe.unknown_variable) return run_.Fail("a variable is assigned to, but was never declared");
  for (const uint32_t slot : pipe.declares) stack_[frame_ + slot] = value;
  return value;
}

Value Interpreter::Evaluate(const Command& command, const Value& dot, const Value* piped) {
  if (!run_.Charge()) return {};
  const Operand& first = command.operands.front();
  const std::span<const Operand> args(command.operands.data() + 1, command.operands.size() - 1);
  using Type = Operand::Type;
  if (first.type == Type::kFunction && first.path.empty()) {
    return CallFunction(*first.function, first.function->types, nullptr, args, dot, piped);
  }
  if (first.type == Type::kField) return Fields(dot, first.path, args, dot, piped);
  if (!first.path.empty()) {
    const Value receiver = Plain(first, dot);
    return run_.failed() ? Value() : Fields(receiver, first.path, args, dot, piped);
  }
  if (!args.empty() || piped != nullptr) return run_.Fail("this is not a function: ", first.text);
  if (first.type == Type::kNil) return run_.Fail("nil is not a command");
  return Plain(first, dot);
}

Value Interpreter::Plain(const Operand& operand, const Value& dot) {
  using Type = Operand::Type;
  switch (operand.type) {
    case Type::kConstant: return operand.constant;
    case Type::kDot: return dot;
    case Type::kVariable: return stack_[frame_ + operand.slot];
    case Type::kPipe: return Evaluate(*operand.pipe, dot);
    case Type::kFunction: return CallFunction(*operand.function, operand.function->types, nullptr, {}, dot, nullptr);
    case Type::kField: return dot;  // the path does the rest
    case Type::kNil: break;
  }
  return Value::Nil();
}

Value Interpreter::Fields(Value receiver, const std::vector<FieldName>& path, std::span<const Operand> args,
                          const Value& dot, const Value* piped) {
  for (size_t i = 0; i < path.size(); ++i) {
    const bool last = i + 1 == path.size();
    receiver = Field(receiver, path[i], last ? args : std::span<const Operand>(), dot, last ? piped : nullptr);
    if (run_.failed()) return {};
  }
  return receiver;
}

Value Interpreter::Field(const Value& receiver, const FieldName& field, std::span<const Operand> args,
                         const Value& dot, const Value* piped) {
  if (receiver.kind == Kind::kMissing) return {};
  if (receiver.kind == Kind::kNil) return run_.Fail("nil has no field ", field.name);
  if (receiver.kind == Kind::kMap) {
    if (!args.empty() || piped != nullptr) return run_.Fail("not a method, but it has arguments: ", field.name);
    const Map& map = *receiver.map;
    if (map.data != nullptr) {
      std::string_view text;
      return map.data->Field(field.index, text) ? Value::String(text) : Value();
    }
    const Value* found = map.Find(field.name);
    return found == nullptr ? Value() : *found;
  }
  const Function* method = FindMethod(receiver, field.name);
  if (method == nullptr) return run_.Fail("there is no field ", field.name, " in a value of this type");
  const Value self = receiver;
  return CallFunction(*method, method->types.substr(1), &self, args, dot, piped);
}

// Go's `and` and `or` stop at the argument that decides.
Value Interpreter::AndOr(const Function& function, std::span<const Operand> args, const Value& dot,
                         const Value* piped) {
  if (args.empty() && piped == nullptr) return run_.Fail("missing argument for ", function.name);
  const bool stop_at = function.name == "or";
  Value value;
  for (const Operand& arg : args) {
    value = Argument(arg, 'v', dot);
    if (run_.failed() || IsTrue(value) == stop_at) return value;
  }
  return piped != nullptr ? *piped : value;
}

Value Interpreter::CallFunction(const Function& function, std::string_view types, const Value* receiver,
                                std::span<const Operand> args, const Value& dot, const Value* piped) {
  if (function.call == nullptr) return AndOr(function, args, dot, piped);
  const bool variadic = types.ends_with('*');
  const size_t fixed = variadic ? types.size() - 2 : types.size();
  const size_t given = args.size() + (piped != nullptr ? 1 : 0);
  if (given < fixed || (!variadic && given > fixed)) return run_.Fail("wrong number of arguments for ", function.name);
  const auto type_of = [types, fixed](size_t i) { return i < fixed ? types[i] : types[fixed]; };
  const size_t base = stack_.size();
  if (receiver != nullptr) stack_.push_back(*receiver);
  for (size_t i = 0; i < args.size() && !run_.failed(); ++i) {
    const Value value = Argument(args[i], type_of(i), dot);
    stack_.push_back(value);
  }
  if (piped != nullptr && !run_.failed()) {
    // Go takes a lone value for a variadic parameter by its last fixed type if that is where it stands.
    stack_.push_back(Check(*piped, type_of(given - 1)));
  }
  Value result;
  if (!run_.failed()) result = function.call(run_, Args(stack_).subspan(base));
  stack_.resize(base);
  return result;
}

Value Interpreter::Argument(const Operand& operand, char type, const Value& dot) {
  using Type = Operand::Type;
  if (operand.type == Type::kConstant) return Constant(operand, type);
  if (operand.type == Type::kNil) return NilArgument(type);
  Value value = Plain(operand, dot);
  if (!run_.failed() && !operand.path.empty()) value = Fields(value, operand.path, {}, dot, nullptr);
  return run_.failed() ? Value() : Check(value, type);
}

Value Interpreter::Constant(const Operand& operand, char type) {
  const Value& constant = operand.constant;
  const bool number = operand.number != nullptr;
  if (type == 'a' || type == 'v') return constant;
  if (type == 's' && constant.is_string()) return constant;
  if (type == 'b' && constant.kind == Kind::kBool) return constant;
  if (type == 'i' && number && operand.number->is_int) return Value::Int(operand.number->integer);
  if (type == 'f' && number && operand.number->is_float) return Value::Float(operand.number->real);
  return run_.Fail("expected another type of value than ", operand.text);
}

Value Interpreter::NilArgument(char type) {
  if (type == 'a') return Value::Nil();
  if (type == 'v') return {};
  if (type == 'm') return Check({}, 'm');
  return run_.Fail("nil cannot stand for a ", TypeText(type));
}

Value Interpreter::Check(const Value& value, char type) {
  bool fits = false;
  switch (type) {
    case 'a': return value.kind == Kind::kMissing ? Value::Nil() : value;
    case 'v': return value;
    case 's': fits = value.is_string(); break;
    case 'i': fits = value.kind == Kind::kInt && value.int_type == IntType::kInt; break;
    case 'b': fits = value.kind == Kind::kBool; break;
    case 'f': fits = value.kind == Kind::kFloat; break;
    case 't': fits = value.kind == Kind::kTime; break;
    case 'p': fits = value.kind == Kind::kVersion; break;
    case 'm':
      fits = value.kind == Kind::kMap && value.map->elem == Elem::kAny;
      if (value.kind == Kind::kMissing) {
        Map* map = run_.NewMap();
        map->null = true;
        return Value::Of(map);
      }
      break;
    default: break;
  }
  if (fits) return value;
  if (value.kind == Kind::kMissing) return run_.Fail("a value is missing where there must be a ", TypeText(type));
  return run_.Fail("a value has another type than ", TypeText(type));
}

}  // namespace agent::text::tmpl
