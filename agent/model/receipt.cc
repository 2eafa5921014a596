// SPDX-License-Identifier: Apache-2.0
#include "agent/model/receipt.h"

#include <algorithm>

#include "agent/core/check.h"

namespace agent {

void ReceiptTracker::Release(uint64_t begin) {
  const auto found = std::find(holds_.rbegin(), holds_.rend(), begin);
  CHECK(found != holds_.rend(), "a hold is released that was not taken");
  *found = holds_.back();
  holds_.pop_back();
}

bool ReceiptTracker::AddToOtherBatch(BatchId batch, uint64_t begin) {
  for (InBatch& entry : batches_) {
    if (entry.batch != batch) continue;
    entry.begin = std::min(entry.begin, begin);
    return false;
  }
  batches_.push_back({batch, begin});
  return true;
}

void ReceiptTracker::Acknowledge(BatchId batch) {
  std::erase_if(batches_, [batch](const InBatch& entry) { return entry.batch == batch; });
}

uint64_t ReceiptTracker::Committed() {
  uint64_t lowest = processed_;
  for (const uint64_t begin : holds_) lowest = std::min(lowest, begin);
  for (const InBatch& entry : batches_) lowest = std::min(lowest, entry.begin);
  committed_ = std::max(committed_, lowest);
  return committed_;
}

}  // namespace agent
