// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/pod_directories.h"

#include <set>

namespace agent::app {

void PodDirectories::Look(MonoTime now) {
  const auto listed = fs_.List(root_);
  if (!listed) return;  // what was there before is likelier than nothing at all
  for (auto& [pod, known] : pods_) known.seen = false;
  for (const platform::DirEntry& entry : *listed) {
    if (entry.type == platform::FileType::kRegular) continue;
    LookAt(platform::Join(root_, entry.name), now);
  }
  for (auto it = pods_.begin(); it != pods_.end();) {
    if (it->second.seen) {
      ++it;
      continue;
    }
    Forget(it->first);
    it = pods_.erase(it);
  }
}

void PodDirectories::LookAt(const std::string& pod, MonoTime now) {
  const auto stat = fs_.Stat(pod);
  if (!stat || stat->type != platform::FileType::kDirectory) return;
  Pod& known = pods_[pod];
  known.seen = true;
  if (known.modified_ns == stat->modified_ns) return;
  const auto listed = fs_.List(pod);
  if (!listed) return;
  known.modified_ns = stat->modified_ns;
  std::set<std::string> there;
  for (const platform::DirEntry& entry : *listed) {
    const std::string directory = platform::Join(pod, entry.name);
    auto path = kube::ParsePodPath(platform::Join(directory, "0.log"));
    if (!path || path->uid.empty()) continue;
    path->restart_count.clear();
    there.insert(directory);
    containers_.try_emplace(directory, Container{std::move(*path), directory, now});
  }
  for (auto it = containers_.lower_bound(pod + "/"); it != containers_.end() && it->first.starts_with(pod + "/");) {
    it = there.contains(it->first) ? std::next(it) : containers_.erase(it);
  }
}

void PodDirectories::Forget(const std::string& pod) {
  auto it = containers_.lower_bound(pod + "/");
  while (it != containers_.end() && it->first.starts_with(pod + "/")) it = containers_.erase(it);
}

}  // namespace agent::app
