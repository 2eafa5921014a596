// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/lane_thread.h"

#include <algorithm>
#include <string>

#include "agent/platform/memory.h"

namespace agent::app {
namespace {

// After this many turns the loop gets to see posts and timers again.
constexpr int kTurnsPerPump = 16;
// A node that is quiet for so long gets the memory of the last batches back.
constexpr Duration kRestAfter = std::chrono::seconds(5);

}  // namespace

LaneThread::LaneThread(flow::LaneOptions options, ByteBudget& budget, PushSink& push, flow::Observer& observer,
                       Clock& clock)
    : clock_(clock), loop_("lane-" + std::to_string(options.index)) {
  lane_ = std::make_unique<flow::Lane>(std::move(options), budget, push, observer, [this] { Wake(); });
  timer_ = std::make_unique<runtime::Timer>(loop_, [this] { Pump(); });
}

void LaneThread::Wake() {
  if (!scheduled_.exchange(true, std::memory_order_acq_rel)) loop_.Post([this] { Pump(); });
}

void LaneThread::Pump() {
  // Before the inbox is taken: a post from here on schedules another pump.
  scheduled_.store(false, std::memory_order_release);
  const MonoTime began = clock_.Now();
  MonoTime now = began;
  bool more = true;
  for (int turn = 0; turn < kTurnsPerPump && more; ++turn) {
    more = lane_->RunOnce(now, clock_.Wall());
    now = clock_.Now();
  }
  const bool idle = !more && lane_->Idle();
  idle_.store(idle, std::memory_order_release);
  RestWhenQuiet(idle, now);
  const auto took = static_cast<double>((now - began).count());
  longest_ns_.store(std::max(longest_ns_.load(std::memory_order_relaxed), took), std::memory_order_relaxed);
  if (more) {
    Wake();
  } else {
    timer_->At(std::min(lane_->NextDeadline(), rest_at_));
  }
}

void LaneThread::RestWhenQuiet(bool quiet, MonoTime now) {
  if (!quiet) {
    rested_ = false;
    rest_at_ = kNever;
  } else if (!rested_ && rest_at_ == kNever) {
    rest_at_ = now + kRestAfter;
  } else if (now >= rest_at_) {
    rested_ = true;
    rest_at_ = kNever;
    lane_->Rest();
    platform::ReturnFreeMemory();
  }
}

void LaneThread::Join() {
  loop_.Stop();
  loop_.Join();
}

}  // namespace agent::app
