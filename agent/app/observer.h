// SPDX-License-Identifier: Apache-2.0
// What the lanes and the tailer report, turned into the ledger, metrics and the last
// rules on labels. Thread-safe: lanes call in from their threads.
#pragma once

#include <atomic>
#include <memory>
#include <functional>
#include <string>
#include <vector>

#include "agent/admin/tail.h"
#include "agent/app/ledger.h"
#include "agent/app/loss_markers.h"
#include "agent/app/settings.h"
#include "agent/flow/observer.h"
#include "agent/label/policy.h"
#include "agent/metrics/registry.h"
#include "agent/platform/clock.h"
#include "agent/push/options.h"
#include "agent/source/loss.h"

namespace agent::app {

class AgentObserver final : public flow::Observer, public source::LossObserver {
 public:
  AgentObserver(Ledger& ledger, metrics::Registry& registry, Clock& clock,
                const std::vector<push::ClientOptions>& clients, const Limits& limits, uint32_t lanes);

  // Other limits and clients, from now on. Rates start afresh; what the guard has counted
  // is kept. Lanes that ask for shares again get the new ones (flow::Lane::Reconfigure).
  void Reconfigure(const std::vector<push::ClientOptions>& clients, const Limits& limits,
                   const Limits& before);

  void Finalize(uint32_t lane, std::vector<Record*>& records, stage::StageContext& context) override;
  void Limited(uint32_t client, batch::BatchEvents::Kind kind, const Record& record, uint64_t bytes) override;
  void Refused(const PushBatch& batch, const Refusal& refusal) override;
  void Stored(const PushBatch& batch, MonoTime now) override;
  void Abandoned(const TailedFile& file, uint64_t unread) override;
  void Lost(const source::Loss& loss) override;

  // Where an entry about a loss goes, while limits_config.loss_marker is set; before the
  // threads start.
  void AnnounceLosses(LossMarkers::Announce announce) { markers_ = std::make_unique<LossMarkers>(std::move(announce)); }

  // Wall time of the last batch that Loki stored; 0 = none yet.
  void Out(uint32_t lane, const std::vector<Record*>& records, MonoTime now) override;
  admin::TailHub& tail() { return tail_; }
  uint64_t entries_stored() const { return entries_stored_.load(std::memory_order_relaxed); }
  uint64_t bytes_stored() const { return bytes_stored_.load(std::memory_order_relaxed); }
  label::Shares* shares() override { return shares_.load(std::memory_order_acquire); }
  label::Policy& policy() { return policy_; }
  WallNanos last_stored() const { return last_stored_.load(std::memory_order_relaxed); }

 private:
  struct ClientNames {
    std::string host;
    std::string tenant;
  };
  bool Marks() const { return markers_ != nullptr && loss_marker_.load(std::memory_order_relaxed); }
  void Drop(const Record& record, std::string_view reason, std::string_view detail);
  void Count(const char* what, uint32_t client, const Record& record, const char* reason, double entries,
             double bytes);

  Ledger& ledger_;
  metrics::Registry& registry_;
  Clock& clock_;
  using Names = std::vector<ClientNames>;
  void UseNames(const std::vector<push::ClientOptions>& clients);
  void UseShares(const label::ShareOptions& options);

  // Lanes may still use the last ones for a moment; a few hundred bytes each.
  std::vector<std::unique_ptr<const Names>> all_names_;
  std::vector<std::unique_ptr<label::Shares>> all_shares_;
  std::atomic<const Names*> clients_{nullptr};
  std::unique_ptr<LossMarkers> markers_;
  metrics::Histogram& delivery_seconds_;
  std::atomic<bool> loss_marker_;
  label::Policy policy_;
  std::atomic<label::Shares*> shares_{nullptr};
  admin::TailHub tail_;
  std::atomic<WallNanos> last_stored_{0};
  std::atomic<uint64_t> entries_stored_{0};  // by the first client
  std::atomic<uint64_t> bytes_stored_{0};
};

}  // namespace agent::app
