// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/net_thread.h"

#include <pthread.h>

#include <algorithm>

namespace agent::app {
namespace {

constexpr Duration kLongestWait = std::chrono::hours(1);

}  // namespace

void NetThread::Start() {
  thread_ = std::thread([this] { Run(); });
}

void NetThread::StopPushing(MonoTime deadline) {
  stop_deadline_.store(deadline.time_since_epoch().count(), std::memory_order_release);
  http_.Wakeup();
}

void NetThread::Join() {
  leave_.store(true, std::memory_order_release);
  http_.Wakeup();
  if (thread_.joinable()) thread_.join();
}

void NetThread::Run() {
  pthread_setname_np(pthread_self(), "net");
  bool stopped = false;
  while (!leave_.load(std::memory_order_acquire)) {
    const int64_t deadline = stop_deadline_.load(std::memory_order_acquire);
    if (deadline != 0 && !stopped) {
      stopped = true;
      pusher_.Stop(MonoTime(Duration(deadline)));
    }
    const MonoTime now = clock_.Now();
    pusher_.Tick(now, clock_.Wall());
    idle_.store(pusher_.Idle(), std::memory_order_release);
    const MonoTime next = pusher_.NextDeadline();
    const Duration wait = next == kNever ? kLongestWait : std::clamp<Duration>(next - now, Duration{}, kLongestWait);
    http_.Poll(wait);
  }
}

}  // namespace agent::app
