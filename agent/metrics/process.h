// SPDX-License-Identifier: Apache-2.0
// The standard process_* metrics, read from /proc when somebody asks. Linux only; what
// cannot be read keeps its last value. Thread-compatible; borrows the registry.
#pragma once

#include <cstdint>

#include "agent/metrics/registry.h"

namespace agent::metrics {

class ProcessMetrics {
 public:
  explicit ProcessMetrics(Registry& registry);
  // Reads everything anew: a few small files and one directory.
  void Collect();

 private:
  Counter& cpu_seconds_;
  Gauge& resident_;
  Gauge& virtual_;
  Gauge& open_fds_;
  Gauge& max_fds_;
  Gauge& threads_;
  Gauge& start_time_;
};

uint64_t ResidentBytes();

}  // namespace agent::metrics
