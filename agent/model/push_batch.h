// SPDX-License-Identifier: Apache-2.0
// What crosses from a lane to the net thread and back: one encoded request with the
// receipts of every file in it, and what became of it.
//
// Ownership: a PushBatch moves whole: lane -> DeliverySink -> push/ -> back to the
// lane as a Delivery. Only the lane touches the files' receipts; push/ carries them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/core/time.h"
#include "agent/model/receipt.h"
#include "agent/model/tailed_file.h"

namespace agent {

struct Bytes {  // uninitialised, exactly sized memory
  std::unique_ptr<char[]> data;
  size_t size = 0;
  size_t capacity = 0;
};

struct PushBatch {
  BatchId id = 0;
  uint32_t lane = 0;
  uint32_t client = 0;      // index into the configuration's clients
  std::string tenant;       // X-Scope-OrgID; empty: none
  uint32_t shard = 0;       // batches of one (lane, client, tenant, shard) go out in order
  Bytes body;               // snappy block of a push.PushRequest
  uint64_t raw_bytes = 0;   // before compression
  uint32_t entries = 0;
  uint64_t line_bytes = 0;
  uint64_t leased = 0;      // bytes of the memory budget that the lane gives back when it is settled
  MonoTime opened{};        // when its first entry was added
  // Every file with a record in it, once. Their receipts hold `id`.
  std::vector<std::shared_ptr<TailedFile>> files;
};

// Entries that Loki (or the encoder) has refused for good.
struct Refusal {
  std::string reason;  // a metric label: bounded set, e.g. "line_too_long", "too_far_behind"
  std::string stream;  // label text of the stream, empty if the whole batch
  std::string detail;  // Loki's sentence
  uint64_t entries = 0;
  uint64_t bytes = 0;
};

struct Delivery {
  std::unique_ptr<PushBatch> batch;
  std::vector<Refusal> refused;  // the rest was stored
  // Given back before an answer: nothing may be committed. The batch's body, entries and
  // line bytes are what is left to deliver.
  bool cancelled = false;
};

// Takes batches on the lane's thread; never blocks.
class PushSink {
 public:
  virtual ~PushSink() = default;
  virtual void Send(std::unique_ptr<PushBatch> batch) = 0;
};

// Takes deliveries on the net thread; never blocks.
class DeliverySink {
 public:
  virtual ~DeliverySink() = default;
  virtual void Settled(Delivery delivery) = 0;
};

}  // namespace agent
