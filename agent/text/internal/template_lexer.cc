// SPDX-License-Identifier: Apache-2.0
#include "agent/text/internal/template_lexer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/text/internal/template_unicode.h"

namespace agent::text::tmpl {
namespace {

constexpr std::string_view kLeft = "{{";
constexpr std::string_view kRight = "}}";
constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::array<std::string_view, 10> kKeywords = {"block", "break", "continue", "define", "else",
                                                        "end",   "if",    "range",    "template", "with"};

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view TrimLeft(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpaces);
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

std::string_view TrimRight(std::string_view text) {
  const size_t last = text.find_last_not_of(kSpaces);
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

}  // namespace

int Lexer::LineOf(size_t at) const {
  const auto end = source_.begin() + static_cast<ptrdiff_t>(std::min(at, source_.size()));
  return 1 + static_cast<int>(std::count(source_.begin(), end, '\n'));
}

Token Lexer::Fail(std::string message, size_t from) {
  error_ = std::move(message);
  return {TokenType::kError, {}, from};
}

Token Lexer::Next() {
  if (!error_.empty()) return {TokenType::kError, {}, at_};
  return inside_ ? Inside() : Text();
}

Token Lexer::Text() {
  for (;;) {
    const size_t from = at_;
    if (from == source_.size()) return {TokenType::kEnd, {}, from};
    const size_t found = source_.find(kLeft, from);
    const size_t end = found == std::string_view::npos ? source_.size() : found;
    std::string_view text = source_.substr(from, end - from);
    if (std::exchange(trim_next_, false)) text = TrimLeft(text);
    at_ = end;
    const bool trims = Peek(2) == '-' && IsBlank(Peek(3));
    if (found != std::string_view::npos && trims) text = TrimRight(text);
    if (!text.empty()) return {TokenType::kText, text, from};
    if (at_ == source_.size()) return {TokenType::kEnd, {}, at_};
    const Token delim = LeftDelim();
    if (delim.type != TokenType::kSpace) return delim;  // kSpace: it was a comment
  }
}

Token Lexer::LeftDelim() {
  const size_t from = at_;
  at_ += kLeft.size();
  const bool trims = Peek() == '-' && IsBlank(Peek(1));
  const size_t comment = trims ? 2 : 0;
  if (source_.substr(std::min(source_.size(), at_ + comment)).starts_with("/*")) {
    at_ += comment;
    if (!SkipComment()) return Fail("this comment has no end (*/}})", from);
    return {TokenType::kSpace, {}, from};
  }
  if (trims) ++at_;  // the minus; its space stays, as before any first word
  inside_ = true;
  parens_ = 0;
  return {TokenType::kLeftDelim, source_.substr(from, kLeft.size()), from};
}

bool Lexer::SkipComment() {
  const size_t end = source_.find("*/", at_ + 2);
  if (end == std::string_view::npos) return false;
  at_ = end + 2;
  if (StartsWith(kRight)) {
    at_ += kRight.size();
    return true;
  }
  if (IsBlank(Peek()) && Peek(1) == '-' && source_.substr(at_ + 2).starts_with(kRight)) {
    at_ += 2 + kRight.size();
    trim_next_ = true;
    return true;
  }
  return false;
}

bool Lexer::AtRightDelim() const {
  if (StartsWith(kRight)) return true;
  return IsBlank(Peek()) && Peek(1) == '-' && source_.substr(at_ + 2).starts_with(kRight);
}

Token Lexer::RightDelim() {
  const size_t from = at_;
  if (parens_ > 0) return Fail("a ( has no )", from);
  if (Peek() != '}') {
    at_ += 2;
    trim_next_ = true;
  }
  at_ += kRight.size();
  inside_ = false;
  return {TokenType::kRightDelim, kRight, from};
}

Token Lexer::Inside() {
  if (AtRightDelim()) return RightDelim();
  const size_t from = at_;
  if (at_ == source_.size()) return Fail("an action has no end (}})", from);
  const Decoded next = DecodeRune(source_, at_);
  const char c = source_[at_];
  at_ += next.size;
  switch (c) {
    case ' ': case '\t': case '\r': case '\n':
      while (IsBlank(Peek()) && !AtRightDelim()) ++at_;
      return Make(TokenType::kSpace, from);
    case '=': return Make(TokenType::kAssign, from);
    case ':':
      if (Peek() != '=') return Fail("a colon must be followed by = (:=)", from);
      ++at_;
      return Make(TokenType::kDeclare, from);
    case '|': return Make(TokenType::kPipe, from);
    case '"': return Quoted(from, '"', TokenType::kString);
    case '\'': return Quoted(from, '\'', TokenType::kChar);
    case '`': return Quoted(from, '`', TokenType::kRawString);
    case '$': return FieldOrVariable(from, TokenType::kVariable);
    case '(': ++parens_; return Make(TokenType::kLeftParen, from);
    case ')':
      if (--parens_ < 0) return Fail("a ) has no (", from);
      return Make(TokenType::kRightParen, from);
    case ',': return Make(TokenType::kComma, from);
    case '.':
      if (Peek() < '0' || Peek() > '9') return FieldOrVariable(from, TokenType::kField);
      [[fallthrough]];
    case '+': case '-': case '0': case '1': case '2': case '3': case '4':
    case '5': case '6': case '7': case '8': case '9':
      at_ = from;
      return Number(from);
    default: break;
  }
  if (IsAlphanumeric(next.rune)) return Word(from);
  if (next.rune < 0x80 && IsPrint(next.rune)) return Make(TokenType::kOther, from);
  return Fail("this character does not belong in an action", from);
}

bool Lexer::AtTerminator() const {
  if (at_ == source_.size()) return true;
  const char c = Peek();
  return IsBlank(c) || c == '.' || c == ',' || c == '|' || c == ':' || c == ')' || c == '(' || StartsWith(kRight);
}

Token Lexer::Word(size_t from) {
  at_ = from;
  while (at_ < source_.size()) {
    const Decoded next = DecodeRune(source_, at_);
    if (!IsAlphanumeric(next.rune)) break;
    at_ += next.size;
  }
  const Token word = Make(TokenType::kIdentifier, from);
  if (!AtTerminator()) return Fail("a name is followed by a character that cannot follow one", at_);
  if (word.text == "true" || word.text == "false") return Make(TokenType::kBool, from);
  if (word.text == "nil") return Make(TokenType::kNil, from);
  const auto end = kKeywords.end();
  return std::find(kKeywords.begin(), end, word.text) == end ? word : Make(TokenType::kKeyword, from);
}

Token Lexer::FieldOrVariable(size_t from, TokenType type) {
  if (AtTerminator()) return Make(type == TokenType::kVariable ? type : TokenType::kDot, from);
  while (at_ < source_.size()) {
    const Decoded next = DecodeRune(source_, at_);
    if (!IsAlphanumeric(next.rune)) break;
    at_ += next.size;
  }
  if (!AtTerminator()) return Fail("a name is followed by a character that cannot follow one", at_);
  return Make(type, from);
}

void Lexer::SkipRun(std::string_view digits) {
  while (at_ < source_.size() && digits.find(source_[at_]) != std::string_view::npos) ++at_;
}

bool Lexer::ScanNumber() {
  const auto accept = [this](std::string_view set) {
    if (at_ == source_.size() || set.find(source_[at_]) == std::string_view::npos) return false;
    ++at_;
    return true;
  };
  constexpr std::string_view kDecimal = "0123456789_";
  std::string_view digits = kDecimal;
  accept("+-");
  if (accept("0")) {
    if (accept("xX")) {
      digits = "0123456789abcdefABCDEF_";
    } else if (accept("oO")) {
      digits = "01234567_";
    } else if (accept("bB")) {
      digits = "01_";
    }
  }
  SkipRun(digits);
  if (accept(".")) SkipRun(digits);
  const bool exponent = (digits.size() == 11 && accept("eE")) || (digits.size() == 23 && accept("pP"));
  if (exponent) {
    accept("+-");
    SkipRun(kDecimal);
  }
  accept("i");
  return at_ == source_.size() || !IsAlphanumeric(DecodeRune(source_, at_).rune);
}

Token Lexer::Number(size_t from) {
  if (!ScanNumber()) return Fail("this is not a number", from);
  if (Peek() == '+' || Peek() == '-') {  // a complex one: 1+2i
    if (!ScanNumber() || source_[at_ - 1] != 'i') return Fail("this is not a number", from);
  }
  return Make(TokenType::kNumber, from);
}

Token Lexer::Quoted(size_t from, char quote, TokenType type) {
  while (at_ < source_.size()) {
    const char c = source_[at_++];
    if (c == quote) return Make(type, from);
    if (quote == '`') continue;
    if (c == '\n') break;
    if (c == '\\') {
      if (at_ == source_.size() || source_[at_] == '\n') break;
      ++at_;
    }
  }
  return Fail(quote == '\'' ? "a character constant has no closing '" : "a string has no closing quote", from);
}

}  // namespace agent::text::tmpl
