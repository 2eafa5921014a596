// SPDX-License-Identifier: Apache-2.0
// The parts of the JMESPath compiler: tokens, nodes, and the functions that make one
// from the other. A program owns its nodes and the values of its literals.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/arena.h"
#include "agent/core/result.h"
#include "agent/text/json_value.h"

namespace agent::text::jmes {

enum class TokenKind : uint8_t {
  kEnd,
  kStar,
  kDot,
  kFilter,
  kFlatten,
  kLeftParen,
  kRightParen,
  kLeftBracket,
  kRightBracket,
  kLeftBrace,
  kRightBrace,
  kOr,
  kPipe,
  kNumber,
  kName,
  kQuotedName,
  kComma,
  kColon,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kEqual,
  kNotEqual,
  kLiteral,
  kRawString,
  kCurrent,
  kExpression,
  kAnd,
  kNot,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;     // decoded
  size_t position = 0;  // in the expression, in bytes
};

Result<std::vector<Token>> Tokenize(std::string_view expression);

enum class NodeKind : uint8_t {
  kIdentity,
  kField,
  kIndex,
  kSlice,
  kSubexpression,
  kProjection,
  kValueProjection,
  kFilterProjection,
  kFlatten,
  kLiteral,
  kMultiSelectList,
  kMultiSelectHash,
  kOr,
  kAnd,
  kNot,
  kComparator,
  kPipe,
  kFunction,
  kExpression,
};

using NodeId = uint32_t;

struct Node {
  NodeKind kind = NodeKind::kIdentity;
  TokenKind comparator = TokenKind::kEnd;
  std::string name;               // field, function
  std::vector<std::string> keys;  // of a multi-select hash, parallel to children
  JsonValue literal;
  int64_t index = 0;
  std::optional<int64_t> slice[3];
  std::vector<NodeId> children;
};

struct Program {
  std::vector<Node> nodes;
  NodeId root = 0;
  Arena literals;
};

// Fills `program`; its literals stay valid as long as it.
Status Parse(std::string_view expression, Program& program);

Error SyntaxError(std::string_view expression, size_t position, std::string_view what);

}  // namespace agent::text::jmes
