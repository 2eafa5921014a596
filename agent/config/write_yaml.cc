// SPDX-License-Identifier: Apache-2.0
// Block-style YAML that ParseYaml reads back to the same tree. Text that could be
// read as anything but text is double-quoted.
#include <string>
#include <string_view>
#include <utility>

#include "agent/config/internal/scalar.h"
#include "agent/config/node.h"

namespace agent::config {
namespace {

bool IsAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsOneOf(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

// True if the text, written bare, is one plain scalar with exactly this text. Errs on
// the side of quotes.
bool IsPlainSafe(std::string_view text) {
  if (text.empty() || IsOneOf(text.back(), " :") || text.starts_with("...")) return false;
  const bool number = text[0] == '-' && text.size() > 1 && (IsAlnum(text[1]) || text[1] == '.');
  if (!IsAlnum(text[0]) && !IsOneOf(text[0], "_/$().+~") && !number) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsAlnum(text[i]) && !IsOneOf(text[i], "_./-:@%+=~^$()* ")) return false;
    if (text[i] == ':' && text[i + 1] == ' ') return false;
  }
  return true;
}

void AppendQuoted(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (byte < 0x20 || byte == 0x7F) {
          out.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void AppendScalar(std::string& out, const Node& node) {
  const bool text = node.quoted;
  const bool bare = IsPlainSafe(node.scalar) &&
                    (!text || internal::ResolvePlain(node.scalar).type == Node::ScalarType::kString);
  if (bare) {
    out += node.scalar;
  } else if (!text && node.scalar.empty()) {
    out += "null";
  } else {
    AppendQuoted(out, node.scalar);
  }
}

bool IsInline(const Node& node) {
  return (node.is_sequence() && node.items.empty()) || (node.is_map() && node.members.empty()) ||
         node.is_scalar() || node.kind == Node::Kind::kNull;
}

void AppendInline(std::string& out, const Node& node) {
  if (node.is_sequence()) {
    out += "[]";
  } else if (node.is_map()) {
    out += "{}";
  } else if (node.is_scalar()) {
    AppendScalar(out, node);
  } else {
    out += "null";
  }
}

constexpr size_t kLongestSimpleKey = 250;  // YAML allows 1024 characters, escapes included

// Writes the lines of a list or map. The caller has already indented the first line.
void AppendBlock(std::string& out, const Node& node, size_t indent) {
  const std::string margin(indent, ' ');
  bool first = true;
  for (const Node& item : node.items) {
    if (!std::exchange(first, false)) out += margin;
    out += "- ";
    if (IsInline(item)) {
      AppendInline(out, item);
      out += '\n';
    } else {
      AppendBlock(out, item, indent + 2);
    }
  }
  for (const auto& [key, value] : node.members) {
    if (!std::exchange(first, false)) out += margin;
    if (key.scalar.size() > kLongestSimpleKey) {
      out += "? ";
      AppendQuoted(out, key.scalar);
      out.append("\n").append(margin);
    } else {
      AppendScalar(out, key);
    }
    out += ':';
    if (IsInline(value)) {
      out += ' ';
      AppendInline(out, value);
      out += '\n';
    } else {
      out.append("\n").append(indent + 2, ' ');
      AppendBlock(out, value, indent + 2);
    }
  }
}

}  // namespace

std::string WriteYaml(const Node& node) {
  std::string out;
  if (IsInline(node)) {
    AppendInline(out, node);
    out += '\n';
  } else {
    AppendBlock(out, node, 0);
  }
  return out;
}

}  // namespace agent::config
