// SPDX-License-Identifier: Apache-2.0
#include "agent/app/origins.h"

#include <algorithm>
#include <utility>

#include "agent/app/internal/pods_from_paths.h"
#include "agent/kube/pod_path.h"
#include "agent/platform/clock.h"
#include "agent/source/discovery.h"

namespace agent::app {

std::string FixedFolder(const std::string& glob) {
  const size_t wild = glob.find_first_of("*?[{");
  const size_t slash = glob.rfind('/', wild);
  return slash == std::string::npos || slash == 0 ? "/" : glob.substr(0, slash);
}

bool Origins::Known::Covers(const std::string& path) const {
  return glob.Matches(path) && !(exclude && exclude->Matches(path));
}

Origins::Origins(const Settings& settings) : settings_(settings), targets_(settings.scrapes.size()) {
  for (size_t i = 0; i < settings.scrapes.size(); ++i) {
    const ScrapeConfig& scrape = settings.scrapes[i];
    if (scrape.pod_logs.enabled || !scrape.kubernetes.empty()) AddFolder(scrape.pod_logs.root);
    std::vector<DiscoveredTarget> discovered = scrape.static_targets;
    if (!scrape.file_sd.empty()) {
      const MonoTime now = SystemClock().Now();
      source::FileDiscovery files(platform::RealFs(), scrape.file_sd, now);
      files.Tick(now);
      for (DiscoveredTarget& target : files.Targets()) discovered.push_back(std::move(target));
    }
    for (const DiscoveredTarget& one : discovered) {
      TargetOrFailure made = MakeTarget(scrape, static_cast<uint32_t>(i), one, settings.host_name);
      if (made.target != nullptr) Keep(i, std::move(made.target));
    }
  }
}

void Origins::Keep(size_t scrape, std::shared_ptr<const Target> target) {
  auto glob = platform::Glob::Parse(target->path);
  if (!glob) return;
  Known known{.target = target, .glob = std::move(*glob), .exclude = std::nullopt};
  if (auto exclude = platform::Glob::Parse(target->exclude); exclude) known.exclude = std::move(*exclude);
  targets_[scrape].push_back(std::move(known));
  AddFolder(FixedFolder(target->path));
}

void Origins::AddFolder(std::string folder) {
  if (std::ranges::find(folders_, folder) == folders_.end()) folders_.push_back(std::move(folder));
}

// By the path alone, as the kubelet writes it.
bool Origins::OfPod(size_t scrape_index, const std::string& path, PathOrigin& origin, std::string& why) const {
  const ScrapeConfig& scrape = settings_.scrapes[scrape_index];
  const auto index = static_cast<uint32_t>(scrape_index);
  const auto pod = kube::ParsePodPath(path);
  if (!pod) return false;
  const auto target = MakePodLogsTarget(PodsFromPaths(scrape), index, settings_.node_name);
  origin = {scrape_index, {}};
  return target->resolve(path, origin.labels, why);
}

std::optional<PathOrigin> Origins::Find(const std::string& path, std::string& why) const {
  why = "no target's __path__ covers it";
  PathOrigin origin;
  for (size_t i = 0; i < settings_.scrapes.size(); ++i) {
    const ScrapeConfig& scrape = settings_.scrapes[i];
    if ((scrape.pod_logs.enabled || !scrape.kubernetes.empty()) && OfPod(i, path, origin, why)) return origin;
    const auto known = std::ranges::find_if(targets_[i], [&](const Known& one) { return one.Covers(path); });
    if (known == targets_[i].end()) continue;
    origin = {i, known->target->labels};
    origin.labels["filename"] = path;
    return origin;
  }
  return std::nullopt;
}

}  // namespace agent::app
