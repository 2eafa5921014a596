// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "agent/text/internal/jmespath_ast.h"
#include "agent/text/internal/json_scan.h"
#include "agent/text/jmespath.h"

namespace agent::text::jmes {
namespace {

bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view expression) : expression_(expression) {}

  Result<std::vector<Token>> Run() {
    while (at_ < expression_.size()) {
      if (!Step()) return std::unexpected<Error>(std::move(error_));
      if (tokens_.size() > JmesPath::kMaxTokens) {
        return Fail(Code::kConfig, "the JMESPath expression has more than " +
                                       std::to_string(JmesPath::kMaxTokens) + " parts");
      }
    }
    tokens_.push_back({TokenKind::kEnd, "", expression_.size()});
    return std::move(tokens_);
  }

 private:
  bool Step() {
    const char c = expression_[at_];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at_;
      return true;
    }
    if (IsNameStart(c)) return While(TokenKind::kName, [](char n) { return IsNameStart(n) || IsDigit(n); });
    if (c == '-' || IsDigit(c)) return While(TokenKind::kNumber, IsDigit);
    if (c == '"') return QuotedName();
    if (c == '\'') return RawText();
    if (c == '`') return Literal();
    return Symbol();
  }

  bool Add(TokenKind kind, size_t size) {
    tokens_.push_back({kind, std::string(expression_.substr(at_, size)), at_});
    at_ += size;
    return true;
  }

  template <class Predicate>
  bool While(TokenKind kind, Predicate&& belongs) {
    size_t end = at_ + 1;
    while (end < expression_.size() && belongs(expression_[end])) ++end;
    return Add(kind, end - at_);
  }

  bool Symbol() {
    static constexpr std::pair<std::string_view, TokenKind> kSymbols[] = {
        {"[?", TokenKind::kFilter},   {"[]", TokenKind::kFlatten},      {"[", TokenKind::kLeftBracket},
        {"||", TokenKind::kOr},       {"|", TokenKind::kPipe},          {"<=", TokenKind::kLessEqual},
        {"<", TokenKind::kLess},      {">=", TokenKind::kGreaterEqual}, {">", TokenKind::kGreater},
        {"!=", TokenKind::kNotEqual}, {"!", TokenKind::kNot},           {"==", TokenKind::kEqual},
        {"&&", TokenKind::kAnd},      {"&", TokenKind::kExpression},    {".", TokenKind::kDot},
        {"*", TokenKind::kStar},      {",", TokenKind::kComma},         {":", TokenKind::kColon},
        {"{", TokenKind::kLeftBrace}, {"}", TokenKind::kRightBrace},    {"]", TokenKind::kRightBracket},
        {"(", TokenKind::kLeftParen}, {")", TokenKind::kRightParen},    {"@", TokenKind::kCurrent},
    };
    for (const auto& [text, kind] : kSymbols) {
      if (expression_.substr(at_).starts_with(text)) return Add(kind, text.size());
    }
    return Failed(at_, "this character has no meaning here");
  }

  // From behind an opening delimiter to the closing one; a backslash hides what
  // follows it. npos if there is none.
  size_t FindClosing(char delimiter) const {
    size_t at = at_ + 1;
    while (at < expression_.size() && expression_[at] != delimiter) at += expression_[at] == '\\' ? 2 : 1;
    return at < expression_.size() ? at : std::string_view::npos;
  }

  bool QuotedName() {
    const size_t end = FindClosing('"');
    if (end == std::string_view::npos) return Failed(at_, "the closing \" is missing");
    JsonCursor cursor(expression_.substr(at_ + 1, end - at_));
    RawString raw;
    if (!cursor.TakeString(raw)) return Failed(at_, "the quoted name is not a JSON string");
    Arena arena;
    tokens_.push_back({TokenKind::kQuotedName, std::string(Unescape(raw, arena)), at_});
    at_ = end + 1;
    return true;
  }

  bool RawText() {
    std::string text;
    size_t end = at_ + 1;
    for (; end < expression_.size() && expression_[end] != '\''; ++end) {
      if (expression_.substr(end).starts_with("\\'")) ++end;
      text += expression_[end];
    }
    if (end >= expression_.size()) return Failed(at_, "the closing ' is missing");
    tokens_.push_back({TokenKind::kRawString, std::move(text), at_});
    at_ = end + 1;
    return true;
  }

  bool Literal() {
    const size_t end = FindClosing('`');
    if (end == std::string_view::npos) return Failed(at_, "the closing ` is missing");
    std::string text;
    for (size_t i = at_ + 1; i < end; ++i) {
      if (expression_.substr(i, 2) == "\\`") ++i;
      text += expression_[i];
    }
    tokens_.push_back({TokenKind::kLiteral, std::move(text), at_});
    at_ = end + 1;
    return true;
  }

  bool Failed(size_t position, std::string_view what) {
    error_ = SyntaxError(expression_, position, what);
    return false;
  }

  std::string_view expression_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
  Error error_;
};

}  // namespace

Error SyntaxError(std::string_view expression, size_t position, std::string_view what) {
  std::string text = "invalid JMESPath expression \"" + std::string(expression) + "\" at character " +
                     std::to_string(position + 1);
  if (position < expression.size()) text += " (`" + std::string(expression.substr(position, 12)) + "`)";
  return {Code::kConfig, text + ": " + std::string(what), 0};
}

Result<std::vector<Token>> Tokenize(std::string_view expression) { return Lexer(expression).Run(); }

}  // namespace agent::text::jmes
