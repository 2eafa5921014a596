// SPDX-License-Identifier: Apache-2.0
// The inside of a batch, for answers that concern only a part of it: decode, split,
// take streams out, encode again, and find the entries that Loki has refused. Cold path:
// copies everything. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/model/push_batch.h"
#include "agent/push/internal/loki_error.h"
#include "push.pb.h"

namespace agent::push {

// A request's bytes, shared with the HTTP transfer that sends them.
struct Body {
  std::shared_ptr<const char[]> data;
  size_t size = 0;
  std::string_view view() const { return {data.get(), size}; }
};

using PushRequest = sluice::push::PushRequest;

std::optional<PushRequest> DecodeBody(std::string_view body);
Body EncodeBody(const PushRequest& request);

struct PayloadSize {
  uint32_t streams = 0;
  uint32_t entries = 0;
  uint64_t line_bytes = 0;  // lines and metadata, as batchsize counts them
};
PayloadSize Measure(const PushRequest& request);

// Two halves in the old order: between streams if there are several, else between the
// entries of the one. REQUIRES: more than one entry (more than one stream, if asked).
std::pair<PushRequest, PushRequest> Halve(PushRequest request, bool between_streams_only = false);

// One request for each stream, in order.
std::vector<PushRequest> PerStream(PushRequest request);

// The stream of the request that Loki means by this label set, or -1.
int FindStream(const PushRequest& request, const LabelMap& theirs);

// Turns Loki's sentences into refusals with entries and bytes; no entry counts twice.
// Refusals of one reason and stream are one. `entries` returns their sum.
std::vector<Refusal> Attribute(const PushRequest& request, const LokiError& error, uint64_t& entries);

}  // namespace agent::push
