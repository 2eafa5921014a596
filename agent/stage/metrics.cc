// SPDX-License-Identifier: Apache-2.0
// `metrics`: counters, gauges and histograms of a pipeline's own, from extracted
// values, one series for each set of labels (without those that begin with `__`).
//
//   metrics:
//     http_seconds: {type: Histogram, source: seconds, config: {buckets: [.1, 1, 10]}}
//
// The series belong to the plan and are shared by lanes under one mutex, taken once a
// batch; a lane remembers which series a label set means. A series that nothing has
// happened to for max_idle_duration goes after the scrape that shows it, and all of
// them go with the plan. Several stages may use one name: they share its series.
// A value that is no number, or is negative for a counter, is counted and skipped.
#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/core/mutex.h"
#include "agent/platform/clock.h"
#include "agent/stage/fields.h"
#include "agent/stage/internal/metric_options.h"
#include "agent/stage/internal/options.h"
#include "agent/stage/stage.h"

namespace agent::stage {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

struct Series {
  metrics::Counter* counter = nullptr;
  metrics::Gauge* gauge = nullptr;
  metrics::Histogram* histogram = nullptr;
  int64_t last_change = 0;  // seconds of the wall clock
};

// One metric of the stage, and its series.
struct Metric {
  MetricOptions options;
  Symbol source = 0;
  std::map<metrics::Labels, Series> series;
};

struct MetricsPlan : StagePlan {
  MetricsPlan(const SymbolTable& symbols, metrics::Registry& r) : fields(symbols), registry(r) {
    after_scrape = registry.AddAfterScrape([this] { ForgetIdle(SystemClock().Wall() / kSecond); });
  }
  ~MetricsPlan() override {
    after_scrape.reset();  // waits for a scrape that is under way
    MutexLock lock(mutex);
    for (Metric& metric : all) {
      for (const auto& [labels, series] : metric.series) registry.Release(metric.options.name, labels);
    }
  }
  std::unique_ptr<Stage> NewLane() const override;
  Series& Find(Metric& metric, const LabelSet* labels) const AGENT_REQUIRES(mutex);
  void ForgetIdle(int64_t now_seconds) AGENT_EXCLUDES(mutex);

  FieldAccess fields;
  metrics::Registry& registry;
  metrics::Counter* failures = nullptr;
  mutable Mutex mutex;
  mutable std::vector<Metric> all AGENT_GUARDED_BY(mutex);
  uint64_t removals AGENT_GUARDED_BY(mutex) = 0;  // rises when series have gone
  std::shared_ptr<void> after_scrape;
};

Series& MetricsPlan::Find(Metric& metric, const LabelSet* set) const {
  metrics::Labels labels;
  for (const auto& [name, value] : set->pairs()) {
    if (!name.starts_with("__") && IsLabelName(name)) labels.emplace(name, value);
  }
  const auto [at, fresh] = metric.series.try_emplace(std::move(labels));
  Series& series = at->second;
  if (!fresh) return series;
  const MetricOptions& options = metric.options;
  switch (options.type) {
    case MetricType::kCounter:
      series.counter = &registry.AcquireCounter(options.name, options.description, at->first);
      break;
    case MetricType::kGauge:
      series.gauge = &registry.AcquireGauge(options.name, options.description, at->first);
      break;
    case MetricType::kHistogram:
      series.histogram = &registry.AcquireHistogram(options.name, options.description, at->first, options.buckets);
      break;
  }
  return series;
}

void MetricsPlan::ForgetIdle(int64_t now_seconds) {
  MutexLock lock(mutex);
  for (Metric& metric : all) {
    removals += std::erase_if(metric.series, [&](const auto& entry) {
      if (now_seconds - entry.second.last_change < metric.options.max_idle_seconds) return false;
      registry.Release(metric.options.name, entry.first);
      return true;
    });
  }
}

class MetricsStage : public Stage {
 public:
  explicit MetricsStage(const MetricsPlan& plan) : plan_(plan) {}

