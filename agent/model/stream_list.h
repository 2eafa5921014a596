// SPDX-License-Identifier: Apache-2.0
// The streams that the files of one pod have fed within the last hour, for people who
// ask. A batcher says so when a stream is opened in a batch: nothing is done per record.
//
// Ownership: a StreamUse is shared by the batchers that fill the stream and by the lists
// of the pods that feed it. Threads: thread-safe; the numbers are relaxed.
// Limits: kMostNamed streams have a name and numbers, kMostCounted more are counted; the
// rest is not known. 40 bytes for each, and the text of those that are named.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/core/mutex.h"
#include "agent/core/time.h"

namespace agent {

struct StreamUse {
  explicit StreamUse(std::string text);
  const std::string labels;  // as FormatLabels
  const uint64_t hash;
  std::atomic<uint64_t> lines{0};
  std::atomic<uint64_t> bytes{0};  // of its entries, before compression
};

class StreamList {
 public:
  static constexpr size_t kMostNamed = 50;
  static constexpr size_t kMostCounted = 1000;
  static constexpr Duration kWindow = std::chrono::hours(1);

  // The pod has fed the stream. Returns the use to count in from now on: that of a stream
  // with the same labels, if the list has one.
  std::shared_ptr<StreamUse> Join(std::shared_ptr<StreamUse> use, MonoTime now);

  struct Row {
    std::shared_ptr<const StreamUse> use;
    MonoTime last{};
  };
  // Those within the window; `others`: how many more there are.
  std::vector<Row> Named(MonoTime now, uint64_t& others) const;
  uint64_t Count(MonoTime now) const;

 private:
  struct Entry {
    uint64_t hash;
    MonoTime last;
    std::shared_ptr<StreamUse> use;  // null: only counted
  };
  void Sweep(MonoTime now) AGENT_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::vector<Entry> entries_ AGENT_GUARDED_BY(mutex_);  // by hash
  size_t named_ AGENT_GUARDED_BY(mutex_) = 0;
  MonoTime next_sweep_ AGENT_GUARDED_BY(mutex_){};
};

}  // namespace agent
