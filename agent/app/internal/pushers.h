// SPDX-License-Identifier: Apache-2.0
// The pusher in use, and how another one takes over when the clients of the
// configuration change: the old one has kSwitchGrace to deliver what it has; batches that
// come meanwhile wait; what it could not deliver goes to its client's successor
// (successors.h), before them, so that no stream is reordered. Batches of a
// client that is gone are given back as refused, reason "client_removed".
//
// A request that was in flight when the grace ended is sent again, with the same bytes.
// Batches name their client by ClientRef: index and configuration, because lanes take
// over a configuration at their own pace.
// Threads: Send, Use and Status: any. The rest: the net thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/app/internal/successors.h"
#include "agent/core/mutex.h"
#include "agent/http/client.h"
#include "agent/metrics/registry.h"
#include "agent/model/push_batch.h"
#include "agent/push/push.h"

namespace agent::app {

// What lanes put into PushBatch::client.
struct ClientRef {
  static constexpr uint32_t kIndexBits = 8;
  static constexpr uint32_t kMostClients = 1u << kIndexBits;

  static uint32_t Make(uint32_t configuration, uint32_t index) { return (configuration << kIndexBits) | index; }
  static uint32_t IndexOf(uint32_t client) { return client & (kMostClients - 1); }
  static uint32_t ConfigurationOf(uint32_t client) { return client >> kIndexBits; }
};

class Pushers final : public PushSink, public DeliverySink {
 public:
  static constexpr Duration kSwitchGrace = std::chrono::seconds(5);

  // `clients` are those of configuration 0. Borrows the rest.
  Pushers(std::vector<push::ClientOptions> clients, http::Client& http, metrics::Registry& registry,
          DeliverySink& lanes, uint64_t jitter_seed);

  // Other clients from now on; the number of their configuration.
  uint32_t Use(std::vector<push::ClientOptions> clients);

  void Send(std::unique_ptr<PushBatch> batch) override;
  void Settled(Delivery delivery) override;  // from the pusher
  void Tick(MonoTime now, WallNanos wall);
  MonoTime NextDeadline() const;
  void Stop(MonoTime deadline);
  bool Idle() const;
  std::vector<push::ClientStatus> Status() const;

 private:
  void TakeOver();
  // True if the batch has a client; sets its index.
  bool Address(PushBatch& batch) const AGENT_REQUIRES(mutex_);
  static Delivery GivenBack(std::unique_ptr<PushBatch> batch, bool cancelled);

  http::Client& http_;
  metrics::Registry& registry_;
  DeliverySink& lanes_;
  uint64_t jitter_seed_;

  mutable Mutex mutex_;
  std::shared_ptr<push::Pusher> pusher_ AGENT_GUARDED_BY(mutex_);
  std::map<uint32_t, std::vector<ClientKey>> keys_ AGENT_GUARDED_BY(mutex_);  // by configuration
  uint32_t current_ AGENT_GUARDED_BY(mutex_) = 0;                             // that of pusher_
  std::optional<std::vector<push::ClientOptions>> next_ AGENT_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<PushBatch>> waiting_ AGENT_GUARDED_BY(mutex_);  // sent while switching
  // -- net thread --
  std::vector<std::unique_ptr<PushBatch>> returned_;  // by the old pusher
  std::map<std::pair<uint32_t, BatchId>, std::vector<Refusal>> owed_;  // by lane and batch
  bool leaving_ = false;    // the old pusher has been told to stop
  bool stopping_ = false;
};

}  // namespace agent::app