  void Process(std::vector<Record*>& records, StageContext& context) override {
    MutexLock lock(plan_.mutex);
    if (known_.size() != plan_.all.size() || seen_removals_ != plan_.removals) {
      known_.assign(plan_.all.size(), {});
      seen_removals_ = plan_.removals;
    }
    for (const Record* record : records) {
      for (size_t i = 0; i < plan_.all.size(); ++i) Update(i, *record, context);
    }
  }
  void ForgetLabels() override { known_.clear(); }

 private:
  // What the metric is told, if anything.
  bool Amount(const Metric& metric, const Record& record, StageContext& context, double& amount) const;
  void Update(size_t index, const Record& record, StageContext& context) AGENT_REQUIRES(plan_.mutex);
  bool Change(const MetricOptions& options, Series& series, double amount) const;

  const MetricsPlan& plan_;
  std::vector<std::unordered_map<const LabelSet*, Series*>> known_;  // by metric
  uint64_t seen_removals_ = 0;
};

std::unique_ptr<Stage> MetricsPlan::NewLane() const { return std::make_unique<MetricsStage>(*this); }

bool MetricsStage::Amount(const Metric& metric, const Record& record, StageContext& context, double& amount) const {
  const MetricOptions& options = metric.options;
  amount = 1;
  if (options.match_all) {
    if (options.count_bytes) amount = static_cast<double>(record.line.size());
    return options.count_bytes || options.action == MetricAction::kInc;
  }
  const Value value = plan_.fields.Get(record, metric.source);
  if (!value.present()) return false;
  if (options.value) {
    std::string_view text;
    if (!ToText(value, context.arena, text) || text != *options.value) return false;
  }
  const bool needs_number = options.action != MetricAction::kInc && options.action != MetricAction::kDec;
  if (!needs_number || ToFloat(value, amount)) return true;
  plan_.failures->Add(1);
  return false;
}

bool MetricsStage::Change(const MetricOptions& options, Series& series, double amount) const {
  switch (options.action) {
    case MetricAction::kObserve: series.histogram->Observe(amount); return true;
    case MetricAction::kSet: series.gauge->Set(amount); return true;
    case MetricAction::kDec:
    case MetricAction::kSub: series.gauge->Add(-amount); return true;
    case MetricAction::kInc:
    case MetricAction::kAdd: break;
  }
  if (series.gauge != nullptr) {
    series.gauge->Add(amount);
  } else if (amount < 0) {
    return false;  // a counter never falls
  } else {
    series.counter->Add(amount);
  }
  return true;
}

void MetricsStage::Update(size_t index, const Record& record, StageContext& context) {
  Metric& metric = plan_.all[index];
  double amount = 0;
  if (!Amount(metric, record, context, amount)) return;
  Series*& series = known_[index][record.labels];
  if (series == nullptr) series = &plan_.Find(metric, record.labels);
  if (!Change(metric.options, *series, amount)) plan_.failures->Add(1);
  series->last_change = context.wall / kSecond;
}

std::unique_ptr<StagePlan> BuildMetrics(const config::Node& options, BuildContext& context) {
  if (!options.is_map() && !options.is_null()) {
    context.diagnostics.AddError(options.place, context.path,
                                 "a map of metric name to its type, source and config is needed here");
    return nullptr;
  }
  auto plan = std::make_unique<MetricsPlan>(context.symbols, context.metrics);
  plan->failures = context.FailureCounter("metrics");
  MutexLock lock(plan->mutex);
  for (const auto& [name, member] : options.members) {
    Metric metric;
    std::string source = name.scalar;
    ReadMetricOptions(name.scalar, member, context, metric.options, source);
    metric.source = context.symbols.Intern(source);
    plan->all.push_back(std::move(metric));
  }
  return plan;
}

}  // namespace

const StageSpec kStage_metrics{"metrics", "", BuildMetrics};

}  // namespace agent::stage
