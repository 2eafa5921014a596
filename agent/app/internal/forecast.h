// SPDX-License-Identifier: Apache-2.0
// `agent --dry-run --cardinality FILE...`: which streams a configuration would make of
// yesterday's files, how many values each label has, what the guard would do about it,
// and who is worst. All lines count as if they came within one window, which is the
// worst case. Counts are exact.
// Threads: one. Memory: 8 bytes per stream and value, about 40 with the table.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "agent/app/dry_guard.h"
#include "agent/app/settings.h"
#include "agent/flow/lane.h"
#include "agent/flow/observer.h"

namespace agent::app {

class Forecast final : public flow::Observer {
 public:
  static constexpr size_t kWorst = 3;

  // `guard` outlives it.
  Forecast(const label::PolicyOptions& options, DryGuard& guard) : options_(options), guard_(guard) {}

  void Finalize(uint32_t lane, std::vector<Record*>& records, stage::StageContext& context) override;
  void Out(uint32_t lane, const std::vector<Record*>& records, MonoTime now) override;

  std::string Text(const flow::LaneStats& stats) const;
  std::string Json(const flow::LaneStats& stats) const;

 private:
  struct Offender {
    uint64_t values = 0;
    std::string sample;
  };
  struct Label {
    std::unordered_set<uint64_t> values;  // hashes
    std::map<std::string, Offender> pods;  // of values that the pipeline gave
  };
  struct Row {
    std::string label;
    std::string pod;
    Offender offender;
  };
  void Count(const Record& record);
  std::vector<Row> Worst() const;

  const label::PolicyOptions options_;
  DryGuard& guard_;
  std::map<std::string, Label> labels_;
  std::unordered_set<uint64_t> before_;  // streams without the guard
  std::unordered_set<uint64_t> after_;
  uint64_t entries_ = 0;
};

}  // namespace agent::app
