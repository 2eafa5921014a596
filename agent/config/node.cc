// SPDX-License-Identifier: Apache-2.0
#include "agent/config/node.h"

#include "agent/config/internal/scalar.h"

namespace agent::config {

Node::Node() = default;
Node::~Node() = default;
Node::Node(const Node&) = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(const Node&) = default;
Node& Node::operator=(Node&&) noexcept = default;

Node::ScalarType Node::type() const {
  if (kind == Kind::kNull) return ScalarType::kNull;
  if (kind != Kind::kScalar || quoted) return ScalarType::kString;
  return internal::ResolvePlain(scalar).type;
}

const Node* Node::Find(std::string_view key) const {
  for (const auto& [name, value] : members) {
    if (name.scalar == key) return &value;
  }
  return nullptr;
}

const Node* Node::FindNoCase(std::string_view key) const {
  if (const Node* exact = Find(key)) return exact;
  for (const auto& [name, value] : members) {
    if (internal::SameNoCase(name.scalar, key)) return &value;
  }
  return nullptr;
}

}  // namespace agent::config
