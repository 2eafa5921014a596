// SPDX-License-Identifier: Apache-2.0
// One thread with an event loop (Boost.Asio): posted calls, timers, readable
// descriptors. app/ makes one for io and one for each lane and hangs the drivable
// parts on them: Tick(now) at NextDeadline().
//
// Ownership: whatever posted calls, timers and watches capture must outlive Join; after
// Join nothing of it runs any more. Timers and Watches may be destroyed on the loop's
// thread, or on any thread after Join.
// Threads: Post, Stop and the loop's construction are thread-safe; Timer and Watch are
// bound to the loop's thread (construct and use them there, or before Start).
// Cost: idle costs nothing. A Post from another thread is one lock and one eventfd write.
// Failure: an exception that leaves a handler stops the program (a broken invariant).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/core/time.h"

namespace agent::runtime {

class Loop {
 public:
  explicit Loop(std::string thread_name);  // at most 15 characters are shown by the system
  // Stops and joins.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Starts the thread. Calls posted before run first, in order.
  void Start();
  // Runs on the loop's thread, in order of posting. After Stop: never, silently.
  void Post(std::move_only_function<void()> call);
  // The handler that runs now is the last one; does not wait.
  void Stop();
  // Waits until the thread has ended. Not from the loop's own thread.
  void Join();
  bool OnLoop() const;  // is the caller on the loop's thread?

 private:
  friend class Timer;
  friend class Watch;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Calls back at a deadline, which may be moved at any time. Rearming to the same
// deadline costs a compare; rearming never calls back twice.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> call);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void At(MonoTime deadline);  // kNever: not at all
  MonoTime deadline() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Calls back whenever a descriptor is readable, until destroyed. Does not own it.
class Watch {
 public:
  Watch(Loop& loop, int descriptor, std::function<void()> readable);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace agent::runtime
