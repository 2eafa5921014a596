// SPDX-License-Identifier: Apache-2.0
// What the HTTP server shows, collected from the running parts. Every question is
// answered on the io thread (to which it is posted), where the tailer may be asked.
// Borrows all parts; they outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/admin/admin.h"
#include "agent/app/command_line.h"
#include "agent/app/internal/lane_thread.h"
#include "agent/app/ledger.h"
#include "agent/app/observer.h"
#include "agent/app/settings.h"
#include "agent/app/targets.h"
#include "agent/core/budget.h"
#include "agent/metrics/registry.h"
#include "agent/push/push.h"
#include "agent/runtime/loop.h"
#include "agent/source/tailer.h"

namespace agent::app {

struct StatusParts {
  const CommandLine& line;
  const Settings& settings;
  metrics::Registry& registry;
  runtime::Loop& io;
  source::Tailer& tailer;
  source::Positions& positions;
  Targets& targets;
  push::Pusher& pusher;
  AgentObserver& observer;
  Ledger& ledger;
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
  admin::Ledger MakeLedger() const;
  admin::Cardinality MakeCardinality() const;
  // Lane counters as metrics; called before each scrape.
  void Collect();

  StatusParts parts_;
  const WallNanos started_;
  struct Mirrors;
  std::unique_ptr<Mirrors> mirrors_;
  std::shared_ptr<void> collector_;
};

}  // namespace agent::app
