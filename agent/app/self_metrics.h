// SPDX-License-Identifier: Apache-2.0
// The agent's metrics that nobody counts as things happen: mirrors of the lanes'
// counters, what files and budgets look like now, the process. Set before each scrape.
// Names and meanings: docs/METRICS.md; tests/e2e/test_metrics_table.py compares.
// Threads: io thread only (Collect, as the registry's collector). Borrows everything.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/app/internal/lane_thread.h"
#include "agent/app/tallies.h"
#include "agent/core/budget.h"
#include "agent/metrics/process.h"
#include "agent/metrics/registry.h"
#include "agent/platform/clock.h"
#include "agent/source/positions.h"
#include "agent/source/tailer.h"

namespace agent::app {

struct SelfMetricsParts {
  metrics::Registry& registry;
  source::Tailer& tailer;
  source::Positions& positions;
  Tallies& tallies;
  LagClock& lag;
  ByteBudget& budget;
  std::vector<std::unique_ptr<LaneThread>>& lanes;
  Clock& clock;
  // The longest turn of the io thread since it was asked last, in seconds.
  std::function<double()> longest_io_turn;
  bool per_path = false;  // server.per_path_metrics
};

class SelfMetrics {
 public:
  explicit SelfMetrics(SelfMetricsParts parts);
  ~SelfMetrics();
  SelfMetrics(const SelfMetrics&) = delete;
  SelfMetrics& operator=(const SelfMetrics&) = delete;

  void set_per_path(bool on) { parts_.per_path = on; }

 private:
  static constexpr size_t kMostUnreadable = 20;  // series of files that cannot be read

  struct Mirror {
    metrics::Counter* counter;
    std::atomic<uint64_t> flow::LaneStats::*source;
    uint64_t shown = 0;
  };
  void Collect();
  void CollectLanes();
  void CollectLogs();
  void CollectFiles();
  void CollectPaths(const std::vector<source::FileView>& files);
  void CollectGroups(const std::vector<source::FileView>& files);
  void Show(const std::string& path, double size, const double* read, const double* lines);

  SelfMetricsParts parts_;
  metrics::ProcessMetrics process_;
  std::vector<Mirror> mirrors_;
  metrics::Gauge& budget_used_;
  metrics::Gauge& budget_limit_;
  metrics::Gauge& label_sets_;
  metrics::Gauge& lane_turn_;
  metrics::Gauge& io_turn_;
  metrics::Gauge& positions_age_;
  metrics::Gauge& lag_bytes_;
  metrics::Gauge& lag_seconds_;
  metrics::Gauge& silenced_pods_;
  std::set<std::string> shown_;   // paths with series
  std::set<std::string> wanted_;  // of this scrape
  std::shared_ptr<void> collector_;
};

}  // namespace agent::app
