// SPDX-License-Identifier: Apache-2.0
// What the HTTP server shows, collected from the running parts. Every question is
// answered on the io thread (to which it is posted), where the tailer may be asked.
// Borrows all parts; they outlive it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/admin/admin.h"
#include "agent/app/command_line.h"
#include "agent/app/internal/lane_thread.h"
#include "agent/app/internal/pushers.h"
#include "agent/app/ledger.h"
#include "agent/app/observer.h"
#include "agent/app/reload.h"
#include "agent/app/settings.h"
#include "agent/app/tallies.h"
#include "agent/app/targets.h"
#include "agent/core/budget.h"
#include "agent/metrics/registry.h"
#include "agent/runtime/loop.h"
#include "agent/source/tailer.h"

namespace agent::app {

struct StatusParts {
  const CommandLine& line;
  Reloader& reloader;
  metrics::Registry& registry;
  runtime::Loop& io;
  source::Tailer& tailer;
  source::Positions& positions;
  Targets& targets;
  Pushers& pushers;
  AgentObserver& observer;
  Ledger& ledger;
  Tallies& tallies;
  LagClock& lag;
  ByteBudget& budget;
  std::vector<std::unique_ptr<LaneThread>>& lanes;
  Clock& clock;
};

class AgentStatus final : public admin::AdminSource {
 public:
  explicit AgentStatus(StatusParts parts);
  ~AgentStatus() override;

  void Ready(admin::Reply<admin::Readiness> reply) override;
  void Metrics(admin::Reply<std::string> reply) override;
  void ConfigText(admin::Reply<std::string> reply) override;
  void Reload(admin::Reply<Status> reply) override;
  void Node(admin::Reply<admin::NodeSummary> reply) override;
  void Pods(admin::Reply<std::vector<admin::PodSummary>> reply) override;
  void Pod(std::string id, admin::Reply<admin::PodDetail> reply) override;
  void Explain(admin::ExplainQuery query, admin::Reply<admin::Explanation> reply) override;
  void LossLedger(admin::Reply<admin::Ledger> reply) override;
  void LabelCardinality(admin::Reply<admin::Cardinality> reply) override;
  void Targets(admin::Reply<std::vector<admin::TargetView>> reply) override;
  void Discovery(admin::Reply<std::vector<admin::DiscoveryView>> reply) override;

 private:
  admin::Readiness IsReady() const;
  admin::NodeSummary MakeNode() const;
  std::vector<admin::PodDetail> MakePods() const;
  admin::Explanation MakeExplanation(const admin::ExplainQuery& query) const;
  // -- explain.cc --
  // A pod in numbers, over its files.
  struct PodNumbers {
    uint64_t size = 0;
    uint64_t read = 0;
    uint64_t committed = 0;
    uint64_t lines = 0;  // since the agent started, as the rest
    uint64_t out = 0;
    uint64_t dropped = 0;
    std::string last_drop;  // the stage
    WallNanos last_read = 0;
    WallNanos last_stored = 0;
    // Rows of the ledger, or null.
    std::shared_ptr<const Ledger::Row> refusal;  // by Loki
    std::shared_ptr<const Ledger::Row> loss;     // of bytes that were never read
    std::shared_ptr<const Ledger::Row> limit;    // by a limit of the configuration
  };
  PodNumbers NumbersOf(const admin::PodDetail& pod) const;
  std::set<std::string> PodRoots() const;
  void ExplainUnknown(const admin::ExplainQuery& query, admin::Explanation& out) const;
  std::string WhyNotRead(const std::string& path) const;
  void ExplainKnown(const admin::PodDetail& pod, admin::Explanation& out) const;
  void ExplainNode(admin::Explanation& out) const;
  admin::ExplainLink ReadLink(const PodNumbers& pod) const;
  admin::ExplainLink PipelineLink(const PodNumbers& pod) const;
  admin::ExplainLink LokiLink(const PodNumbers& pod) const;
  // -- views.cc --
  void AddTally(admin::PodDetail& pod) const;
  void AddLedger(std::map<std::string, admin::PodDetail>& pods) const;
  void AddStages(admin::PodDetail& pod) const;
  admin::Streams StreamsOf(const std::string& pod) const;
  admin::Ledger MakeLedger() const;
  admin::Cardinality MakeCardinality() const;
  const Settings& settings() const { return *parts_.reloader.current(); }

  StatusParts parts_;
  // Entries of a pod that were settled when nothing of it waited last; io thread.
  mutable std::map<std::string, uint64_t> settled_entries_;
  const WallNanos started_;
};

}  // namespace agent::app
