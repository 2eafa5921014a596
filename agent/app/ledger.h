// SPDX-License-Identifier: Apache-2.0
// The loss ledger: whatever is not delivered, with its reason, in lines and bytes, in
// all and per pod (the worst kTopPods; the rest is one sum). Thread-safe.
// A log line per minute per pod at most says what was lost.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/mutex.h"
#include "agent/core/time.h"
#include "agent/metrics/registry.h"
#include "agent/model/label_set.h"

namespace agent::app {

class Ledger {
 public:
  static constexpr size_t kTopPods = 200;
  static constexpr Duration kLogEvery = std::chrono::minutes(1);

  struct Sum {
    uint64_t lines = 0;
    uint64_t bytes = 0;
  };
  struct Row {
    std::string pod;  // "namespace/pod", a path, or "other"
    std::string reason;
    Sum sum;
    std::string detail;     // the last one
    WallNanos last = 0;
    bool intended = false;
  };

  explicit Ledger(metrics::Registry& registry);

  // `intended`: a stage or limit of the configuration wanted it; counted, not logged.
  void Lose(std::string_view pod, std::string_view reason, uint64_t lines, uint64_t bytes, std::string_view detail,
            bool intended, MonoTime now, WallNanos wall);

  std::vector<Row> Rows() const;
  // Unintended losses in all.
  Sum Lost() const;

 private:
  struct Entry {
    Row row;
    MonoTime logged{};
    Sum unlogged;
  };
  void Count(std::string_view reason, uint64_t lines, uint64_t bytes, bool intended);

  using Key = std::pair<std::string, std::string>;  // pod, reason

  metrics::Registry& registry_;
  mutable Mutex mutex_;
  std::map<Key, Entry> entries_ AGENT_GUARDED_BY(mutex_);
  Sum lost_ AGENT_GUARDED_BY(mutex_);
};

// "namespace/pod" of a label set, else its filename, else its text.
std::string PodOf(const LabelMap& labels);

}  // namespace agent::app
