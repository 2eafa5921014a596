// SPDX-License-Identifier: Apache-2.0
// The one memory budget of the process, in bytes. Who wants to keep bytes beyond a
// call takes a lease first; without a lease nothing is read, and the files wait.
// Thread-safe. Leases are counted, not granted in order.
#pragma once

#include <atomic>
#include <cstdint>

namespace agent {

class ByteBudget {
 public:
  explicit ByteBudget(uint64_t limit) : limit_(limit) {}

  // True if the bytes were free and are now taken.
  bool TryTake(uint64_t bytes) {
    uint64_t used = used_.load(std::memory_order_relaxed);
    while (used + bytes <= limit_) {
      if (used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  // Takes bytes that exist already, over the limit if need be (one long line, one batch).
  void Take(uint64_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void Give(uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  uint64_t limit() const { return limit_; }
  bool Exhausted() const { return used() >= limit_; }

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> used_{0};
};

}  // namespace agent
