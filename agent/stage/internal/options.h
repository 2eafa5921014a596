// SPDX-License-Identifier: Apache-2.0
// Option shapes that several stages share and that are not members of a map of
// known keys: the whole option is a list of names or a map of free names. A bare
// number, bool or date where text belongs is an error, as in Promtail. Cold path.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/stage/stage.h"

namespace agent::stage {

using NamePairs = std::vector<std::pair<std::string, std::string>>;

// Reads a map of name to text, in file order; a null value reads as empty text.
// False, with errors reported, if it is not one. `path` names the map.
bool ReadNameMap(const config::Node& map, const std::string& path, Diagnostics& diagnostics, NamePairs& out);

// Reads a list of names.
bool ReadNameList(const config::Node& list, const std::string& path, Diagnostics& diagnostics,
                  std::vector<std::string>& out);

// Reads the optional key `source`; empty text is an error.
void ReadSource(config::MapReader& reader, BuildContext& context, std::optional<Symbol>& out);

// Promtail's label names: letters, digits and `_`, not beginning with a digit.
bool IsLabelName(std::string_view name);

// Reads a `labels`-like map: label name to the extracted key, which is the name
// itself where the value is empty.
bool ReadLabelSources(const config::Node& options, BuildContext& context, NamePairs& out);

}  // namespace agent::stage
