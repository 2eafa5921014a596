// SPDX-License-Identifier: Apache-2.0
// A Pratt parser: every token has a binding power, and an expression takes what
// follows as long as that binds tighter than what stands before it.
#include <charconv>
#include <utility>

#include "agent/text/internal/jmespath_ast.h"
#include "agent/text/json_parse.h"

namespace agent::text::jmes {
namespace {

constexpr int kPipePower = 1;
constexpr int kOrPower = 2;
constexpr int kAndPower = 3;
constexpr int kComparePower = 5;
constexpr int kFlattenPower = 9;
constexpr int kStopsProjection = 10;  // weaker tokens end the right side of a projection
constexpr int kStarPower = 20;
constexpr int kFilterPower = 21;
constexpr int kDotPower = 40;
constexpr int kNotPower = 45;

int Power(TokenKind kind) {
  switch (kind) {
    case TokenKind::kPipe:
      return kPipePower;
    case TokenKind::kOr:
      return kOrPower;
    case TokenKind::kAnd:
      return kAndPower;
    case TokenKind::kEqual:
    case TokenKind::kNotEqual:
    case TokenKind::kLess:
    case TokenKind::kLessEqual:
    case TokenKind::kGreater:
    case TokenKind::kGreaterEqual:
      return kComparePower;
    case TokenKind::kFlatten:
      return kFlattenPower;
    case TokenKind::kStar:
      return kStarPower;
    case TokenKind::kFilter:
      return kFilterPower;
    case TokenKind::kDot:
      return kDotPower;
    case TokenKind::kNot:
      return kNotPower;
    case TokenKind::kLeftBrace:
      return 50;
    case TokenKind::kLeftBracket:
      return 55;
    case TokenKind::kLeftParen:
      return 60;
    default:
      return 0;
  }
}

class Parser {
 public:
  Parser(std::string_view expression, std::vector<Token> tokens, Program& program)
      : expression_(expression), tokens_(std::move(tokens)), program_(program) {}

  Status Run() {
    NodeId root = 0;
    if (Expression(0, root) && Current() != TokenKind::kEnd) Failed("the expression should end here");
    if (failed_) return std::unexpected<Error>(std::move(error_));
    program_.root = root;
    return {};
  }

 private:
  static constexpr int kMaxNesting = 200;  // of parentheses and the like; bounds the stack

  TokenKind Current() const { return tokens_[at_].kind; }
  TokenKind Following() const { return at_ + 1 < tokens_.size() ? tokens_[at_ + 1].kind : TokenKind::kEnd; }
  const Token& Take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }

  bool Failed(std::string_view what) {
    if (!failed_) error_ = SyntaxError(expression_, tokens_[at_].position, what);
    failed_ = true;
    return false;
  }
  bool Expect(TokenKind kind, std::string_view what) {
    if (Current() != kind) return Failed(what);
    Take();
    return true;
  }

  NodeId Add(NodeKind kind, std::vector<NodeId> children = {}) {
    Node node;
    node.kind = kind;
    node.children = std::move(children);
    program_.nodes.push_back(std::move(node));
    return static_cast<NodeId>(program_.nodes.size() - 1);
  }
  Node& At(NodeId id) { return program_.nodes[id]; }

  bool Expression(int power, NodeId& out) {
    if (++nesting_ > kMaxNesting) return Failed("the expression is nested too deeply");
    const size_t start = at_;
    const Token token = Take();
    bool good = Begin(token, start, out);
    while (good && power < Power(Current())) {
      const TokenKind kind = Take().kind;
      good = Continue(kind, out);
    }
    --nesting_;
    return good;
  }

  // What an expression may begin with.
  bool Begin(const Token& token, size_t start, NodeId& out) {
    switch (token.kind) {
      case TokenKind::kLiteral:
        return Literal(token, start, out);
      case TokenKind::kRawString:
        out = Add(NodeKind::kLiteral);
        At(out).literal = JsonValue::String(program_.literals.Copy(token.text));
        return true;
      case TokenKind::kQuotedName:
        if (Current() == TokenKind::kLeftParen) return Failed("a function's name must not be quoted");
        [[fallthrough]];
      case TokenKind::kName:
        out = Add(NodeKind::kField);
        At(out).name = token.text;
        return true;
      case TokenKind::kStar:
        return BeginStar(out);
      case TokenKind::kFilter:
        return Filter(Add(NodeKind::kIdentity), out);
      case TokenKind::kFlatten:
        return Flatten(Add(NodeKind::kIdentity), out);
      case TokenKind::kLeftBrace:
        return MultiSelectHash(out);
      case TokenKind::kLeftBracket:
        return BeginBracket(out);
      case TokenKind::kCurrent:
        out = Add(NodeKind::kIdentity);
        return true;
      case TokenKind::kExpression:
        return Wrap(NodeKind::kExpression, 0, out);
      case TokenKind::kNot:
        return Wrap(NodeKind::kNot, kNotPower, out);
      case TokenKind::kLeftParen:
        return Expression(0, out) && Expect(TokenKind::kRightParen, "a ) is missing");
      case TokenKind::kEnd:
        return Failed("the expression is incomplete");
      default:
        at_ = start;
        return Failed("an expression cannot begin with this");
    }
  }

