// SPDX-License-Identifier: Apache-2.0
#include "agent/app/targets.h"

#include "agent/core/log.h"

namespace agent::app {

struct Targets::Discoveries {};

Targets::Targets(const Settings& settings, source::Tailer& tailer, metrics::Registry& registry)
    : settings_(settings),
      tailer_(tailer),
      registry_(registry),
      all_(settings.scrapes.size()),
      discoveries_(std::make_unique<Discoveries>()) {}

Targets::~Targets() = default;

void Targets::Start(MonoTime now) {
  for (uint32_t i = 0; i < settings_.scrapes.size(); ++i) Update(i, settings_.scrapes[i].static_targets, now);
  tailer_.TargetsComplete();
}

void Targets::Tick(MonoTime) {}

MonoTime Targets::NextDeadline() const { return kNever; }

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
