// SPDX-License-Identifier: Apache-2.0
// From scrape configs to the tailer's targets: runs the discoveries, relabels what they
// find, and keeps what people want to see of it (/targets, /service-discovery).
// Threads: io thread only. Drivable: Tick(now) at NextDeadline().
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/app/scrape.h"
#include "agent/app/internal/pod_discovery.h"
#include "agent/app/settings.h"
#include "agent/metrics/registry.h"
#include "agent/source/tailer.h"

namespace agent::app {

class Targets {
 public:
  // Borrows the rest; they outlive it. `pods` is null if no scrape config has
  // kubernetes_sd_configs.
  Targets(std::shared_ptr<const Settings> settings, source::Tailer& tailer, metrics::Registry& registry,
          std::unique_ptr<PodDiscovery> pods);
  ~Targets();

  // The first targets of every scrape config.
  void Start(MonoTime now);
  void Tick(MonoTime now);
  MonoTime NextDeadline() const;

  // Other settings, whose scrape configs are in the order of the old ones (ArrangeLike).
  // `first_pods` asks Kubernetes from now on, if nobody did before. An Error names an
  // entry that has no cluster to ask; everything else is in use.
  Status Use(std::shared_ptr<const Settings> settings, std::unique_ptr<PodDiscovery> first_pods, MonoTime now);
  bool asks_kubernetes() const { return pods_ != nullptr; }

  // As of the last discovery, by scrape config.
  const std::vector<std::vector<TargetOrFailure>>& all() const { return all_; }
  // What is wrong with discoveries, one sentence each.
  std::vector<std::string> Troubles() const { return pods_ == nullptr ? std::vector<std::string>() : pods_->Troubles(); }

 private:
  void Discover(uint32_t index, MonoTime now);
  std::vector<DiscoveredTarget> Discovered(uint32_t scrape) const;
  void Update(uint32_t scrape, std::vector<DiscoveredTarget> discovered, MonoTime now);
  void TickPods(MonoTime now);
  void Report(const TargetOrFailure& made);

  std::shared_ptr<const Settings> settings_;
  source::Tailer& tailer_;
  metrics::Registry& registry_;
  std::vector<std::vector<TargetOrFailure>> all_;
  struct Discoveries;
  std::unique_ptr<Discoveries> discoveries_;
  std::unique_ptr<PodDiscovery> pods_;
  bool complete_ = false;           // the tailer knows that it has all targets
  std::set<std::string> reported_;  // problems of annotations, at most kMostReported
};

}  // namespace agent::app
