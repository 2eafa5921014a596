// SPDX-License-Identifier: Apache-2.0
// What the tailer knows about a path, as values: for `explain`, /targets and /api.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/time.h"
#include "agent/model/target.h"

namespace agent::source {

enum class FileState {
  kFollowed,    // open and read as it grows
  kWaiting,     // an older generation, or nothing at the path now
  kUnreadable,  // opening fails; `trouble` says why
  kIgnored,     // known under another name, or not a log; `trouble` says why
  kExcluded,    // by a rule, which `trouble` names; never opened
};

struct GenerationView {
  std::string location;  // where it is now; empty: deleted
  uint64_t inode = 0;
  uint64_t start = 0;
  uint64_t read = 0;
  uint64_t committed = 0;
  uint64_t size = 0;
  uint64_t lines = 0;
  uint64_t dropped = 0;                     // lines, by stages and limits
  const std::string* last_drop = nullptr;   // the stage that did it last; never freed
  int64_t last_data_ns = 0;                 // MonoTime of the last byte read; 0: none
  bool finished = false;
  bool abandoned = false;
};

struct FileView {
  std::string path;
  std::shared_ptr<const Target> target;
  FileState state = FileState::kFollowed;
  std::string trouble;
  int sys_errno = 0;
  // Until rotation deletes bytes that are not stored, at the rate of writing.
  std::optional<double> seconds_to_loss = std::nullopt;
  std::vector<GenerationView> generations;  // oldest first
};

}  // namespace agent::source
