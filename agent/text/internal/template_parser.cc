// SPDX-License-Identifier: Apache-2.0
#include "agent/text/internal/template_parser.h"

#include <algorithm>
#include <optional>

#include "agent/text/internal/template_functions.h"
#include "agent/text/internal/template_unicode.h"

namespace agent::text::tmpl {
namespace {

constexpr int kMaxNesting = 200;

class Parser {
 public:
  explicit Parser(Tree& tree) : tree_(tree), lexer_(tree.source) {}

  bool Main();
  std::string Error() const { return "line " + std::to_string(error_line_) + ": " + error_; }

 private:
  enum class Ender { kNone, kEnd, kElse };
  struct Scope {  // of the body being parsed
    std::vector<std::string_view> variables{"$"};
    uint32_t frame = 1;
    int loops = 0;
  };

  bool Fail(std::string message) {
    if (error_.empty()) {
      error_ = lexer_.error().empty() ? std::move(message) : lexer_.error();
      error_line_ = lexer_.LineOf(last_.at);
    }
    return false;
  }
  bool Unexpected(const Token& token, std::string_view where);

  // -- tokens, with pushback --
  Token Next() {
    if (!back_.empty()) {
      last_ = back_.back();
      back_.pop_back();
    } else {
      last_ = lexer_.Next();
    }
    return last_;
  }
  void Back(const Token& token) { back_.push_back(token); }
  Token NextWord() {
    Token token = Next();
    while (token.type == TokenType::kSpace) token = Next();
    return token;
  }
  Token PeekWord() {
    const Token token = NextWord();
    Back(token);
    return token;
  }
  bool ExpectEnd(std::string_view where) {
    const Token token = NextWord();
    return token.type == TokenType::kRightDelim || Unexpected(token, where);
  }

  // -- statements --
  bool List(std::vector<Statement>& into, Ender& ender, bool top);
  bool Action(std::vector<Statement>& into, Ender& ender, bool top);
  bool Control(Statement& statement, std::string_view name);
  bool Otherwise(Statement& statement, std::string_view name);
  bool LoopWord(std::string_view name);
  bool Define();
  bool Block(Statement& statement);
  bool Invoke(Statement& statement);
  bool TemplateName(std::string& out);
  bool DefineBody(const std::string& name);
  bool AddTemplate(const std::string& name, Body body);

  // -- pipelines --
  std::unique_ptr<Pipe> Pipeline(std::string_view where, TokenType end);
  bool Declarations(Pipe& pipe, std::string_view where);
  void Bind(Pipe& pipe, const std::vector<std::string_view>& names);
  bool ParseCommand(Command& command);
  bool ParseOperand(std::optional<Operand>& out);
  bool Term(std::optional<Operand>& out);
  bool Constant(const Token& token, Operand& out);
  bool FunctionTerm(const Token& token, Operand& out);
  bool VariableTerm(const Token& token, Operand& out);
  FieldName Field(std::string_view name);

  uint32_t Declare(std::string_view name) {
    scope_.variables.push_back(name);
    scope_.frame = std::max(scope_.frame, static_cast<uint32_t>(scope_.variables.size()));
    return static_cast<uint32_t>(scope_.variables.size() - 1);
  }
  std::optional<uint32_t> FindVariable(std::string_view name) const {
    for (size_t i = scope_.variables.size(); i-- > 0;) {
      if (scope_.variables[i] == name) return static_cast<uint32_t>(i);
    }
    return std::nullopt;
  }

