// SPDX-License-Identifier: Apache-2.0
#include "agent/text/jmespath.h"

#include <algorithm>
#include <utility>

#include "agent/text/internal/jmespath_ast.h"
#include "agent/text/internal/jmespath_eval.h"

namespace agent::text {

struct JmesPath::Impl {
  jmes::Program program;
};

JmesPath::JmesPath() = default;
JmesPath::~JmesPath() = default;
JmesPath::JmesPath(JmesPath&&) noexcept = default;
JmesPath& JmesPath::operator=(JmesPath&&) noexcept = default;

Result<JmesPath> JmesPath::Compile(std::string_view expression) {
  auto impl = std::make_unique<Impl>();
  Status parsed = jmes::Parse(expression, impl->program);
  if (!parsed) return Forward(parsed);
  JmesPath made;
  made.impl_ = std::move(impl);
  return made;
}

bool JmesPath::Search(const JsonValue& document, Arena& arena, JsonValue& out) const {
  return jmes::Evaluator(impl_->program, arena).Run(impl_->program.root, document, out);
}

bool JmesPath::IsPath(std::vector<std::string>& names) const {
  names.clear();
  const auto& nodes = impl_->program.nodes;
  const jmes::Node* node = &nodes[impl_->program.root];
  while (node->kind == jmes::NodeKind::kSubexpression) {
    const jmes::Node& right = nodes[node->children[1]];
    if (right.kind != jmes::NodeKind::kField) return false;
    names.push_back(right.name);
    node = &nodes[node->children[0]];
  }
  if (node->kind != jmes::NodeKind::kField) return false;
  names.push_back(node->name);
  std::reverse(names.begin(), names.end());
  return true;
}

std::string JmesPath::UnknownFunction() const {
  for (const jmes::Node& node : impl_->program.nodes) {
    if (node.kind == jmes::NodeKind::kFunction && !jmes::IsFunction(node.name)) return node.name;
  }
  return "";
}

}  // namespace agent::text
