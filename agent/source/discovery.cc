// SPDX-License-Identifier: Apache-2.0
#include "agent/source/discovery.h"

#include <algorithm>
#include <set>

#include "agent/core/log.h"
#include "agent/platform/glob.h"

namespace agent::source {
namespace {

constexpr uint64_t kMostBytes = 64 * 1024 * 1024;

std::vector<DiscoveredTarget> Unique(std::vector<DiscoveredTarget> targets) {
  std::set<LabelMap> seen;
  std::erase_if(targets, [&](const DiscoveredTarget& target) { return !seen.insert(target.labels).second; });
  return targets;
}

std::vector<DiscoveredTarget> TargetsOf(const std::vector<StaticConfig>& groups, const LabelMap& also) {
  std::vector<DiscoveredTarget> targets;
  for (const StaticConfig& group : groups) {
    for (const std::string& address : group.targets) {
      LabelMap labels = also;
      for (const auto& [name, value] : group.labels) labels[name] = value;
      labels["__address__"] = address;
      targets.push_back({std::move(labels)});
    }
  }
  return targets;
}

// The existing files that a pattern of file_sd_configs means.
std::vector<std::string> Expand(platform::Fs& fs, const std::string& pattern) {
  if (pattern.find('*') == std::string::npos) return {pattern};
  std::vector<std::string> paths;
  const std::string directory(platform::DirectoryOf(pattern));
  const auto glob = platform::Glob::Parse("/" + std::string(platform::BaseOf(pattern)));
  const auto entries = fs.List(directory);
  if (!glob || !entries) return paths;
  for (const platform::DirEntry& entry : *entries) {
    if (glob->Matches("/" + entry.name)) paths.push_back(platform::Join(directory, entry.name));
  }
  return paths;
}

}  // namespace

std::vector<DiscoveredTarget> StaticTargets(const std::vector<StaticConfig>& groups) {
  return Unique(TargetsOf(groups, {}));
}

FileDiscovery::FileDiscovery(platform::Fs& fs, std::vector<FileSdConfig> configs, MonoTime now)
    : fs_(fs), configs_(std::move(configs)), due_(configs_.size(), now) {}

MonoTime FileDiscovery::NextDeadline() const {
  return due_.empty() ? kNever : *std::min_element(due_.begin(), due_.end());
}

bool FileDiscovery::Tick(MonoTime now) {
  bool changed = false;
  for (size_t i = 0; i < configs_.size(); ++i) {
    if (now < due_[i]) continue;
    // A change should not have to wait five minutes: files are looked at more often than
    // Promtail's refresh, but read only if they changed.
    due_[i] = now + std::min<Duration>(configs_[i].refresh_interval, std::chrono::seconds(5));
    changed = Refresh(i) || changed;
  }
  return changed;
}

bool FileDiscovery::Refresh(size_t config) {
  std::set<std::string> paths;
  for (const auto& [path, file] : files_) {
    if (file.config == config) paths.insert(path);
  }
  for (const std::string& pattern : configs_[config].files) {
    for (std::string& path : Expand(fs_, pattern)) paths.insert(std::move(path));
  }
  bool changed = false;
  for (const std::string& path : paths) {
    const auto [file, added] = files_.try_emplace(path);
    if (added) file->second.config = config;
    if (ReadTargets(path, file->second)) changed = true;
  }
  return changed;
}

bool FileDiscovery::ReadTargets(const std::string& path, TargetFile& file) {
  const auto trouble = [&](const std::string& why) {
    if (file.trouble != why) {
      LogWarn("a file of targets cannot be used; its targets stay as they were", {{"path", path}, {"err", why}});
    }
    file.trouble = why;
    return false;
  };
  const auto stat = fs_.Stat(path);
  if (!stat && stat.error().code == Code::kNotFound) {  // its targets go with it
    const bool had_targets = !file.targets.empty();
    const size_t config = file.config;
    file = {};
    file.config = config;
    return had_targets;
  }
  if (!stat) return trouble(stat.error().what);
  if (stat->modified_ns == file.modified_ns && stat->size == file.size && stat->inode == file.inode) return false;
  const auto text = platform::ReadWhole(fs_, path, kMostBytes);
  if (!text) return trouble(text.error().what);
  file.modified_ns = stat->modified_ns;
  file.size = stat->size;
  file.inode = stat->inode;
  Diagnostics problems;  // JSON is YAML
  const config::Node root = config::ParseYaml(*text, path, problems);
  const std::vector<StaticConfig> groups = DecodeStaticConfigs(root, "targets", problems);
  if (!problems.ok()) return trouble(problems.Text());
  file.trouble.clear();
  std::vector<DiscoveredTarget> targets = TargetsOf(groups, {{"__meta_filepath", path}});
  const bool same = std::equal(targets.begin(), targets.end(), file.targets.begin(), file.targets.end(),
                               [](const auto& a, const auto& b) { return a.labels == b.labels; });
  file.targets = std::move(targets);
  return !same;
}

std::vector<DiscoveredTarget> FileDiscovery::Targets() const {
  std::vector<DiscoveredTarget> all;
  for (const auto& [path, file] : files_) all.insert(all.end(), file.targets.begin(), file.targets.end());
  return Unique(std::move(all));
}

}  // namespace agent::source
