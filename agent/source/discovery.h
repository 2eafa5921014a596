// SPDX-License-Identifier: Apache-2.0
// Where targets come from: written down in the configuration, or in files that somebody
// rewrites. Both give raw labels, before relabelling; whoever collects them
// (app/) joins the discoveries of one scrape config.
// Threads: io thread. FileDiscovery reads no clock: Tick at NextDeadline().
// Failure: a target file that cannot be read or parsed keeps the targets it had, is
// logged once, and is tried again at the next refresh; one that is gone has none.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/core/time.h"
#include "agent/model/target.h"
#include "agent/platform/fs.h"
#include "agent/source/options.h"

namespace agent::source {

// One target per (group, address): the group's labels and `__address__`. Equal targets
// are one.
std::vector<DiscoveredTarget> StaticTargets(const std::vector<StaticConfig>& groups);

class FileDiscovery {
 public:
  FileDiscovery(platform::Fs& fs, std::vector<FileSdConfig> configs, MonoTime now);

  // True if the targets changed.
  bool Tick(MonoTime now);
  MonoTime NextDeadline() const;
  // Of all files; each has `__meta_filepath`.
  std::vector<DiscoveredTarget> Targets() const;

 private:
  struct TargetFile {
    size_t config = 0;  // whose pattern found it first
    int64_t modified_ns = -1;
    uint64_t size = 0;
    uint64_t inode = 0;
    std::string trouble;
    std::vector<DiscoveredTarget> targets;
  };
  bool Refresh(size_t config);
  bool ReadTargets(const std::string& path, TargetFile& file);

  platform::Fs& fs_;
  const std::vector<FileSdConfig> configs_;
  std::vector<MonoTime> due_;  // parallel to configs_
  std::map<std::string, TargetFile> files_;
};

}  // namespace agent::source
