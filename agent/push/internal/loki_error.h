// SPDX-License-Identifier: Apache-2.0
// Reads the body of an answer by which Loki refuses a push, or a part of one. Pure; for
// any bytes, in linear time.
//
// The sentences are Loki's (2.8 to 3.7: pkg/validation, pkg/distributor, pkg/ingester,
// pkg/loghttp/push). What they mean:
//   * a 400 with validation errors, or `total ignored`, refuses what it names for good;
//     all else in the request has been handled;
//   * `couldn't parse labels` refuses the whole request because of one stream, unnamed;
//   * a 429 that names a stream refuses that stream for now; one that speaks of the
//     ingestion rate refuses the whole request for now.
// Loki's ingester reports only the last stream of a request that it was handed (see
// docs/DELIVERY.md); the callers know that.
// Tested by: tests/push/loki_error_test.cc, tests/fuzz/loki_error_fuzz.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/model/label_set.h"

namespace agent::push {

// Entries, or whole streams, that are refused for good.
struct RefusedItem {
  const char* reason = "";     // a static word; the set is bounded
  std::string stream;          // as Loki writes it; empty: not named
  LabelMap labels;             // of `stream`
  bool whole_stream = false;   // all entries of the stream
  uint64_t count = 1;          // entries; of whole_stream: streams
  int64_t second = kNoSecond;  // the entries' time, if Loki says it
  uint64_t line_length = 0;    // the entries' line length, if Loki says it
  bool oldest = false;         // it is the `count` oldest entries
  std::string detail;          // Loki's sentence

  static constexpr int64_t kNoSecond = INT64_MIN;
};

// A stream that is refused for now.
struct LimitedItem {
  enum class Limit { kRate, kStreams };
  Limit limit = Limit::kRate;
  std::string stream;  // empty: Loki does not say which
  LabelMap labels;
  std::string detail;
};

struct LokiError {
  std::vector<RefusedItem> refused;
  std::vector<LimitedItem> limited;
  bool bad_labels = false;   // some stream's labels are unreadable: all is refused
  bool tenant_rate = false;  // the tenant's ingestion rate: all is refused for now
  bool blocked = false;      // ingestion is blocked by the operator
  bool too_large = false;    // the request is
  bool empty_request = false;
  uint64_t unknown = 0;      // items in a list whose sentence is not known
  std::string sentence;      // the beginning of the body, on one line, for people

  bool understood() const {
    return !refused.empty() || !limited.empty() || bad_labels || tenant_rate || blocked || too_large || empty_request;
  }
};

LokiError ParseLokiError(std::string_view body);

// Seconds since 1970 of an RFC 3339 time (fractions are ignored), or kNoSecond.
int64_t ParseRfc3339Second(std::string_view text);

}  // namespace agent::push
