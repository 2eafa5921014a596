// SPDX-License-Identifier: Apache-2.0
// Bytes that will never be read, and why. Reported once per generation, exactly where
// the file system allows it; app/ puts them into the loss ledger.
#pragma once

#include <cstdint>
#include <string>

#include "agent/model/tailed_file.h"

namespace agent::source {

enum class LossReason {
  kTruncated,         // cut off by the writer before they were read
  kPinnedBudget,      // a deleted file was released to free disk space
  kDeletedWhileDown,  // the file was gone when the agent came back
};

constexpr const char* NameOf(LossReason reason) {
  switch (reason) {
    case LossReason::kTruncated: return "truncated_unread";
    case LossReason::kPinnedBudget: return "pinned_budget";
    case LossReason::kDeletedWhileDown: return "deleted_while_down";
  }
  return "unknown";
}

struct Loss {
  LossReason reason;
  std::string job;
  std::string path;  // as the glob named it
  uint64_t bytes = 0;
  std::shared_ptr<const TailedFile> file;  // null if it was lost while the agent was down
};

class LossObserver {
 public:
  virtual ~LossObserver() = default;
  virtual void Lost(const Loss& loss) = 0;  // io thread
};

}  // namespace agent::source
