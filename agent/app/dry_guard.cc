// SPDX-License-Identifier: Apache-2.0
#include "agent/app/dry_guard.h"

#include <fmt/format.h>

#include <utility>

#include "agent/core/json_text.h"

namespace agent::app {
namespace {

constexpr MonoTime kMoment = MonoTime(std::chrono::hours(1));

}  // namespace

DryGuard::DryGuard(const label::PolicyOptions& options, Time time)
    : options_(options), time_(time), policy_(options, 1, registry_) {}

void DryGuard::Apply(uint32_t lane, std::vector<Record*>& records, stage::StageContext& context) {
  const size_t before = records.size();
  const bool real = time_ == Time::kReal;
  policy_.Apply(lane, records, context.arena, context.labels, real ? context.wall : 1, real ? context.now : kMoment);
  dropped_ += before - records.size();
}

std::string DryGuard::Text() const {
  const label::Cardinality now = policy_.Snapshot();
  std::string out;
  for (const label::LabelCardinality& one : now.labels) {
    if (!one.demoted) continue;
    out += fmt::format("label {} is demoted ({}): {}{} values, its budget is {}; {} lines without it as a label\n", one.name,
                       now.action, one.exact ? "" : "about ", one.values, one.budget, one.demoted_lines);
  }
  if (now.streams_capped) {
    out += fmt::format("the cap on active streams is reached: {} (limits_config.max_active_streams)\n",
                       options_.max_active_streams);
  }
  if (dropped_ > 0) out += fmt::format("{} entries dropped by the guard\n", dropped_);
  return out;
}

std::string DryGuard::JsonMembers() const {
  const label::Cardinality now = policy_.Snapshot();
  std::string out = "\"demoted\":{";
  const char* comma = "";
  for (const label::LabelCardinality& one : now.labels) {
    if (!one.demoted) continue;
    out += std::exchange(comma, ",");
    AppendJsonString(out, one.name);
    out += ":" + std::to_string(one.demoted_lines);
  }
  return out + fmt::format("}},\"streams_capped\":{},\"guard_dropped\":{}", now.streams_capped, dropped_);
}

}  // namespace agent::app
