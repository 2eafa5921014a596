// SPDX-License-Identifier: Apache-2.0
// The live tail: lanes offer their records, watchers see those that their filters
// let through. It can lose lines and says how many, and it never slows a lane:
//   * without watchers an offer is one relaxed load (ask Wanted() first);
//   * a watcher looks at kExaminedPerDrain records between two drains at most, keeps
//     kKeptLines lines and kKeptBytes bytes at most, and skips the rest unseen;
//   * locks are held for the time of a pointer copy or a push.
// A watcher that is never drained therefore soon costs nothing.
// Ownership: whoever watches holds the Watcher; it forgets itself when the last pointer
// goes, before or after the hub. Thread-safe.
// Tested by: tests/admin/tail_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/core/mutex.h"
#include "agent/core/result.h"
#include "agent/model/label_set.h"
#include "agent/model/record.h"

namespace agent::admin {

struct TailFilter {
  LabelMap labels = {};   // each must be there with this value
  std::string ns = "";    // of the labels namespace and pod; empty: any
  std::string pod = "";
  std::string text = "";  // the line contains it, in any case of ASCII letters
  std::string grep = "";  // the line matches this regular expression (RE2)
};

struct TailLine {
  WallNanos time = 0;
  LabelMap labels;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string line;
  bool cut = false;  // it was longer than kLongestLine
};

class TailHub {
  struct State;

 public:
  static constexpr size_t kMostWatchers = 8;
  static constexpr size_t kLongestLine = 8 * 1024;
  static constexpr size_t kKeptLines = 500;
  static constexpr size_t kKeptBytes = 512 * 1024;
  static constexpr int64_t kExaminedPerDrain = 20'000;

  // One who watches. Drain hands over what has come since the last time and how many
  // lines were skipped, unseen or for want of room, and renews the allowance.
  class Watcher {
   public:
    ~Watcher();
    void Drain(std::vector<TailLine>& lines, uint64_t& skipped);

   private:
    friend class TailHub;
    struct Sieve;
    Watcher();
    void Offer(std::span<Record* const> records);
    void Keep(const Record& record);

    std::unique_ptr<const Sieve> sieve_;
    std::shared_ptr<State> state_;
    std::atomic<int64_t> allowance_{kExaminedPerDrain};
    std::atomic<uint64_t> skipped_{0};
    Mutex mutex_;
    std::vector<TailLine> kept_ AGENT_GUARDED_BY(mutex_);
    size_t kept_bytes_ AGENT_GUARDED_BY(mutex_) = 0;
  };

  TailHub();
  ~TailHub();
  TailHub(const TailHub&) = delete;
  TailHub& operator=(const TailHub&) = delete;

  // Any lane's thread.
  bool Wanted() const { return state_->count.load(std::memory_order_relaxed) > 0; }
  void Offer(std::span<Record* const> records);

  // Fails on a bad expression (kConfig), and if kMostWatchers are there (kLimit).
  Result<std::shared_ptr<Watcher>> Watch(const TailFilter& filter);

 private:
  using Watchers = std::vector<std::weak_ptr<Watcher>>;
  struct State {
    std::atomic<size_t> count{0};  // watchers alive
    Mutex mutex;
    std::shared_ptr<const Watchers> watchers AGENT_GUARDED_BY(mutex);
  };

  const std::shared_ptr<State> state_;
};

}  // namespace agent::admin
