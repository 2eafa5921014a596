// SPDX-License-Identifier: Apache-2.0
// The net thread: polls the HTTP client and drives the pusher.
#pragma once

#include <atomic>
#include <thread>

#include "agent/app/internal/pushers.h"
#include "agent/http/client.h"
#include "agent/platform/clock.h"

namespace agent::app {

class NetThread {
 public:
  NetThread(http::Client& http, Pushers& pusher, Clock& clock) : http_(http), pusher_(pusher), clock_(clock) {}

  void Start();
  // From any thread: finish or give back everything before `deadline`.
  void StopPushing(MonoTime deadline);
  bool pusher_idle() const { return idle_.load(std::memory_order_acquire); }
  void Join();

 private:
  void Run();

  http::Client& http_;
  Pushers& pusher_;
  Clock& clock_;
  std::atomic<int64_t> stop_deadline_{0};  // nanoseconds of MonoTime; 0: not asked
  std::atomic<bool> leave_{false};
  std::atomic<bool> idle_{true};
  std::thread thread_;
};

}  // namespace agent::app
