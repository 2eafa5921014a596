// SPDX-License-Identifier: Apache-2.0
// What a dry run prints: every entry as it would be sent, behind the guard, as a line of
// text or JSON, and sums at the end.
// One lane, its thread only.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/app/dry_guard.h"
#include "agent/app/dry_run.h"
#include "agent/flow/lane.h"
#include "agent/flow/observer.h"

namespace agent::app {

using Plans = std::vector<std::shared_ptr<const stage::PipelinePlan>>;

class Printer final : public flow::Observer {
 public:
  // `guard` outlives it.
  Printer(const DryRunOutput& output, bool json, DryGuard& guard) : output_(output), json_(json), guard_(guard) {}

  void Finalize(uint32_t lane, std::vector<Record*>& records, stage::StageContext& context) override {
    guard_.Apply(lane, records, context);
  }
  void Out(uint32_t lane, const std::vector<Record*>& records, MonoTime now) override;
  void ForgetLabels(uint32_t) override { texts_.clear(); }

  void Summary(const flow::LaneStats& stats, const Plans& plans);

 private:
  struct Sums {
    uint64_t lines = 0;
    uint64_t bytes = 0;
    std::set<std::string> streams;
    std::map<std::string, std::set<std::string>> values;
  };
  void Count(const Record& record);
  void AppendText(const Record& record);
  void AppendJson(const Record& record);
  void AppendMember(std::string_view name, std::string_view value);

  const DryRunOutput output_;
  const bool json_;
  DryGuard& guard_;
  Sums sums_;
  std::vector<std::string> texts_;  // by LabelSet::id
  std::string buffer_;
};

}  // namespace agent::app
