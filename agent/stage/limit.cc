// SPDX-License-Identifier: Apache-2.0
// `limit`: a token bucket, one token a line. With `drop: true` lines beyond it are
// dropped and counted; with `by_label_name` there is a bucket for each value of that
// label. Without `drop` nothing is lost: what has no token is kept back (with its
// receipts), sent when there is one, and meanwhile the lane reads no more for this
// pipeline.
//
//   limit: {rate: 100, burst: 1000, drop: true, by_label_name: app}
//
// The buckets belong to the stage, not to a lane: all lanes share them, under a mutex
// that is taken once a batch. Memory: two generations of at most max_distinct_labels
// buckets; without `drop`, at most the lines of the batches that were cut already.
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/core/mutex.h"
#include "agent/stage/held_record.h"
#include "agent/stage/internal/token_bucket.h"
#include "agent/stage/stage.h"

namespace agent::stage {
namespace {

constexpr int64_t kLeastDistinctLabels = 10'000;
// Kept lines are sent in handfuls, so that a high rate does not wake the lane per line.
constexpr Duration kHandful = std::chrono::milliseconds(10);

// Buckets by label value, the unused ones forgotten: when the young generation is
// full it becomes the old one, and whoever is not asked for again goes with that.
class BucketMap {
 public:
  BucketMap(double rate, double burst, size_t most) : rate_(rate), burst_(burst), most_(most) {}

  // `aged` is set when a generation has ended.
  TokenBucket& Get(const std::string& value, bool& aged) {
    if (const auto young = young_.find(value); young != young_.end()) return *young->second;
    const auto old = old_.find(value);
    auto bucket = old != old_.end() ? old->second : std::make_shared<TokenBucket>(rate_, burst_);
    young_.emplace(value, bucket);
    if (young_.size() >= most_) {
      old_ = std::move(young_);
      young_.clear();
      aged = true;
    }
    return *bucket;
  }

 private:
  using Generation = std::unordered_map<std::string, std::shared_ptr<TokenBucket>>;
  double rate_;
  double burst_;
  size_t most_;
  Generation young_;
  Generation old_;
};

struct LimitPlan : StagePlan {
  LimitPlan(metrics::Registry& r, double rate, double burst, size_t most)
      : registry(r), bucket(rate, burst), by_value(rate, burst, most) {}
  std::unique_ptr<Stage> NewLane() const override;
  void CountByLabel(const std::string& value) const AGENT_REQUIRES(mutex);
  void ForgetCounts() const AGENT_REQUIRES(mutex);

  metrics::Registry& registry;
  bool drop = false;
  std::string label;  // by_label_name
  DropReason* reason = nullptr;

  mutable Mutex mutex;
  mutable TokenBucket bucket AGENT_GUARDED_BY(mutex);
  mutable BucketMap by_value AGENT_GUARDED_BY(mutex);
  mutable std::unordered_map<std::string, metrics::Counter*> counters AGENT_GUARDED_BY(mutex);
};

constexpr const char* kByLabelMetric = "logentry_dropped_lines_by_label_total";

void LimitPlan::CountByLabel(const std::string& value) const {
  metrics::Counter*& counter = counters[value];
  if (counter == nullptr) {
    counter = &registry.GetCounter(kByLabelMetric, "Lines that a limit stage dropped, by the value of its label.",
                                   {{"label_name", label}, {"label_value", value}});
  }
  counter->Add(1);
}

void LimitPlan::ForgetCounts() const {
  for (const auto& [value, counter] : counters) {
    registry.Remove(kByLabelMetric, {{"label_name", label}, {"label_value", value}});
  }
  counters.clear();
}

// -- with `drop` --

class DroppingLane : public Stage {
 public:
  explicit DroppingLane(const LimitPlan& plan) : plan_(plan) {}

  void Process(std::vector<Record*>& records, StageContext& context) override {
    MutexLock lock(plan_.mutex);
    size_t kept = 0;
    for (Record* record : records) {
      if (Passes(*record, context.now)) {
        records[kept++] = record;
      } else {
        context.Drop(*record, *plan_.reason);
      }
    }
    records.resize(kept);
  }

