// SPDX-License-Identifier: Apache-2.0
// Cuts the source of a template into tokens; the parser pulls one at a time. Text
// between actions comes out trimmed as `{{-` and `-}}` ask. After kError (see
// error()) nothing but kError follows. Borrows the source.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace agent::text::tmpl {

enum class TokenType {
  kError,
  kEnd,  // of the source
  kText,
  kLeftDelim,
  kRightDelim,
  kSpace,
  kIdentifier,
  kKeyword,   // if, range, end, ...; not nil, true, false
  kField,     // .name
  kVariable,  // $ or $name
  kDot,
  kNumber,
  kChar,
  kString,     // "..."
  kRawString,  // `...`
  kBool,
  kNil,
  kAssign,   // =
  kDeclare,  // :=
  kPipe,
  kLeftParen,
  kRightParen,
  kComma,
  kOther,  // any other printable character
};

struct Token {
  TokenType type = TokenType::kEnd;
  std::string_view text;
  size_t at = 0;  // offset in the source

  bool Is(std::string_view keyword) const { return type == TokenType::kKeyword && text == keyword; }
};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Token Next();
  const std::string& error() const { return error_; }
  int LineOf(size_t at) const;

 private:
  Token Make(TokenType type, size_t from) const { return {type, source_.substr(from, at_ - from), from}; }
  Token Fail(std::string message, size_t from);
  Token Text();
  Token LeftDelim();
  Token Inside();
  Token RightDelim();
  Token Word(size_t from);
  Token FieldOrVariable(size_t from, TokenType type);
  Token Number(size_t from);
  Token Quoted(size_t from, char quote, TokenType type);
  bool SkipComment();
  bool ScanNumber();
  void SkipRun(std::string_view digits);
  bool AtRightDelim() const;
  bool AtTerminator() const;
  char Peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  bool StartsWith(std::string_view prefix) const { return source_.substr(at_).starts_with(prefix); }

  std::string_view source_;
  size_t at_ = 0;
  bool inside_ = false;
  bool trim_next_ = false;  // the last action ended in -}}
  int parens_ = 0;
  std::string error_;
};

}  // namespace agent::text::tmpl