  // What may follow the expression `left`; leaves the whole in it.
  bool Continue(TokenKind kind, NodeId& left) {
    switch (kind) {
      case TokenKind::kDot:
        if (Current() == TokenKind::kStar) {
          Take();
          return Project(NodeKind::kValueProjection, left, kDotPower, left);
        }
        return Join(NodeKind::kSubexpression, left,
                    [this](NodeId& right) { return AfterDot(kDotPower, right); });
      case TokenKind::kPipe:
        return Binary(NodeKind::kPipe, kPipePower, left);
      case TokenKind::kOr:
        return Binary(NodeKind::kOr, kOrPower, left);
      case TokenKind::kAnd:
        return Binary(NodeKind::kAnd, kAndPower, left);
      case TokenKind::kLeftParen:
        return Call(left);
      case TokenKind::kFilter:
        return Filter(left, left);
      case TokenKind::kFlatten:
        return Flatten(left, left);
      case TokenKind::kLeftBracket:
        return Bracket(left);
      default:
        break;
    }
    if (Power(kind) != kComparePower) return Failed("this cannot follow here");
    if (!Binary(NodeKind::kComparator, kComparePower, left)) return false;
    At(left).comparator = kind;
    return true;
  }

  template <class ParseRight>
  bool Join(NodeKind kind, NodeId& left, ParseRight&& parse_right) {
    NodeId right = 0;
    if (!parse_right(right)) return false;
    left = Add(kind, {left, right});
    return true;
  }
  bool Binary(NodeKind kind, int power, NodeId& left) {
    return Join(kind, left, [&](NodeId& right) { return Expression(power, right); });
  }
  bool Project(NodeKind kind, NodeId source, int power, NodeId& out) {
    out = source;
    return Join(kind, out, [&](NodeId& right) { return ProjectionRest(power, right); });
  }
  bool Wrap(NodeKind kind, int power, NodeId& out) {
    NodeId inner = 0;
    if (!Expression(power, inner)) return false;
    out = Add(kind, {inner});
    return true;
  }

  bool Literal(const Token& token, size_t start, NodeId& out) {
    const std::string_view text = program_.literals.Copy(token.text);
    JsonParser parser;
    JsonValue value;
    if (!parser.ParseValue(text, program_.literals, value)) {
      at_ = start;
      return Failed("the literal between the backquotes is not JSON");
    }
    out = Add(NodeKind::kLiteral);
    At(out).literal = value;
    return true;
  }

  bool BeginStar(NodeId& out) {
    const NodeId source = Add(NodeKind::kIdentity);
    if (Current() == TokenKind::kRightBracket) {
      out = Add(NodeKind::kValueProjection, {source, Add(NodeKind::kIdentity)});
      return true;
    }
    return Project(NodeKind::kValueProjection, source, kStarPower, out);
  }

  bool BeginBracket(NodeId& out) {
    if (Current() == TokenKind::kNumber || Current() == TokenKind::kColon) {
      out = Add(NodeKind::kIdentity);
      return IndexOrSlice(out);
    }
    if (Current() == TokenKind::kStar && Following() == TokenKind::kRightBracket) {
      Take();
      Take();
      return Project(NodeKind::kProjection, Add(NodeKind::kIdentity), kStarPower, out);
    }
    return MultiSelectList(out);
  }

  bool Bracket(NodeId& left) {
    if (Current() == TokenKind::kNumber || Current() == TokenKind::kColon) return IndexOrSlice(left);
    if (!Expect(TokenKind::kStar, "a number, a slice or * is needed after [")) return false;
    if (!Expect(TokenKind::kRightBracket, "a ] is missing")) return false;
    return Project(NodeKind::kProjection, left, kStarPower, left);
  }

  bool Number(int64_t& out) {
    const std::string& text = tokens_[at_].text;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size()) return Failed("this is not an integer");
    Take();
    return true;
  }

  bool IndexOrSlice(NodeId& left) {
    if (Current() == TokenKind::kColon || Following() == TokenKind::kColon) {
      NodeId slice = 0;
      if (!Slice(slice)) return false;
      return Project(NodeKind::kProjection, Add(NodeKind::kSubexpression, {left, slice}), kStarPower, left);
    }
    int64_t index = 0;
    if (!Number(index) || !Expect(TokenKind::kRightBracket, "a ] is missing")) return false;
    const NodeId node = Add(NodeKind::kIndex);
    At(node).index = index;
    left = Add(NodeKind::kSubexpression, {left, node});
    return true;
  }

