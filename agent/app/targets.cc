// SPDX-License-Identifier: Apache-2.0
#include "agent/app/targets.h"

#include <algorithm>
#include <unordered_map>

#include "agent/core/log.h"
#include "agent/source/discovery.h"

namespace agent::app {
namespace {

constexpr size_t kMostReported = 1000;

}  // namespace

struct Targets::Discoveries {
  std::vector<std::unique_ptr<source::FileDiscovery>> files;  // by scrape config; null: none
};

Targets::Targets(std::shared_ptr<const Settings> settings, source::Tailer& tailer, metrics::Registry& registry,
                 std::unique_ptr<PodDiscovery> pods)
    : settings_(std::move(settings)),
      tailer_(tailer),
      registry_(registry),
      all_(settings_->scrapes.size()),
      discoveries_(std::make_unique<Discoveries>()),
      pods_(std::move(pods)) {}

Targets::~Targets() = default;

void Targets::Start(MonoTime now) {
  discoveries_->files.resize(settings_->scrapes.size());
  for (uint32_t i = 0; i < settings_->scrapes.size(); ++i) Discover(i, now);
  TickPods(now);
}

Status Targets::Use(std::shared_ptr<const Settings> settings, std::unique_ptr<PodDiscovery> first_pods, MonoTime now) {
  settings_ = std::move(settings);
  all_.resize(settings_->scrapes.size());
  discoveries_->files.resize(settings_->scrapes.size());
  Status used;
  if (pods_ != nullptr) {
    used = pods_->Use(settings_, now);
  } else {
    pods_ = std::move(first_pods);
  }
  for (uint32_t i = 0; i < settings_->scrapes.size(); ++i) Discover(i, now);
  return used;
}

void Targets::Discover(uint32_t index, MonoTime now) {
  const ScrapeConfig& scrape = settings_->scrapes[index];
  std::unique_ptr<source::FileDiscovery>& files = discoveries_->files[index];
  files.reset();
  if (!scrape.file_sd.empty()) {
    files = std::make_unique<source::FileDiscovery>(platform::RealFs(), scrape.file_sd, now);
    files->Tick(now);
  }
  Update(index, Discovered(index), now);
}

void Targets::Tick(MonoTime now) {
  for (uint32_t i = 0; i < discoveries_->files.size(); ++i) {
    source::FileDiscovery* files = discoveries_->files[i].get();
    if (files != nullptr && files->NextDeadline() <= now && files->Tick(now)) Update(i, Discovered(i), now);
  }
  TickPods(now);
}

void Targets::TickPods(MonoTime now) {
  if (pods_ != nullptr) {
    for (const uint32_t scrape : pods_->Tick(now)) Update(scrape, Discovered(scrape), now);
  }
  // Until then a file that nobody claims may still get its target.
  if (complete_ || (pods_ != nullptr && !pods_->Complete())) return;
  complete_ = true;
  tailer_.TargetsComplete();
}

// What is wrong with a pod's annotations is said once.
void Targets::Report(const TargetOrFailure& made) {
  for (const std::string& problem : made.problems) {
    if (reported_.size() >= kMostReported || !reported_.insert(problem).second) continue;
    LogWarn("an annotation has no effect", {{"problem", problem}});
    registry_.GetCounter("sluice_annotations_ignored_total", "Annotations of pods that are wrong and have no effect").Add();
  }
}

MonoTime Targets::NextDeadline() const {
  MonoTime next = pods_ == nullptr ? kNever : pods_->NextDeadline();
  for (const auto& files : discoveries_->files) {
    if (files != nullptr) next = std::min(next, files->NextDeadline());
  }
  return next;
}

std::vector<DiscoveredTarget> Targets::Discovered(uint32_t scrape) const {
  std::vector<DiscoveredTarget> all = settings_->scrapes[scrape].static_targets;
  if (const source::FileDiscovery* files = discoveries_->files[scrape].get()) {
    for (DiscoveredTarget& target : files->Targets()) all.push_back(std::move(target));
  }
  if (pods_ != nullptr) {
    for (DiscoveredTarget& target : pods_->Targets(scrape)) all.push_back(std::move(target));
  }
  return all;
}

void Targets::Update(uint32_t index, std::vector<DiscoveredTarget> discovered, MonoTime now) {
  const ScrapeConfig& scrape = settings_->scrapes[index];
  std::vector<std::shared_ptr<const Target>> targets;
  std::unordered_map<std::string, std::vector<const Target*>> by_path;
  const PipelineNames pipelines = scrape.annotations ? NamedPipelines(settings_->scrapes) : PipelineNames();
  all_[index].clear();
  if (scrape.pod_logs.enabled && scrape.kubernetes.empty()) {
    TargetOrFailure pods;
    pods.target = MakePodLogsTarget(scrape, index, settings_->node_name);
    targets.push_back(pods.target);
    all_[index].push_back(std::move(pods));
  }
  for (const DiscoveredTarget& one : discovered) {
    TargetOrFailure made = MakeTarget(scrape, index, one, settings_->host_name, pipelines);
    Report(made);
    // As in Promtail: of targets that are equal after relabelling (one for each port of
    // a container, mostly) one is followed.
    if (made.target != nullptr) {
      auto& same_path = by_path[made.target->path];
      if (std::any_of(same_path.begin(), same_path.end(), [&](const Target* known) {
            return known->exclude == made.target->exclude && known->labels == made.target->labels;
          })) {
        continue;
      }
      same_path.push_back(made.target.get());
    }
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
