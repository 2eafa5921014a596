// SPDX-License-Identifier: Apache-2.0
// A lane on a thread of its own: pumps RunOnce while there is work, sleeps until the
// lane's deadline or a post otherwise. Made and stopped by app/ only.
#pragma once

#include <atomic>
#include <memory>

#include "agent/flow/lane.h"
#include "agent/platform/clock.h"
#include "agent/runtime/loop.h"

namespace agent::app {

class LaneThread {
 public:
  LaneThread(flow::LaneOptions options, ByteBudget& budget, PushSink& push, flow::Observer& observer, Clock& clock);

  void Start() { loop_.Start(); }
  void Join();
  flow::Lane& lane() { return *lane_; }
  // Nothing to read, nothing open, nothing in flight, as of the last pump.
  bool idle() const { return idle_.load(std::memory_order_acquire); }
  // The longest pump of late, in seconds (loop latency).
  double TakeLongestPump() { return longest_ns_.exchange(0, std::memory_order_relaxed) / 1e9; }

 private:
  void Wake();
  void Pump();
  void RestWhenQuiet(bool quiet, MonoTime now);

  Clock& clock_;
  runtime::Loop loop_;
  std::atomic<bool> scheduled_{false};  // a Pump is posted and has not begun
  std::atomic<bool> idle_{false};
  std::atomic<double> longest_ns_{0};
  MonoTime rest_at_ = kNever;  // when it will have been quiet for long enough
  bool rested_ = true;         // since the last work
  std::unique_ptr<flow::Lane> lane_;
  std::unique_ptr<runtime::Timer> timer_;
};

}  // namespace agent::app
