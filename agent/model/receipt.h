// SPDX-License-Identifier: Apache-2.0
// Receipts: what lets a position move only when Loki has stored a line.
//
// One ReceiptTracker per file. It knows three kinds of bytes that are not safe yet:
//   * bytes not yet cut into records            (>= processed)
//   * records that somebody still holds open    (CRI partials, multiline groups)
//   * records in batches that are open, in flight or being retried
// and Committed() is the lowest of them: every byte below it is stored by Loki, or
// was dropped on purpose and counted. Acknowledgements may come in any order; the
// minimum never passes a hole.
//
// Threads: lane-local. Cost: one compare per record while a file stays in one batch.
// Memory: one entry per unacknowledged (batch, file) pair and per open hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace agent {

using BatchId = uint64_t;  // unique in a lane, rising, never 0

class ReceiptTracker {
 public:
  explicit ReceiptTracker(uint64_t start_offset) : processed_(start_offset), committed_(start_offset) {}

  // All bytes below `offset` have been cut into records and handed on.
  void SetProcessed(uint64_t offset) { processed_ = offset; }
  uint64_t processed() const { return processed_; }

  // A record that begins at `begin` is kept back; Release with the same number.
  void Hold(uint64_t begin) { holds_.push_back(begin); }
  void Release(uint64_t begin);

  // A record that begins at `begin` is in batch `batch`. True if this file is new
  // in that batch (the batch must then remember the file).
  bool AddToBatch(BatchId batch, uint64_t begin) {
    if (!batches_.empty() && batches_.back().batch == batch) {
      if (begin < batches_.back().begin) batches_.back().begin = begin;
      return false;
    }
    return AddToOtherBatch(batch, begin);
  }
  // The batch is settled: stored, or refused for good and counted.
  void Acknowledge(BatchId batch);

  // The lowest byte that is not settled. Never falls.
  uint64_t Committed();
  // Nothing held, nothing in a batch.
  bool Settled() const { return holds_.empty() && batches_.empty(); }
  size_t batches_in_flight() const { return batches_.size(); }

 private:
  struct InBatch {
    BatchId batch;
    uint64_t begin;
  };
  bool AddToOtherBatch(BatchId batch, uint64_t begin);

  uint64_t processed_;
  uint64_t committed_;
  std::vector<uint64_t> holds_;
  std::vector<InBatch> batches_;
};

}  // namespace agent
