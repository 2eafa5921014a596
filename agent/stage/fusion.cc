// SPDX-License-Identifier: Apache-2.0
#include "agent/stage/internal/fusion.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>

namespace agent::stage {
namespace {

using config::Node;

bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// A template names a key as `.key`, or takes the whole map with a bare dot or `$`.
bool TemplateMayRead(std::string_view text, std::span<const std::string_view> names) {
  for (size_t at = text.find_first_of(".$\"`"); at != std::string_view::npos;
       at = text.find_first_of(".$\"`", at + 1)) {
    const std::string_view rest = text.substr(at + 1);
    if (rest.empty() || (!IsWord(rest[0]) && (text[at] == '.' || (text[at] == '$' && rest[0] != '.'))))
      return true;
    for (const std::string_view name : names) {
      if (rest.starts_with(name) && (rest.size() == name.size() || !IsWord(rest[name.size()]))) return true;
    }
  }
  return false;
}

// Looks for stages that read the extracted map by names that are not symbols.
bool ReadsDynamically(const Node& list, size_t first, std::span<const std::string_view> names) {
  for (size_t i = first; i < list.items.size(); ++i) {
    for (const auto& [key, options] : list.items[i].members) {
      if (key.scalar == "eventlogmessage") return true;
      for (const auto& [name, value] : options.members) {
        if ((key.scalar == "template" || key.scalar == "replace") && value.is_scalar() &&
            TemplateMayRead(value.scalar, names)) {
          return true;
        }
      }
      const Node* nested = options.FindNoCase("stages");
      if (nested != nullptr && ReadsDynamically(*nested, 0, names)) return true;
    }
  }
  return false;
}

}  // namespace

bool MayFuse(std::string_view first_stage, const Node& list, const SymbolTable& symbols) {
  static constexpr std::array<std::string_view, 3> kCri = {"time", "flags", "content"};
  static constexpr std::array<std::string_view, 2> kDocker = {"output", "timestamp"};
  const auto names = first_stage == "cri" ? std::span<const std::string_view>(kCri)
                                          : std::span<const std::string_view>(kDocker);
  const auto known = [&](std::string_view name) { return symbols.Find(name) < symbols.size(); };
  return std::none_of(names.begin(), names.end(), known) && !ReadsDynamically(list, 1, names);
}

}  // namespace agent::stage
