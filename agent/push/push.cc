// SPDX-License-Identifier: Apache-2.0
#include "agent/push/push.h"

#include <utility>

#include "agent/core/mutex.h"
#include "agent/push/internal/delivery.h"

namespace agent::push {

struct Pusher::Impl {
  Impl(std::vector<ClientOptions> clients, http::Client& h, metrics::Registry& registry, DeliverySink& deliveries,
       uint64_t jitter_seed)
      : http(h), deliverer(std::move(clients), h, registry, deliveries, jitter_seed) {}

  std::vector<std::unique_ptr<PushBatch>> TakeInbox() {
    std::vector<std::unique_ptr<PushBatch>> taken;
    const MutexLock lock(mutex);
    taken.swap(inbox);
    return taken;
  }

  http::Client& http;
  mutable Mutex mutex;
  std::vector<std::unique_ptr<PushBatch>> inbox AGENT_GUARDED_BY(mutex);
  std::vector<ClientStatus> status AGENT_GUARDED_BY(mutex);
  Deliverer deliverer;  // the net thread's
};

Pusher::Pusher(std::vector<ClientOptions> clients, http::Client& http, metrics::Registry& registry,
               DeliverySink& deliveries, uint64_t jitter_seed)
    : impl_(std::make_unique<Impl>(std::move(clients), http, registry, deliveries, jitter_seed)) {
  const MutexLock lock(impl_->mutex);
  impl_->status = impl_->deliverer.Status();
}

Pusher::~Pusher() {
  impl_->deliverer.CancelAll();
  for (std::unique_ptr<PushBatch>& batch : impl_->TakeInbox()) impl_->deliverer.Add(std::move(batch));
}

void Pusher::Send(std::unique_ptr<PushBatch> batch) {
  {
    const MutexLock lock(impl_->mutex);
    impl_->inbox.push_back(std::move(batch));
  }
  impl_->http.Wakeup();
}

void Pusher::Tick(MonoTime now, WallNanos wall) {
  impl_->deliverer.Tick(now, wall);
  for (std::unique_ptr<PushBatch>& batch : impl_->TakeInbox()) impl_->deliverer.Add(std::move(batch));
  std::vector<ClientStatus> status = impl_->deliverer.Status();
  const MutexLock lock(impl_->mutex);
  impl_->status.swap(status);
}

MonoTime Pusher::NextDeadline() const {
  {
    const MutexLock lock(impl_->mutex);
    if (!impl_->inbox.empty()) return MonoTime{};  // at once
  }
  return impl_->deliverer.NextDeadline();
}

void Pusher::Stop(MonoTime deadline) { impl_->deliverer.Stop(deadline); }

bool Pusher::Idle() const {
  const MutexLock lock(impl_->mutex);
  return impl_->inbox.empty() && impl_->deliverer.Empty();
}

std::vector<ClientStatus> Pusher::Status() const {
  const MutexLock lock(impl_->mutex);
  return impl_->status;
}

}  // namespace agent::push
