// SPDX-License-Identifier: Apache-2.0
// `sampling`: lets a random share of the records pass and drops the others, counted.
// Without a rate everything is dropped, as in Promtail. Each lane has its own random
// numbers, seeded by the times of its first batch.
//
//   sampling: {rate: 0.1}
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>

#include "agent/stage/internal/template_fields.h"
#include "agent/stage/per_record.h"

namespace agent::stage {
namespace {

struct SamplingPlan;

class SamplingStage : public PerRecordStage<SamplingStage> {
 public:
  explicit SamplingStage(const SamplingPlan& plan) : plan_(plan) {}
  bool One(Record& record, StageContext& context);

 private:
  const SamplingPlan& plan_;
  std::optional<std::mt19937_64> random_;
};

struct SamplingPlan : SimplePlan<SamplingStage, SamplingPlan> {
  double rate = 0;
  DropReason* reason = nullptr;
};

bool SamplingStage::One(Record& record, StageContext& context) {
  if (!random_) random_.emplace(SeedOf(context));
  const double dice = static_cast<double>((*random_)() >> 11) * 0x1p-53;  // [0, 1)
  if (dice < plan_.rate) return true;
  context.Drop(record, *plan_.reason);
  return false;
}

std::unique_ptr<StagePlan> BuildSampling(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kWeakStage);
  auto plan = std::make_unique<SamplingPlan>();
  std::string reason;
  if (!reader.Double("rate", plan->rate)) {
    reader.Warning("rate", "without a rate every line is dropped; write the share to keep, for example `rate: 0.1`");
  }
  if (!(plan->rate >= 0 && plan->rate <= 1)) reader.Error("rate", "the rate must lie between 0 and 1");
  reader.String("drop_counter_reason", reason);
  reader.Finish();
  plan->reason = context.NewDropReason(reason.empty() ? "sampling_stage" : reason);
  return plan;
}

}  // namespace

const StageSpec kStage_sampling{"sampling", "", BuildSampling};

}  // namespace agent::stage
