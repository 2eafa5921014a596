// SPDX-License-Identifier: Apache-2.0
// The agent's last word on labels (limits, cardinality guard) for runs that send
// nothing: dry runs, their forecast, replay. Decisions of its own; nothing is kept.
// Threads: one.
#pragma once

#include <string>
#include <vector>

#include "agent/label/policy.h"
#include "agent/metrics/registry.h"
#include "agent/stage/stage.h"

namespace agent::app {

class DryGuard {
 public:
  enum class Time {
    kOneMoment,  // files of yesterday: all lines come within one window, the worst case
    kReal,       // lines as they come
  };
  DryGuard(const label::PolicyOptions& options, Time time);

  // Changes the records' labels and metadata, and takes out what the guard drops.
  void Apply(uint32_t lane, std::vector<Record*>& records, stage::StageContext& context);

  label::Cardinality Snapshot() const { return policy_.Snapshot(); }
  uint64_t dropped() const { return dropped_; }
  // What it did, a sentence a line; empty: nothing.
  std::string Text() const;
  // The same as members of a JSON object, without braces.
  std::string JsonMembers() const;

 private:
  const label::PolicyOptions options_;
  const Time time_;
  metrics::Registry registry_;
  label::Policy policy_;
  uint64_t dropped_ = 0;
};

}  // namespace agent::app
