// SPDX-License-Identifier: Apache-2.0
// The bookkeeping half of Deliverer: parts of batches come, split and go; what is
// refused is counted; a batch without parts is given back.
#include <algorithm>
#include <set>
#include <utility>

#include "agent/core/check.h"
#include "agent/core/log.h"
#include "agent/push/internal/delivery.h"

namespace agent::push {

Part Deliverer::MakePart(const Part& from, const PushRequest& request) {
  Part part;
  part.job = from.job;
  part.attempts = from.attempts;
  part.limited = from.limited;
  part.body = EncodeBody(request);
  const PayloadSize size = Measure(request);
  part.streams = size.streams;
  part.entries = size.entries;
  part.line_bytes = size.line_bytes;
  if (size.streams == 1) part.stream = request.streams(0).labels();
  // What was proved of the whole holds for a half, but one entry needs its own proofs.
  part.proofs = part.entries > 1 ? from.proofs : 0;
  return part;
}

std::optional<PushRequest> Deliverer::Decode(Track& track) {
  std::optional<PushRequest> request = DecodeBody(track.parts.front().body.view());
  if (!request) {
    LogError("a batch of ours cannot be decoded; it is dropped", {{"url", track.sequence.tenant.client.status.url}});
    RefuseWhole(track, "ingester_error", "undecodable", "the batch is damaged");
  }
  return request;
}

void Deliverer::ReplaceFront(Track& track, std::vector<PushRequest> requests) {
  const Part old = std::move(track.parts.front());
  track.parts.pop_front();
  std::vector<Part> parts;
  for (const PushRequest& request : requests) {
    if (request.streams_size() > 0) parts.push_back(MakePart(old, request));
  }
  old.job->open_parts += static_cast<uint32_t>(parts.size());
  track.parts.insert(track.parts.begin(), std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
  Finish(old);
}

void Deliverer::Finish(Part part) {
  Job& job = *part.job;
  CHECK(job.open_parts > 0, "a part of a batch was finished twice");
  if (--job.open_parts == 0) Settle(job, false);
}

namespace {

// Refusals of one reason and stream are one; those of `more` differ from each other.
void Remember(Job& job, std::vector<Refusal> more) {
  const auto before = static_cast<std::ptrdiff_t>(job.refused.size());
  for (Refusal& refusal : more) {
    const auto end = job.refused.begin() + before;
    const auto known = std::find_if(job.refused.begin(), end, [&](const Refusal& each) {
      return each.reason == refusal.reason && each.stream == refusal.stream;
    });
    if (known == end) {
      job.refused.push_back(std::move(refusal));
      continue;
    }
    known->entries += refusal.entries;
    known->bytes += refusal.bytes;
  }
}

// What is left of a batch becomes its body again, as it was or without what Loki has
// taken or refused.
void PutBack(Job& job) {
  PushBatch& batch = *job.batch;
  Body whole = job.left.front()->body;
  if (job.left.size() > 1) {
    PushRequest rest;
    for (const Part* part : job.left) {
      if (const std::optional<PushRequest> request = DecodeBody(part->body.view())) rest.MergeFrom(*request);
    }
    whole = EncodeBody(rest);
  }
  batch.entries = 0;
  batch.line_bytes = 0;
  for (const Part* part : job.left) {
    batch.entries += part->entries;
    batch.line_bytes += part->line_bytes;
  }
  batch.body.data = std::make_unique_for_overwrite<char[]>(whole.size);
  std::copy_n(whole.data.get(), whole.size, batch.body.data.get());
  batch.body.size = batch.body.capacity = whole.size;
}

}  // namespace

void Deliverer::Settle(Job& job, bool cancelled) {
  Client& client = *clients_[job.batch->client];
  --client.status.batches_waiting;
  client.status.bytes_waiting -= job.batch->body.size;
  --jobs_;
  Delivery delivery;
  delivery.refused = std::move(job.refused);
  if (!cancelled) {
    const std::chrono::duration<double> age = now_ - job.batch->opened;
    client.metrics->batch_age.Observe(std::max(age.count(), 0.0));
  }
  // Whoever delivers the rest of it must be able to.
  if (cancelled && !job.left.empty()) PutBack(job);
  delivery.cancelled = cancelled;
  delivery.batch = std::move(job.batch);
  deliveries_.Settled(std::move(delivery));
}

void Deliverer::CountRefusal(Job& job, Tenant& tenant, const char* promtail_reason, Refusal refusal,
                             uint64_t dropped_bytes) {
  tenant.metrics.Dropped(promtail_reason, refusal.entries, dropped_bytes);
  tenant.client.metrics->Refused(refusal.reason, refusal.entries, refusal.bytes);
  LogRefusal(tenant, refusal, 1);
  std::vector<Refusal> one;
  one.push_back(std::move(refusal));
  Remember(job, std::move(one));
}

void Deliverer::LogRefusal(const Tenant& tenant, const Refusal& refusal, size_t streams) {
  LogWarn("log lines are not stored", {{"url", tenant.client.status.url},
                                       {"tenant", tenant.name},
                                       {"reason", refusal.reason},
                                       {"stream", refusal.stream},
                                       {"streams", streams},
                                       {"lines", refusal.entries},
                                       {"detail", refusal.detail}});
}

// Counted and logged once, and remembered stream by stream: each is some pod's loss.
void Deliverer::RefuseWhole(Track& track, const char* promtail_reason, const char* reason, const std::string& detail) {
  Part part = std::move(track.parts.front());
  track.parts.pop_front();
  Tenant& tenant = track.sequence.tenant;
  const Refusal whole{reason, part.stream, detail, part.entries, part.line_bytes};
  tenant.metrics.Dropped(promtail_reason, whole.entries, part.body.size);
  tenant.client.metrics->Refused(whole.reason, whole.entries, whole.bytes);
  std::vector<Refusal> each = part.stream.empty() ? RefuseEachStream(part.body.view(), whole) : std::vector{whole};
  LogRefusal(tenant, whole, each.size());
  Remember(*part.job, std::move(each));
  Finish(std::move(part));
}

void Deliverer::PutAside(Sequence& sequence, std::vector<Part> parts) {
  std::set<std::string> fresh;
  const auto add = [&](Part part) {
    const std::string& stream = part.stream;
    std::unique_ptr<Track>& track = sequence.aside[stream];
    if (track == nullptr) {
      track = std::make_unique<Track>(sequence);
      track->stream = stream;
      fresh.insert(stream);
    }
    track->parts.push_back(std::move(part));
  };
  for (Part& part : parts) add(std::move(part));
  if (fresh.empty()) return;
  // What follows of these streams in `main` (a batch that had been split before) follows
  // here.
  std::deque<Part> rest;
  rest.swap(sequence.main.parts);
  for (Part& later : rest) {
    std::optional<PushRequest> request;
    if (later.streams == 1 && fresh.contains(later.stream)) {
      add(std::move(later));
      continue;
    }
    if (later.streams != 1) request = DecodeBody(later.body.view());
    PushRequest others;
    uint32_t taken = 0;
    if (request) {
      for (PushRequest& one : PerStream(std::move(*request))) {
        if (fresh.contains(one.streams(0).labels())) {
          add(MakePart(later, one));
          ++taken;
        } else {
          others.add_streams()->Swap(one.mutable_streams(0));
        }
      }
    }
    if (taken == 0) {
      sequence.main.parts.push_back(std::move(later));
      continue;
    }
    later.job->open_parts += taken;
    if (others.streams_size() > 0) {
      ++later.job->open_parts;
      sequence.main.parts.push_back(MakePart(later, others));
    }
    Finish(std::move(later));
  }
}

}  // namespace agent::push
