// SPDX-License-Identifier: Apache-2.0
// The last word on labels, at the end of every pipeline: what leaves here is a stream
// that Loki takes, and no label can flood Loki with streams. Called by a lane through
// flow::Observer::Finalize; feeds batch/.
//
// In this order, once per (label set, file's own labels):
//   1. the cardinality guard: a label that a pipeline sets and that has more than its
//      budget of distinct values in a sliding window is demoted, for every line, until
//      the window is well under budget again (half of it). Labels whose value is that
//      of the file's target, exempt ones, `stream` of the log's format and
//      `__tenant_id__` are never touched.
//   2. Loki's limits: legal names, lengths, UTF-8, number of names.
//   3. the cap on active streams: when it is reached, lines that would open another
//      stream lose the labels that the pipeline gave them, as in 1; a pod's own stream
//      is always let through.
// The verdict depends on the labels and on the guard's state only: the same line gives
// the same stream until a decision changes. SaveState keeps decisions over a restart.
//
// Threads: Apply is called by lane `lane` on its thread; everything else by any thread.
// Lanes share the guard under one mutex, taken only for label sets that the lane does
// not know yet and at turns of the window.
// Cost: a known label set is one table lookup by LabelSet::id, no allocation. Verdicts
// are forgotten when a decision changes, five times per window, and on a sweep.
// Memory: under 64 KiB per guarded label (exact up to 1536 values, then HyperLogLog
// with a standard error of 0.8 %), 8 to 16 bytes per active stream and lane 40.
// Tested by tests/label/{policy,limits,guard,distinct_window}_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/arena.h"
#include "agent/core/result.h"
#include "agent/core/time.h"
#include "agent/label/cardinality.h"
#include "agent/label/options.h"
#include "agent/metrics/registry.h"
#include "agent/model/label_set.h"
#include "agent/model/record.h"

namespace agent::label {

// Called for every record that is removed, on the lane's thread, before it is gone.
// `reason`: "label_cardinality" or "stream_limited".
using DropObserver = std::function<void(const Record& record, std::string_view reason)>;

class Policy {
 public:
  // `registry` outlives the policy. `lanes`: Apply is called with lane < lanes.
  Policy(PolicyOptions options, uint32_t lanes, metrics::Registry& registry, DropObserver on_drop = {});
  ~Policy();
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  // -- the lane's thread --
  // Changes the records' labels and metadata, and removes what `drop_entry` removes.
  // Metadata are views into label sets and `arena`: valid until the lane's next sweep.
  // Sweeps are noticed by LabelInterner::generation.
  void Apply(uint32_t lane, std::vector<Record*>& records, Arena& arena, LabelInterner& labels, WallNanos wall,
             MonoTime now);

  // -- any thread --
  // Turns the window even if no record comes, so that demoted labels may come back.
  void Tick(WallNanos wall, MonoTime now);
  MonoTime NextDeadline() const;
  // Keeps what has been counted; labels over a new, lower budget are demoted at once.
  void Reconfigure(PolicyOptions options, WallNanos wall, MonoTime now);

  // The decisions and what they rest on, as text; of the options nothing.
  std::string SaveState(WallNanos wall) const;
  // Before the first Apply. An error names the line; the policy is then as new.
  Status LoadState(std::string_view text, WallNanos wall, MonoTime now);
  // Rises when a label is demoted or comes back, or the cap is reached or left: the
  // state should be saved soon, so that a replay after a crash gives the same streams.
  uint64_t decisions() const;

  Cardinality Snapshot() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::label
