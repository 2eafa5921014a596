// SPDX-License-Identifier: Apache-2.0
// Groups records by stream and closes batches by size or age; a closed batch is a
// snappy-compressed push.PushRequest with the receipts of its files. Fed by flow/ with
// finished records, feeds push/. Pure but for the sink; lane-local; time is an argument.
//
// One open batch per (tenant, shard). A line is copied once, into its stream's
// protobuf-framed buffer; the wire bytes equal what protobuf's classes write from
// proto/push.proto (tests/batch/batcher_test.cc).
// Size rules are Promtail's: the sum of line lengths and metadata sizes; a record that
// would pass `batch_size` closes the batch first; a record alone over it is a batch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/core/budget.h"
#include "agent/core/time.h"
#include "agent/model/label_set.h"
#include "agent/model/push_batch.h"
#include "agent/model/record.h"

namespace agent::batch {

struct BatcherOptions {
  uint32_t lane = 0;
  uint32_t client = 0;
  std::string tenant{};          // the client's tenant_id; the label __tenant_id__ wins
  LabelMap external_labels{};    // an entry's own labels win
  uint64_t batch_size = 1024 * 1024;
  Duration batch_wait = std::chrono::seconds(1);
  uint64_t max_line_size = 0;    // 0 = off
  bool max_line_size_truncate = false;
  uint32_t max_streams = 0;      // per batch; 0 = off
  uint32_t shards = 1;           // streams are spread over this many ordered sequences
  bool list_streams = false;     // in the tallies of the files that feed them
};

// What the batcher refuses or changes by its limits; called per such record.
struct BatchEvents {
  enum class Kind { kLineTooLong, kLineTruncated, kStreamLimited };
  std::function<void(Kind kind, const Record& record, uint64_t bytes)> on_limit;
};

class Batcher {
 public:
  Batcher(BatcherOptions options, ByteBudget& budget, PushSink& sink, BatchEvents events,
          std::function<BatchId()> next_id);
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  void Add(const std::vector<Record*>& records, MonoTime now);
  // Closes what is old enough (or everything).
  void Tick(MonoTime now, bool all);
  MonoTime NextDeadline() const;
  // Drops idle streams and their pins; call before LabelInterner::Sweep.
  void ForgetIdleStreams();
  // Gives back the memory that is kept for the next batch. For quiet times.
  void Rest();

  uint64_t open_bytes() const;
  size_t streams() const;  // known now

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::batch
