// SPDX-License-Identifier: Apache-2.0
// A configuration file as a tree with places. Rooms decode their own options from
// it (config/decode.h); nobody but this room sees yaml-cpp.
// Immutable after parsing; a Node owns its children.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/core/diagnostics.h"

namespace agent::config {

class Node {
 public:
  enum class Kind { kNull, kScalar, kSequence, kMap };
  // What YAML 1.1 (Go's yaml.v2) makes of a plain scalar. Quoted scalars are strings.
  enum class ScalarType { kString, kInt, kFloat, kBool, kNull };

  // Out of line: a vector of pairs of an incomplete type cannot be destroyed in here.
  Node();
  ~Node();
  Node(const Node&);
  Node(Node&&) noexcept;
  Node& operator=(const Node&);
  Node& operator=(Node&&) noexcept;

  Kind kind = Kind::kNull;
  std::string scalar;  // source text of a scalar, unquoted
  bool quoted = false;
  Place place;
  std::vector<Node> items;                           // sequence
  std::vector<std::pair<Node, Node>> members;        // map, in file order, keys are scalars

  bool is_null() const { return kind == Kind::kNull || (is_scalar() && type() == ScalarType::kNull); }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_sequence() const { return kind == Kind::kSequence; }
  bool is_map() const { return kind == Kind::kMap; }
  ScalarType type() const;

  // The member with this key (exact), or null. Find is for maps only; else null.
  const Node* Find(std::string_view key) const;
  // The same, keys compared without case (stage options).
  const Node* FindNoCase(std::string_view key) const;
};

// Parses YAML text. Syntax errors, duplicate keys, aliases without anchor and trees
// deeper or larger than the limits become errors in `diagnostics`. Never throws.
// An empty document gives a null node.
Node ParseYaml(std::string_view text, const std::string& file_name, Diagnostics& diagnostics);

// Writes a tree as YAML text (for -print-config-stderr and /config).
std::string WriteYaml(const Node& node);

}  // namespace agent::config
