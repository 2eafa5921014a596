// SPDX-License-Identifier: Apache-2.0
#include "agent/text/template.h"

#include "agent/text/internal/template_exec.h"
#include "agent/text/internal/template_parser.h"

namespace agent::text {

using tmpl::Operand;
using tmpl::Statement;

struct Template::Impl {
  // A piece of a template that is only text and fields: the text, then the field.
  struct Piece {
    std::string_view text;
    bool has_field = false;
    uint32_t field = 0;
  };

  std::unique_ptr<const tmpl::Tree> tree;
  TemplateDataType type = TemplateDataType::kAny;
  bool simple = false;
  std::vector<Piece> pieces;
};

namespace {

// The one field that `{{ .field }}` writes, or null.
const tmpl::FieldName* LoneField(const Statement& statement) {
  if (statement.type != Statement::Type::kAction || !statement.pipe->declares.empty()) return nullptr;
  const auto& commands = statement.pipe->commands;
  if (commands.size() != 1 || commands[0].operands.size() != 1) return nullptr;
  const Operand& operand = commands[0].operands[0];
  return operand.type == Operand::Type::kField && operand.path.size() == 1 ? &operand.path[0] : nullptr;
}

bool FindPieces(const tmpl::Tree& tree, std::vector<Template::Impl::Piece>& pieces) {
  for (const Statement& statement : tree.templates.find(tmpl::kMainTemplate)->second.statements) {
    const tmpl::FieldName* field = LoneField(statement);
    if (field == nullptr && statement.type != Statement::Type::kText) return false;
    if (pieces.empty() || pieces.back().has_field || field == nullptr) pieces.emplace_back();
    Template::Impl::Piece& piece = pieces.back();
    if (field == nullptr) {
      piece.text = statement.text;
    } else {
      piece.has_field = true;
      piece.field = field->index;
    }
  }
  return true;
}

}  // namespace

TemplateScratch::TemplateScratch(uint64_t seed, TemplateLimits limits) : impl_(std::make_unique<Impl>(seed, limits)) {}
TemplateScratch::~TemplateScratch() = default;

void TemplateScratch::SetNow(WallNanos wall) { impl_->now = absl::FromUnixNanos(wall); }
std::string_view TemplateScratch::error() const { return impl_->error; }

size_t TemplateScratch::bytes_reserved() const {
  size_t bytes = impl_->arena.bytes_reserved() + impl_->out.capacity();
  for (const auto& text : impl_->texts) bytes += text->capacity();
  for (const auto& list : impl_->lists) bytes += list->capacity() * sizeof(tmpl::Value);
  return bytes + impl_->variables.capacity() * sizeof(tmpl::Value);
}

Template::Template(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Template::~Template() = default;

Result<std::shared_ptr<const Template>> Template::Compile(std::string_view source, TemplateDataType type) {
  auto tree = tmpl::Parse(source);
  if (!tree) return Forward(tree);
  auto impl = std::make_unique<Impl>();
  impl->tree = std::move(*tree);
  impl->type = type;
  impl->simple = FindPieces(*impl->tree, impl->pieces);
  return std::shared_ptr<const Template>(new Template(std::move(impl)));
}

const std::vector<std::string>& Template::names() const { return impl_->tree->names; }

bool Template::Execute(const TemplateData& data, TemplateScratch& scratch, std::string_view& out) const {
  constexpr size_t kKeepOutput = 256 * 1024;
  TemplateScratch::Impl& memory = scratch.impl();
  memory.arena.Reset();
  memory.error.clear();
  if (memory.out.capacity() > kKeepOutput) memory.out = std::string();
  memory.out.clear();
  out = {};
  tmpl::Run run(memory);
  if (impl_->simple) {
    for (const Impl::Piece& piece : impl_->pieces) {
      memory.out.append(piece.text);
      if (!piece.has_field) continue;
      std::string_view text = "<no value>";
      data.Field(piece.field, text);
      memory.out.append(text);
    }
    if (memory.out.size() > memory.limits.output) run.Fail("the template writes more than one record may hold");
  } else {
    tmpl::Map* root = run.NewMap(impl_->type == TemplateDataType::kAny ? tmpl::Elem::kAny : tmpl::Elem::kString);
    root->data = &data;
    tmpl::Interpreter(*impl_->tree, run, memory.out).Execute(tmpl::Value::Of(root));
  }
  if (run.failed()) return false;
  out = memory.out;
  return true;
}

}  // namespace agent::text
