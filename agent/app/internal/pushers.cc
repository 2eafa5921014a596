// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/pushers.h"

#include <algorithm>

#include "agent/core/log.h"

namespace agent::app {
Pushers::Pushers(std::vector<push::ClientOptions> clients, http::Client& http, metrics::Registry& registry,
                 DeliverySink& lanes, uint64_t jitter_seed)
    : http_(http), registry_(registry), lanes_(lanes), jitter_seed_(jitter_seed) {
  MutexLock lock(mutex_);
  keys_[0] = KeysOf(clients);
  pusher_ = std::make_shared<push::Pusher>(std::move(clients), http, registry, *this, jitter_seed_);
}

uint32_t Pushers::Use(std::vector<push::ClientOptions> clients) {
  uint32_t number = 0;
  {
    MutexLock lock(mutex_);
    number = keys_.rbegin()->first + 1;
    keys_[number] = KeysOf(clients);
    next_ = std::move(clients);
  }
  http_.Wakeup();
  return number;
}

bool Pushers::Address(PushBatch& batch) const {
  const uint32_t index = ClientRef::IndexOf(batch.client);
  const uint32_t configuration = ClientRef::ConfigurationOf(batch.client);
  const std::vector<ClientKey>& of_batch = keys_.at(configuration);
  if (index >= of_batch.size()) return false;
  batch.client = index;
  if (configuration == current_) return true;
  const std::optional<uint32_t> found = Successors(of_batch, keys_.at(current_))[index];
  if (!found) return false;
  batch.client = *found;
  return true;
}

void Pushers::Send(std::unique_ptr<PushBatch> batch) {
  {
    // Held while the pusher takes it: it must not be given to one that is leaving.
    MutexLock lock(mutex_);
    if (next_) {
      waiting_.push_back(std::move(batch));
      return;
    }
    if (Address(*batch)) {
      pusher_->Send(std::move(batch));
      return;
    }
  }
  lanes_.Settled(GivenBack(std::move(batch), false));
}

Delivery Pushers::GivenBack(std::unique_ptr<PushBatch> batch, bool cancelled) {
  Delivery delivery;
  delivery.cancelled = cancelled;
  if (!cancelled) {
    const Refusal whole{.reason = "client_removed",
                        .stream = {},
                        .detail = "its client was taken out of the configuration before it took them",
                        .entries = batch->entries,
                        .bytes = batch->line_bytes};
    delivery.refused = push::RefuseEachStream({batch->body.data.get(), batch->body.size}, whole);
  }
  delivery.batch = std::move(batch);
  return delivery;
}

void Pushers::Settled(Delivery delivery) {
  const std::pair key(delivery.batch->lane, delivery.batch->id);
  if (delivery.cancelled && leaving_ && !stopping_) {
    // What was refused of it is told when the rest is settled.
    if (!delivery.refused.empty()) owed_[key] = std::move(delivery.refused);
    returned_.push_back(std::move(delivery.batch));
    return;
  }
  if (const auto owed = owed_.find(key); owed != owed_.end()) {
    for (Refusal& refusal : owed->second) delivery.refused.push_back(std::move(refusal));
    owed_.erase(owed);
  }
  lanes_.Settled(std::move(delivery));
}

void Pushers::Tick(MonoTime now, WallNanos wall) {
  std::shared_ptr<push::Pusher> pusher;
  bool leave = false;
  {
    MutexLock lock(mutex_);
    pusher = pusher_;
    leave = next_.has_value();
  }
  if (leave && !leaving_ && !stopping_) {
    leaving_ = true;
    pusher->Stop(now + kSwitchGrace);
  }
  pusher->Tick(now, wall);
  if (leaving_ && !stopping_ && pusher->Idle()) {
    pusher.reset();
    TakeOver();
  }
}

void Pushers::TakeOver() {
  std::vector<std::unique_ptr<PushBatch>> gone;
  std::vector<std::unique_ptr<PushBatch>> batches;
  std::shared_ptr<push::Pusher> old;
  std::shared_ptr<push::Pusher> fresh;
  {
    MutexLock lock(mutex_);
    const uint32_t before = current_;
    const uint32_t number = keys_.rbegin()->first;
    current_ = number;
    for (auto& batch : returned_) batch->client = ClientRef::Make(before, batch->client);
    batches = std::exchange(returned_, {});
    for (auto& batch : waiting_) batches.push_back(std::move(batch));
    waiting_.clear();
    std::vector<std::unique_ptr<PushBatch>> kept;
    for (auto& batch : batches) {
      const bool addressed = Address(*batch);
      (addressed ? kept : gone).push_back(std::move(batch));
    }
    batches = std::move(kept);
    fresh = std::make_shared<push::Pusher>(std::move(*next_), http_, registry_, *this, ++jitter_seed_);
    next_.reset();
    old = std::exchange(pusher_, fresh);
    leaving_ = false;
    // While the lock is held nobody can send anything newer.
    std::sort(batches.begin(), batches.end(), [](const auto& a, const auto& b) {
      return std::pair(a->lane, a->id) < std::pair(b->lane, b->id);
    });
    for (auto& batch : batches) fresh->Send(std::move(batch));
  }
  for (auto& batch : gone) Settled(GivenBack(std::move(batch), false));
  LogInfo("the changed clients are in use", {{"batches_taken_over", batches.size()}});
}

MonoTime Pushers::NextDeadline() const {
  MutexLock lock(mutex_);
  return next_ && !leaving_ && !stopping_ ? MonoTime{} : pusher_->NextDeadline();
}

void Pushers::Stop(MonoTime deadline) {
  stopping_ = true;
  std::shared_ptr<push::Pusher> pusher;
  std::vector<std::unique_ptr<PushBatch>> left = std::exchange(returned_, {});
  {
    MutexLock lock(mutex_);
    for (auto& batch : waiting_) left.push_back(std::move(batch));
    waiting_.clear();
    if (next_) {
      // Too late for the new clients; what the lanes still send goes to the old ones.
      next_.reset();
    }
    pusher = pusher_;
  }
  pusher->Stop(deadline);
  for (auto& batch : left) Settled(GivenBack(std::move(batch), true));
}

bool Pushers::Idle() const {
  MutexLock lock(mutex_);
  return pusher_->Idle() && waiting_.empty();
}

std::vector<push::ClientStatus> Pushers::Status() const {
  std::shared_ptr<push::Pusher> pusher;
  {
    MutexLock lock(mutex_);
    pusher = pusher_;
  }
  return pusher->Status();
}

}  // namespace agent::app
