// SPDX-License-Identifier: Apache-2.0
#include "agent/app/tallies.h"

#include <algorithm>

#include "agent/kube/pod_path.h"

namespace agent::app {

std::string PodIdOf(const LabelMap& labels, const std::string& job) {
  const auto pod = labels.find("pod");
  if (pod == labels.end() || pod->second.empty()) return "job:" + job;
  const auto name_space = labels.find("namespace");
  return (name_space == labels.end() ? std::string() : name_space->second) + "/" + pod->second;
}

std::string GroupOf(const std::string& path, const Target& target) {
  const auto pod = kube::ParsePodPath(path);
  if (!pod || pod->uid.empty()) return target.path;
  // ROOT/<namespace>_<pod>_<uid>/<container>/<count>.log
  size_t end = path.rfind('/');
  for (int up = 0; up < 2 && end != std::string::npos && end > 0; ++up) end = path.rfind('/', end - 1);
  return (end == std::string::npos ? std::string() : path.substr(0, end)) + "/" + pod->name_space + "_*";
}

std::shared_ptr<Tally> Tallies::Of(const TailedFile& file) {
  Pod& pod = pods_[PodIdOf(file.labels, file.target->job)];
  if (pod.tally == nullptr) {
    pod.tally = std::make_shared<Tally>();
    pod.group = GroupOf(file.path, *file.target);
    if (gone_.size() >= kMostGroups && !gone_.contains(pod.group)) pod.group = "other";
    gone_[pod.group];
    if (pods_.size() > sweep_at_) {
      const std::shared_ptr<Tally> kept = pod.tally;  // not among those that are gone
      Sweep();
      sweep_at_ = std::max<size_t>(64, 2 * pods_.size());
      return kept;
    }
  }
  return pod.tally;
}

std::shared_ptr<const Tally> Tallies::Find(const std::string& pod) const {
  const auto found = pods_.find(pod);
  return found == pods_.end() ? nullptr : found->second.tally;
}

std::map<std::string, Tallies::Sums> Tallies::Groups() const {
  std::map<std::string, Sums> sums = gone_;
  for (const auto& [id, pod] : pods_) {
    sums[pod.group].bytes_read += pod.tally->bytes_read.load(std::memory_order_relaxed);
    sums[pod.group].lines_read += pod.tally->lines_read.load(std::memory_order_relaxed);
  }
  return sums;
}

size_t Tallies::Silenced() const {
  return static_cast<size_t>(std::ranges::count_if(pods_, [](const auto& entry) { return entry.second.tally->silenced(); }));
}

void Tallies::Sweep() {
  std::erase_if(pods_, [this](const auto& entry) {
    const Pod& pod = entry.second;
    if (pod.tally.use_count() > 1) return false;
    gone_[pod.group].bytes_read += pod.tally->bytes_read.load(std::memory_order_relaxed);
    gone_[pod.group].lines_read += pod.tally->lines_read.load(std::memory_order_relaxed);
    return true;
  });
}

LagClock::Lag LagClock::Look(const source::FileView& file, MonoTime now) {
  Lag lag;
  for (const source::GenerationView& generation : file.generations) {
    const uint64_t size = std::max(generation.size, generation.read);
    const std::string key =
        file.path + '\0' + std::to_string(generation.inode) + '\0' + std::to_string(generation.start);
    const auto known = behind_.find(key);
    if (generation.committed >= size) {
      if (known != behind_.end()) behind_.erase(known);
      continue;
    }
    lag.bytes += size - generation.committed;
    Mark& mark = known == behind_.end() ? behind_[key] : known->second;
    if (mark.size == 0 || generation.committed >= mark.size) mark = {.size = size, .since = now};
    mark.round = round_;
    lag.seconds = std::max(lag.seconds, std::chrono::duration<double>(now - mark.since).count());
  }
  return lag;
}

void LagClock::EndOfRound() {
  std::erase_if(behind_, [this](const auto& entry) { return entry.second.round != round_; });
  ++round_;
}

}  // namespace agent::app