  Tree& tree_;
  Lexer lexer_;
  std::vector<Token> back_;
  Token last_;
  Scope scope_;
  int nesting_ = 0;
  std::string error_;
  int error_line_ = 0;
};

bool Parser::Unexpected(const Token& token, std::string_view where) {
  if (token.type == TokenType::kError) return Fail({});
  std::string what = token.type == TokenType::kEnd          ? "the end of the template"
                     : token.type == TokenType::kRightDelim ? "}}"
                                                            : "\"" + std::string(token.text.substr(0, 40)) + "\"";
  return Fail("unexpected " + what + " in " + std::string(where));
}

bool Parser::Main() {
  Body body;
  Ender ender = Ender::kNone;
  if (!List(body.statements, ender, true)) return false;
  body.frame = scope_.frame;
  return AddTemplate(std::string(kMainTemplate), std::move(body));
}

bool Parser::List(std::vector<Statement>& into, Ender& ender, bool top) {
  if (++nesting_ > kMaxNesting) return Fail("blocks are nested too deeply");
  for (;;) {
    const Token token = Next();
    if (token.type == TokenType::kText) {
      Statement text;
      text.text = token.text;
      into.push_back(std::move(text));
    } else if (token.type == TokenType::kLeftDelim) {
      if (!Action(into, ender, top)) return false;
      if (ender != Ender::kNone) break;
    } else if (token.type == TokenType::kEnd && top) {
      break;
    } else {
      return token.type == TokenType::kEnd ? Fail("a block has no {{end}}") : Unexpected(token, "the template");
    }
  }
  --nesting_;
  return true;
}

bool Parser::Action(std::vector<Statement>& into, Ender& ender, bool top) {
  Statement statement;
  const Token token = NextWord();
  statement.line = lexer_.LineOf(token.at);
  using Type = Statement::Type;
  bool ok = true;
  if (token.type != TokenType::kKeyword) {
    Back(token);
    statement.type = Type::kAction;
    statement.pipe = Pipeline("a command", TokenType::kRightDelim);
    ok = statement.pipe != nullptr;
  } else if (token.Is("end") || token.Is("else")) {
    if (top) return Unexpected(token, "the template: nothing is open here");
    ender = token.Is("end") ? Ender::kEnd : Ender::kElse;
    if (ender == Ender::kEnd) return ExpectEnd("end");
    const Token after = PeekWord();
    return after.Is("if") || after.Is("with") || ExpectEnd("else");
  } else if (token.Is("define")) {
    return top ? Define() : Fail("define may only stand outside of all blocks");
  } else if (token.Is("if") || token.Is("with") || token.Is("range")) {
    statement.type = token.Is("if") ? Type::kIf : token.Is("with") ? Type::kWith : Type::kRange;
    ok = Control(statement, token.text);
  } else if (token.Is("break") || token.Is("continue")) {
    statement.type = token.Is("break") ? Type::kBreak : Type::kContinue;
    ok = LoopWord(token.text);
  } else {
    statement.type = Type::kTemplate;
    ok = token.Is("block") ? Block(statement) : Invoke(statement);
  }
  if (ok) into.push_back(std::move(statement));
  return ok;
}

bool Parser::LoopWord(std::string_view name) {
  if (!ExpectEnd(name)) return false;
  return scope_.loops > 0 || Fail("{{" + std::string(name) + "}} outside of {{range}}");
}

bool Parser::Control(Statement& statement, std::string_view name) {
  if (++nesting_ > kMaxNesting) return Fail("blocks are nested too deeply");
  const size_t visible = scope_.variables.size();
  statement.pipe = Pipeline(name, TokenType::kRightDelim);
  if (statement.pipe == nullptr) return false;
  const bool loop = name == "range";
  Ender ender = Ender::kNone;
  scope_.loops += loop ? 1 : 0;
  if (!List(statement.body, ender, false)) return false;
  scope_.loops -= loop ? 1 : 0;
  if (ender == Ender::kElse && !Otherwise(statement, name)) return false;
  scope_.variables.resize(visible);
  --nesting_;
  return true;
}

bool Parser::Otherwise(Statement& statement, std::string_view name) {
  const Token after = PeekWord();
  if ((after.Is("if") && name == "if") || (after.Is("with") && name == "with")) {
    const Token token = NextWord();
    Statement inner;
    inner.line = lexer_.LineOf(token.at);
    inner.type = statement.type;
    if (!Control(inner, name)) return false;  // takes the one {{end}} for both
    statement.otherwise.push_back(std::move(inner));
    return true;
  }
  if (after.type == TokenType::kKeyword) return Unexpected(after, "else");
  Ender ender = Ender::kNone;
  if (!List(statement.otherwise, ender, false)) return false;
  return ender == Ender::kEnd || Fail("expected {{end}} after {{else}}");
}

bool Parser::TemplateName(std::string& out) {
  const Token token = NextWord();
  if (token.type != TokenType::kString && token.type != TokenType::kRawString) {
    return Unexpected(token, "the name of a template");
  }
  return Unquote(token.text, out) || Fail("bad escape in a string");
}

bool Parser::DefineBody(const std::string& name) {
  Scope outer = std::exchange(scope_, Scope());
  Body body;
  Ender ender = Ender::kNone;
  if (!List(body.statements, ender, false)) return false;
  if (ender != Ender::kEnd) return Fail("unexpected {{else}} in define");
  body.frame = scope_.frame;
  scope_ = std::move(outer);
  return AddTemplate(name, std::move(body));
}

bool Parser::Define() {
  std::string name;
  return TemplateName(name) && ExpectEnd("define") && DefineBody(name);
}

bool Parser::Block(Statement& statement) {
  std::string name;
  if (!TemplateName(name)) return false;
  statement.pipe = Pipeline("block", TokenType::kRightDelim);
  if (statement.pipe == nullptr || !DefineBody(name)) return false;
  statement.text = tree_.literals.emplace_back(name);
  return true;
}

bool Parser::Invoke(Statement& statement) {
  std::string name;
  if (!TemplateName(name)) return false;
  statement.text = tree_.literals.emplace_back(name);
  const Token after = NextWord();
  if (after.type == TokenType::kRightDelim) return true;
  Back(after);
  statement.pipe = Pipeline("template", TokenType::kRightDelim);
  return statement.pipe != nullptr;
}

bool IsBlankBody(const Body& body) {
  return std::all_of(body.statements.begin(), body.statements.end(), [](const Statement& s) {
    return s.type == Statement::Type::kText && s.text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
  });
}

// A second definition may only replace, or be, one without content.
bool Parser::AddTemplate(const std::string& name, Body body) {
  const auto found = tree_.templates.find(name);
  if (found == tree_.templates.end() || IsBlankBody(found->second)) {
    tree_.templates[name] = std::move(body);
    return true;
  }
  return IsBlankBody(body) || Fail("the template \"" + name + "\" is defined twice");
}

std::unique_ptr<Pipe> Parser::Pipeline(std::string_view where, TokenType end) {
  auto pipe = std::make_unique<Pipe>();
  if (++nesting_ > kMaxNesting) return Fail("parentheses are nested too deeply"), nullptr;
  pipe->line = lexer_.LineOf(PeekWord().at);
  if (!Declarations(*pipe, where)) return nullptr;
  for (;;) {
    const Token token = NextWord();
    if (token.type == end) break;
    switch (token.type) {
      case TokenType::kBool: case TokenType::kChar: case TokenType::kDot: case TokenType::kField:
      case TokenType::kIdentifier: case TokenType::kNumber: case TokenType::kNil: case TokenType::kRawString:
      case TokenType::kString: case TokenType::kVariable: case TokenType::kLeftParen: break;
      default: return Unexpected(token, where), nullptr;
    }
    Back(token);
    if (!ParseCommand(pipe->commands.emplace_back())) return nullptr;
  }
  if (pipe->commands.empty()) return Fail("missing value for " + std::string(where)), nullptr;
  for (size_t i = 1; i < pipe->commands.size(); ++i) {
    const Operand& first = pipe->commands[i].operands[0];
    const bool plain = first.type == Operand::Type::kConstant || first.type == Operand::Type::kNil ||
                       (first.type == Operand::Type::kDot && first.path.empty());
    if (plain) return Fail("after | there must be a function, not " + std::string(first.text)), nullptr;
  }
  --nesting_;
  return pipe;
}

// `$a :=`, `$a =`, and for range `$a, $b :=`.
bool Parser::Declarations(Pipe& pipe, std::string_view where) {
  std::vector<std::string_view> names;
  for (;;) {
    const Token variable = PeekWord();
    if (variable.type != TokenType::kVariable) break;
    NextWord();
    const Token after = Next();
    const Token mark = after.type == TokenType::kSpace ? NextWord() : after;
    if (mark.type == TokenType::kAssign || mark.type == TokenType::kDeclare) {
      names.push_back(variable.text);
      pipe.assigns = mark.type == TokenType::kAssign;
      Bind(pipe, names);
      return true;
    }
    if (mark.type != TokenType::kComma) {
      Back(mark);
      if (after.type == TokenType::kSpace) Back(after);
      Back(variable);
      break;
    }
    if (where != "range" || !names.empty()) return Fail("too many declarations in " + std::string(where));
    names.push_back(variable.text);
    const TokenType next = PeekWord().type;
    if (next != TokenType::kVariable && next != TokenType::kRightDelim && next != TokenType::kRightParen) {
      return Fail("range can only initialize variables");
    }
  }
  Bind(pipe, names);
  return true;
}

void Parser::Bind(Pipe& pipe, const std::vector<std::string_view>& names) {
  std::vector<std::optional<uint32_t>> known;
  for (const std::string_view name : names) known.push_back(pipe.assigns ? FindVariable(name) : std::nullopt);
  for (size_t i = 0; i < names.size(); ++i) {
    // Assigning to a variable that was never declared is an error when it is run.
    if (pipe.assigns && !known[i]) pipe.unknown_variable = true;
    pipe.declares.push_back(known[i] ? *known[i] : Declare(names[i]));
  }
}

bool Parser::ParseCommand(Command& command) {
  for (;;) {
    PeekWord();  // skips spaces
    std::optional<Operand> operand;
    if (!ParseOperand(operand)) return false;
    if (operand) command.operands.push_back(std::move(*operand));
    const Token token = Next();
    if (token.type == TokenType::kSpace) continue;
    if (token.type == TokenType::kRightDelim || token.type == TokenType::kRightParen) {
      Back(token);
    } else if (token.type != TokenType::kPipe) {
      return Unexpected(token, "an argument");
    }
    break;
  }
  return !command.operands.empty() || Fail("empty command");
}

bool Parser::ParseOperand(std::optional<Operand>& out) {
  if (!Term(out)) return false;
  if (!out) return true;
  for (Token token = Next();; token = Next()) {
    if (token.type != TokenType::kField) {
      Back(token);
      return true;
    }
    const bool takes_fields = out->type != Operand::Type::kConstant && out->type != Operand::Type::kNil &&
                              !(out->type == Operand::Type::kDot && out->path.empty());
    if (!takes_fields) return Fail("unexpected . after " + std::string(out->text));
    out->path.push_back(Field(token.text.substr(1)));
  }
}

FieldName Parser::Field(std::string_view name) {
  auto& names = tree_.names;
  const auto found = std::find(names.begin(), names.end(), name);
  const auto index = static_cast<uint32_t>(found - names.begin());
  if (found == names.end()) names.emplace_back(name);
  return {name, index};
}

bool Parser::Term(std::optional<Operand>& out) {
  const Token token = NextWord();
  Operand operand;
  operand.text = token.text;
  operand.line = lexer_.LineOf(token.at);
  switch (token.type) {
    case TokenType::kIdentifier:
      if (!FunctionTerm(token, operand)) return false;
      break;
    case TokenType::kDot: operand.type = Operand::Type::kDot; break;
    case TokenType::kNil: operand.type = Operand::Type::kNil; break;
    case TokenType::kVariable:
      if (!VariableTerm(token, operand)) return false;
      break;
    case TokenType::kField:
      operand.type = Operand::Type::kField;
      operand.path.push_back(Field(token.text.substr(1)));
      break;
    case TokenType::kBool: case TokenType::kChar: case TokenType::kNumber:
    case TokenType::kString: case TokenType::kRawString:
      if (!Constant(token, operand)) return false;
      break;
    case TokenType::kLeftParen:
      operand.type = Operand::Type::kPipe;
      operand.pipe = Pipeline("parentheses", TokenType::kRightParen);
      if (operand.pipe == nullptr) return false;
      break;
    default: Back(token); return true;  // no operand here
  }
  out = std::move(operand);
  return true;
}

bool Parser::FunctionTerm(const Token& token, Operand& out) {
  out.type = Operand::Type::kFunction;
  out.function = FindFunction(token.text);
  if (out.function != nullptr) return true;
  const std::string name(token.text);
  const std::string_view why = WhyLeftOut(token.text);
  if (!why.empty()) return Fail("the function \"" + name + "\" is not available: " + std::string(why));
  return Fail("function \"" + name + "\" not defined");
}

bool Parser::VariableTerm(const Token& token, Operand& out) {
  out.type = Operand::Type::kVariable;
  const auto slot = FindVariable(token.text);
  if (!slot) return Fail("undefined variable \"" + std::string(token.text) + "\"");
  out.slot = *slot;
  return true;
}

bool Parser::Constant(const Token& token, Operand& out) {
  out.type = Operand::Type::kConstant;
  if (token.type == TokenType::kBool) {
    out.constant = Value::Bool(token.text == "true");
    return true;
  }
  if (token.type == TokenType::kString || token.type == TokenType::kRawString) {
    std::string& text = tree_.literals.emplace_back();
    if (!Unquote(token.text, text)) return Fail("bad escape in the string " + std::string(token.text.substr(0, 60)));
    out.constant = Value::String(text);
    return true;
  }
  Number& number = tree_.numbers.emplace_back();
  out.number = &number;
  if (token.type == TokenType::kChar) {
    std::string text;
    if (!Unquote(token.text, text) || text.empty()) return Fail("malformed character constant");
    const Decoded rune = DecodeRune(text, 0);
    // '\xff' is one byte and stands for the number 255.
    if (text.size() != rune.size && !IsInvalid(rune)) return Fail("malformed character constant");
    const bool byte = IsInvalid(rune) && text.size() == 1;
    number.is_int = number.is_float = true;
    number.integer = byte ? static_cast<unsigned char>(text[0]) : static_cast<int64_t>(rune.rune);
    number.real = static_cast<double>(number.integer);
    out.constant = Value::Int(number.integer);
    return true;
  }
  if (!ParseNumber(token.text, number)) return Fail("bad number " + std::string(token.text));
  if (number.is_complex) {
    out.constant = Value::Of(&number.complex);
    return true;
  }
  const bool hex = token.text.find_first_of("xX") != std::string_view::npos &&
                   token.text.find_first_of("pP") == std::string_view::npos;
  const bool real = !hex && token.text.find_first_of(".eEpP") != std::string_view::npos;
  out.constant = real || !number.is_int ? Value::Float(number.real) : Value::Int(number.integer);
  return true;
}

}  // namespace

Result<std::unique_ptr<const Tree>> Parse(std::string_view source) {
  auto tree = std::make_unique<Tree>();
  tree->source = source;
  Parser parser(*tree);
  if (!parser.Main()) return Fail(Code::kConfig, parser.Error());
  return tree;
}

}  // namespace agent::text::tmpl