 private:
  bool Passes(const Record& record, MonoTime now) AGENT_REQUIRES(plan_.mutex) {
    if (plan_.label.empty()) return plan_.bucket.Take(now);
    const std::string* value = record.labels == nullptr ? nullptr : record.labels->Find(plan_.label);
    if (value == nullptr) return true;
    bool aged = false;
    const bool passes = plan_.by_value.Get(*value, aged).Take(now);
    if (aged) plan_.ForgetCounts();
    if (!passes) plan_.CountByLabel(*value);
    return passes;
  }

  const LimitPlan& plan_;
};

// -- without --

class WaitingLane : public Stage {
 public:
  explicit WaitingLane(const LimitPlan& plan) : plan_(plan) {}

  void Process(std::vector<Record*>& records, StageContext& context) override {
    MutexLock lock(plan_.mutex);
    size_t kept = 0;
    for (Record* record : records) {
      if (waiting_.empty() && plan_.bucket.Take(context.now)) {
        records[kept++] = record;
      } else {
        KeepBack(*record);
      }
    }
    records.resize(kept);
    Schedule(context);
  }

  MonoTime NextDeadline() const override { return deadline_; }

  void Flush(std::vector<Record*>& records, StageContext& context, bool all) override {
    if (waiting_.empty()) return;
    MutexLock lock(plan_.mutex);
    while (!waiting_.empty() && (plan_.bucket.Take(context.now) || all)) {
      records.push_back(waiting_.front().Emit(context.arena));
      spare_.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    Schedule(context);
  }

  size_t Held() const override { return waiting_.size(); }

 private:
  void KeepBack(const Record& record) {
    if (spare_.empty()) spare_.emplace_back();
    waiting_.push_back(std::move(spare_.back()));
    spare_.pop_back();
    waiting_.back().Keep(record);
  }

  void Schedule(StageContext& context) AGENT_REQUIRES(plan_.mutex) {
    deadline_ = kNever;
    if (waiting_.empty()) return;
    deadline_ = std::max(plan_.bucket.When(1, context.now), context.now + kHandful);
    const MonoTime done = plan_.bucket.When(static_cast<double>(waiting_.size()), context.now);
    context.pause_until = std::max(context.pause_until, done);
  }

  const LimitPlan& plan_;
  std::deque<HeldRecord> waiting_;  // in order
  std::vector<HeldRecord> spare_;   // emptied, with their memory
  MonoTime deadline_ = kNever;
};

std::unique_ptr<Stage> LimitPlan::NewLane() const {
  if (drop) return std::make_unique<DroppingLane>(*this);
  return std::make_unique<WaitingLane>(*this);
}

std::unique_ptr<StagePlan> BuildLimit(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kWeakStage);
  double rate = 0;
  int64_t burst = 0;
  int64_t most = 0;
  bool drop = false;
  std::string label;
  reader.Double("rate", rate);
  reader.Int("burst", burst);
  reader.Bool("drop", drop);
  reader.String("by_label_name", label);
  reader.Int("max_distinct_labels", most);
  if (!(rate > 0)) reader.Error("rate", "a limit needs a rate above 0 (lines a second)");
  if (burst <= 0) reader.Error("burst", "a limit needs a burst above 0 (lines at once)");
  if (!label.empty() && !drop) reader.Error("by_label_name", "a limit by label must drop; add `drop: true`");
  if (!label.empty() && most < kLeastDistinctLabels) {
    if (most != 0) {
      reader.Warning("max_distinct_labels", "it is raised to " + std::to_string(kLeastDistinctLabels) + ", the least");
    }
    most = kLeastDistinctLabels;
  }
  reader.Finish();
  // Who waits is served in handfuls, and a bucket smaller than those would lose tokens.
  const double room = drop ? 0 : 2 * rate * std::chrono::duration<double>(kHandful).count();
  auto plan = std::make_unique<LimitPlan>(context.metrics, rate, std::max(static_cast<double>(burst), room),
                                          static_cast<size_t>(std::max<int64_t>(most, 1)));
  plan->drop = drop;
  plan->label = label;
  plan->reason = context.NewDropReason("ratelimit_drop_stage");
  return plan;
}

}  // namespace

const StageSpec kStage_limit{"limit", "", BuildLimit};

}  // namespace agent::stage
