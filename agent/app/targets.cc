// SPDX-License-Identifier: Apache-2.0
#include "agent/app/targets.h"

#include <algorithm>

#include "agent/source/discovery.h"

namespace agent::app {

struct Targets::Discoveries {
  std::vector<std::unique_ptr<source::FileDiscovery>> files;  // by scrape config; null: none
};

Targets::Targets(const Settings& settings, source::Tailer& tailer, metrics::Registry& registry)
    : settings_(settings),
      tailer_(tailer),
      registry_(registry),
      all_(settings.scrapes.size()),
      discoveries_(std::make_unique<Discoveries>()) {}

Targets::~Targets() = default;

void Targets::Start(MonoTime now) {
  for (uint32_t i = 0; i < settings_.scrapes.size(); ++i) {
    const ScrapeConfig& scrape = settings_.scrapes[i];
    discoveries_->files.push_back(nullptr);
    if (!scrape.file_sd.empty()) {
      discoveries_->files[i] = std::make_unique<source::FileDiscovery>(platform::RealFs(), scrape.file_sd, now);
      discoveries_->files[i]->Tick(now);
    }
    Update(i, Discovered(i), now);
  }
  tailer_.TargetsComplete();
}

void Targets::Tick(MonoTime now) {
  for (uint32_t i = 0; i < discoveries_->files.size(); ++i) {
    source::FileDiscovery* files = discoveries_->files[i].get();
    if (files != nullptr && files->NextDeadline() <= now && files->Tick(now)) Update(i, Discovered(i), now);
  }
}

MonoTime Targets::NextDeadline() const {
  MonoTime next = kNever;
  for (const auto& files : discoveries_->files) {
    if (files != nullptr) next = std::min(next, files->NextDeadline());
  }
  return next;
}

std::vector<DiscoveredTarget> Targets::Discovered(uint32_t scrape) const {
  std::vector<DiscoveredTarget> all = settings_.scrapes[scrape].static_targets;
  if (const source::FileDiscovery* files = discoveries_->files[scrape].get()) {
    for (DiscoveredTarget& target : files->Targets()) all.push_back(std::move(target));
  }
  return all;
}

void Targets::Update(uint32_t index, std::vector<DiscoveredTarget> discovered, MonoTime now) {
  const ScrapeConfig& scrape = settings_.scrapes[index];
  std::vector<std::shared_ptr<const Target>> targets;
  all_[index].clear();
  if (scrape.pod_logs.enabled) {
    TargetOrFailure pods;
    pods.target = MakePodLogsTarget(scrape, index, settings_.node_name);
    targets.push_back(pods.target);
    all_[index].push_back(std::move(pods));
  }
  for (const DiscoveredTarget& one : discovered) {
    TargetOrFailure made = MakeTarget(scrape, index, one, settings_.host_name);
    if (made.target != nullptr) {
      targets.push_back(made.target);
    } else {
      registry_.GetCounter("promtail_targets_failed_total", "Number of failed targets.", {{"reason", made.reason}}).Add();
    }
    all_[index].push_back(std::move(made));
  }
  registry_.GetGauge("promtail_targets_active_total", "Number of active total.").Set(static_cast<double>([this] {
    size_t active = 0;
    for (const auto& of_scrape : all_) {
      for (const TargetOrFailure& one : of_scrape) active += one.target != nullptr ? 1u : 0u;
    }
    return active;
  }()));
  tailer_.SetTargets(index, std::move(targets), now);
}

}  // namespace agent::app
