// SPDX-License-Identifier: Apache-2.0
#include "agent/stage/internal/options.h"

#include <algorithm>

namespace agent::stage {
namespace {

using config::Node;

std::string_view TypeName(const Node& node) {
  if (node.is_sequence()) return "a list";
  if (node.is_map()) return "a map";
  switch (node.type()) {
    case Node::ScalarType::kInt:
    case Node::ScalarType::kFloat:
      return "a number";
    case Node::ScalarType::kBool:
      return "a bool";
    case Node::ScalarType::kNull:
      return "nothing";
    case Node::ScalarType::kString:
      break;
  }
  return "text";
}

bool IsText(const Node& node) { return node.is_scalar() && node.type() == Node::ScalarType::kString; }

void NotText(const Node& node, const std::string& path, Diagnostics& diagnostics) {
  std::string message = "text is needed here, but this is " + std::string(TypeName(node));
  if (node.is_scalar()) message += "; write it in quotes: \"" + node.scalar + "\"";
  diagnostics.AddError(node.place, path, message);
}

}  // namespace

bool ReadNameMap(const Node& map, const std::string& path, Diagnostics& diagnostics, NamePairs& out) {
  if (map.is_null()) return true;
  if (!map.is_map()) {
    diagnostics.AddError(map.place, path,
                         "a map of names is needed here, but this is " + std::string(TypeName(map)));
    return false;
  }
  const size_t errors = diagnostics.errors();
  for (const auto& [key, value] : map.members) {
    if (!IsText(key)) {
      NotText(key, path, diagnostics);
    } else if (!value.is_null() && !IsText(value)) {
      NotText(value, path + "." + key.scalar, diagnostics);
    } else {
      out.emplace_back(key.scalar, value.is_null() ? std::string() : value.scalar);
    }
  }
  return diagnostics.errors() == errors;
}

bool ReadNameList(const Node& list, const std::string& path, Diagnostics& diagnostics,
                  std::vector<std::string>& out) {
  if (list.is_null()) return true;
  if (!list.is_sequence()) {
    diagnostics.AddError(list.place, path,
                         "a list of names is needed here, but this is " + std::string(TypeName(list)) +
                             "; write each name on its own line after `- `");
    return false;
  }
  const size_t errors = diagnostics.errors();
  for (size_t i = 0; i < list.items.size(); ++i) {
    const Node& item = list.items[i];
    if (IsText(item)) {
      out.push_back(item.scalar);
    } else if (item.is_null()) {
      out.emplace_back();
    } else {
      NotText(item, path + "[" + std::to_string(i) + "]", diagnostics);
    }
  }
  return diagnostics.errors() == errors;
}

void ReadSource(config::MapReader& reader, BuildContext& context, std::optional<Symbol>& out) {
  std::string source;
  if (!reader.String("source", source)) return;
  if (source.empty()) {
    reader.Error("source", "the source must not be empty; leave the key out to read the line");
    return;
  }
  out = context.symbols.Intern(source);
}

bool IsLabelName(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
}

bool ReadLabelSources(const Node& options, BuildContext& context, NamePairs& out) {
  if (options.is_null()) {
    context.diagnostics.AddWarning(options.place, context.path,
                                   "no labels are named, so this stage does nothing");
  }
  if (!ReadNameMap(options, context.path, context.diagnostics, out)) return false;
  bool good = true;
  for (size_t i = 0; i < out.size(); ++i) {
    auto& [name, source] = out[i];
    if (source.empty()) source = name;
    if (IsLabelName(name)) continue;
    context.diagnostics.AddError(options.members[i].first.place, context.path,
                                 "\"" + name +
                                     "\" is not a label name: use letters, digits and _, "
                                     "and do not begin with a digit");
    good = false;
  }
  return good;
}

}  // namespace agent::stage