  bool Slice(NodeId& out) {
    std::optional<int64_t> parts[3];
    size_t part = 0;
    while (Current() != TokenKind::kRightBracket && part < 3) {
      if (Current() == TokenKind::kColon) {
        ++part;
        Take();
      } else if (Current() == TokenKind::kNumber) {
        int64_t number = 0;
        if (!Number(number)) return false;
        parts[part] = number;
      } else {
        return Failed("a slice has only numbers and colons");
      }
    }
    if (!Expect(TokenKind::kRightBracket, "a ] is missing")) return false;
    out = Add(NodeKind::kSlice);
    for (size_t i = 0; i < 3; ++i) At(out).slice[i] = parts[i];
    return true;
  }

  bool Flatten(NodeId left, NodeId& out) {
    return Project(NodeKind::kProjection, Add(NodeKind::kFlatten, {left}), kFlattenPower, out);
  }

  bool Filter(NodeId left, NodeId& out) {
    NodeId condition = 0;
    if (!Expression(0, condition) || !Expect(TokenKind::kRightBracket, "a ] is missing after the filter"))
      return false;
    NodeId right = 0;
    if (Current() == TokenKind::kFlatten) {
      right = Add(NodeKind::kIdentity);
    } else if (!ProjectionRest(kFilterPower, right)) {
      return false;
    }
    out = Add(NodeKind::kFilterProjection, {left, right, condition});
    return true;
  }

  bool AfterDot(int power, NodeId& out) {
    switch (Current()) {
      case TokenKind::kName:
      case TokenKind::kQuotedName:
      case TokenKind::kStar:
        return Expression(power, out);
      case TokenKind::kLeftBracket:
        Take();
        return MultiSelectList(out);
      case TokenKind::kLeftBrace:
        Take();
        return MultiSelectHash(out);
      default:
        return Failed("a name, [ or { is needed after the dot");
    }
  }

  bool ProjectionRest(int power, NodeId& out) {
    if (Power(Current()) < kStopsProjection) {
      out = Add(NodeKind::kIdentity);
      return true;
    }
    if (Current() == TokenKind::kLeftBracket || Current() == TokenKind::kFilter)
      return Expression(power, out);
    if (Current() != TokenKind::kDot) return Failed("this cannot follow here");
    Take();
    return AfterDot(power, out);
  }

  bool MultiSelectList(NodeId& out) {
    std::vector<NodeId> items;
    for (;;) {
      NodeId item = 0;
      if (!Expression(0, item)) return false;
      items.push_back(item);
      if (Current() == TokenKind::kRightBracket) break;
      if (!Expect(TokenKind::kComma, "a , or a ] is missing")) return false;
    }
    Take();
    out = Add(NodeKind::kMultiSelectList, std::move(items));
    return true;
  }

  bool MultiSelectHash(NodeId& out) {
    std::vector<NodeId> values;
    std::vector<std::string> keys;
    for (;;) {
      if (Current() != TokenKind::kName && Current() != TokenKind::kQuotedName)
        return Failed("a key is needed here");
      keys.push_back(Take().text);
      NodeId value = 0;
      if (!Expect(TokenKind::kColon, "a : is missing after the key") || !Expression(0, value)) return false;
      values.push_back(value);
      if (Current() == TokenKind::kRightBrace) break;
      if (Current() == TokenKind::kComma) Take();  // may be left out, as in go-jmespath
    }
    Take();
    out = Add(NodeKind::kMultiSelectHash, std::move(values));
    At(out).keys = std::move(keys);
    return true;
  }

  bool Call(NodeId& left) {
    if (At(left).kind != NodeKind::kField) return Failed("only a name can be called");
    const std::string name = At(left).name;
    std::vector<NodeId> arguments;
    while (Current() != TokenKind::kRightParen) {
      NodeId argument = 0;
      if (!Expression(0, argument)) return false;
      arguments.push_back(argument);
      if (Current() == TokenKind::kComma) Take();  // may be left out, as in go-jmespath
    }
    Take();
    left = Add(NodeKind::kFunction, std::move(arguments));
    At(left).name = name;
    return true;
  }

  std::string_view expression_;
  std::vector<Token> tokens_;
  Program& program_;
  size_t at_ = 0;
  int nesting_ = 0;
  bool failed_ = false;
  Error error_;
};

}  // namespace

Status Parse(std::string_view expression, Program& program) {
  auto tokens = Tokenize(expression);
  if (!tokens) return Forward(tokens);
  return Parser(expression, std::move(*tokens), program).Run();
}

}  // namespace agent::text::jmes
