// SPDX-License-Identifier: Apache-2.0
// What an answer to a push means for the batch. Pure: one table.
#pragma once

#include <string>
#include <string_view>

#include "agent/push/internal/loki_error.h"

namespace agent::push {

enum class Verdict {
  kStored,          // 2xx
  kBlocked,         // 260: the operator has blocked ingestion; thrown away at Loki
  kPartly,          // 400 with sentences we know: what they name is refused, the rest handled
  kRetry,           // no answer, 5xx, 408 ...: nothing is known, all is sent again
  kRateLimited,     // 429 for the tenant: all is sent again, later
  kStreamLimited,   // 429 for a stream: that stream is sent again, later
  kBadLabels,       // 400: refused whole because of one stream's labels
  kTooLarge,        // 413, and Loki's other words for it: to be split
  kUnknownRefusal,  // 400, 422 for a reason we cannot read: to be bisected
  kMisconfigured,   // 401, 403, 404 ...: a person has to act; sent again meanwhile
};

struct Classified {
  Verdict verdict = Verdict::kRetry;
  LokiError error;
};

// `status` is -1 where there was no answer.
Classified Classify(int status, std::string_view body);

const char* Name(Verdict verdict);

}  // namespace agent::push
