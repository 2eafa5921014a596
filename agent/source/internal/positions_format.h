// SPDX-License-Identifier: Apache-2.0
// The text of a positions file, to and from. Pure. Format: docs/DELIVERY.md.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"
#include "agent/source/positions.h"

namespace agent::source {

inline constexpr int kPositionsVersion = 1;

struct PositionsContent {
  std::vector<SavedPosition> files;
  std::map<std::string, std::string> by_path;  // without an identity
  std::map<std::string, std::string> cursors;
  int64_t seen_until_ns = 0;
  bool edited = false;  // somebody has changed it by hand
};

struct PositionsToWrite {
  const std::vector<PositionView>& files;
  const std::map<std::string, std::string>& by_path;
  const std::map<std::string, std::string>& cursors;
  int64_t seen_until_ns = 0;
};

// Hands the text on in pieces, for it has megabytes where there are thousands of files.
// Ends with the first piece that `write` cannot take.
Status RenderPositions(const PositionsToWrite& content, const std::function<Status(std::string_view)>& write);

// kCorrupt: torn or no positions file. kConfig: written by a newer version.
Result<PositionsContent> ParsePositions(std::string_view text, const std::string& file_name);

// A position's text as Promtail takes it (strconv.ParseInt: "+8" is 8); none below zero.
std::optional<uint64_t> OffsetOf(std::string_view text);

// Keys that are not paths of files.
bool IsCursorKey(std::string_view key);

}  // namespace agent::source
