// SPDX-License-Identifier: Apache-2.0
// Which scrape config reads a path, and the labels that its lines start with: for runs
// over files that are named or copied, without an agent that discovers them.
// Target files (file_sd_configs) are read once, when it is made. Kubernetes is not asked:
// its labels are those that a path of the kubelet's form tells.
// Borrows the settings. Threads: one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/app/settings.h"
#include "agent/platform/glob.h"

namespace agent::app {

struct PathOrigin {
  size_t scrape = 0;
  LabelMap labels;
};

// The folder of a glob that has no wildcard in it yet.
std::string FixedFolder(const std::string& glob);

class Origins {
 public:
  explicit Origins(const Settings& settings);

  // None: `why` says it.
  std::optional<PathOrigin> Find(const std::string& path, std::string& why) const;
  // The folders that the configuration's paths begin with.
  const std::vector<std::string>& folders() const { return folders_; }

 private:
  struct Known {  // one target
    std::shared_ptr<const Target> target;
    platform::Glob glob;
    std::optional<platform::Glob> exclude;
    bool Covers(const std::string& path) const;
  };
  void Keep(size_t scrape, std::shared_ptr<const Target> target);
  void AddFolder(std::string folder);
  bool OfPod(size_t scrape, const std::string& path, PathOrigin& origin, std::string& why) const;

  const Settings& settings_;
  std::vector<std::vector<Known>> targets_;  // by scrape config
  std::vector<std::string> folders_;
};

}  // namespace agent::app
