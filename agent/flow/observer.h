// SPDX-License-Identifier: Apache-2.0
// What a lane tells the rest of the program about records: the last word on labels,
// what was lost or changed, and a tap for the live view. app/ implements it.
// Threads: called on the lane's thread, once per batch of records, never per record
// (except for losses, which are rare); implementations must not block.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "agent/batch/batcher.h"
#include "agent/label/share.h"
#include "agent/model/push_batch.h"
#include "agent/model/record.h"
#include "agent/stage/stage.h"

namespace agent::flow {

class Observer {
 public:
  virtual ~Observer() = default;
  // The end of the pipeline: label limits, cardinality guard, rate limits. May change
  // and remove records (and must count what it removes).
  virtual void Finalize(uint32_t /*lane*/, std::vector<Record*>& /*records*/, stage::StageContext& /*context*/) {}
  // Rates and weights that the lane asks before it reads; null: none. Outlives the lane.
  virtual label::Shares* shares() { return nullptr; }
  // Records as they go into batches.
  virtual void Out(uint32_t /*lane*/, const std::vector<Record*>& /*records*/, MonoTime /*now*/) {}
  // A limit of client `client` refused or changed a record.
  virtual void Limited(uint32_t /*client*/, batch::BatchEvents::Kind /*kind*/, const Record& /*record*/,
                       uint64_t /*bytes*/) {}
  // Loki refused entries for good.
  virtual void Refused(const PushBatch& /*batch*/, const Refusal& /*refusal*/) {}
  // A batch was stored (except for what Refused named).
  virtual void Stored(const PushBatch& /*batch*/, MonoTime /*now*/) {}
  // A file was given up with unread bytes.
  virtual void Abandoned(const TailedFile& /*file*/, uint64_t /*unread*/) {}
  // Caches of label pointers must be dropped; see LabelInterner::Sweep.
  virtual void ForgetLabels(uint32_t /*lane*/) {}
};

}  // namespace agent::flow
