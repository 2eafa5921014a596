// SPDX-License-Identifier: Apache-2.0
// The receiving half of Deliverer: what is done with each answer.
#include <algorithm>
#include <utility>

#include "agent/core/log.h"
#include "agent/push/internal/delivery.h"

namespace agent::push {
namespace {

// How long a tenant that has met a limit of streams is treated with care, and how long
// a stream that was limited is sent apart: longer than a burst, shorter than a shift.
constexpr auto kCareful = std::chrono::minutes(5);
constexpr size_t kMostConfirmed = 100'000;
// After so many 429 in a row a request is split: one that is larger than the limit's
// burst would never be let in.
constexpr uint32_t kSplitAfterLimits = 4;
// A gateway that refuses now and then must not cost a line.
constexpr uint32_t kProofs = 3;
constexpr Duration kHurriedWait = std::chrono::seconds(1);

std::optional<Duration> RetryAfterOf(const http::Response& response, WallNanos wall) {
  const std::string* value = response.Find("Retry-After");
  return value == nullptr ? std::nullopt : ParseRetryAfter(*value, wall);
}

}  // namespace

void Deliverer::OnAnswer(Track& track, Result<http::Response> result) {
  Sequence& sequence = track.sequence;
  Client& client = sequence.tenant.client;
  track.token = 0;
  --client.in_flight;
  Outcome outcome;
  Duration elapsed = now_ - track.sent;
  std::string what;
  if (result) {
    outcome.status = result->status;
    outcome.retry_after = RetryAfterOf(*result, wall_);
    elapsed = result->elapsed;
  } else {
    what = result.error().what;
    const Code code = result.error().code;
    outcome.ours = code == Code::kConfig || code == Code::kNotFound || code == Code::kPermission;
  }
  const Classified answer = Classify(outcome.status, result ? std::string_view(result->body) : std::string_view());
  if (result && answer.verdict != Verdict::kStored) what = answer.error.sentence;
  client.metrics->ObserveRequest(outcome.status, std::chrono::duration<double>(elapsed).count());
  if (outcome.nobody()) {
    // Who comes back may have forgotten its streams.
    for (const auto& [name, tenant] : client.tenants) tenant->confirmed.clear();
  } else {
    client.knock_at = kNever;
  }
  const bool probe = track.parts.front().probe;
  if (!probe || !answer.error.empty_request) Note(track, outcome.status, what);
  if (probe) {
    OnProbe(track, answer, outcome);
  } else {
    OnVerdict(track, answer, outcome);
  }
  if (!client.starved.empty()) {
    Track& next = *client.starved.front();
    client.starved.pop_front();
    next.starved = false;
    Send(next);
  }
  Pump(sequence);
}

void Deliverer::OnVerdict(Track& track, const Classified& answer, const Outcome& outcome) {
  switch (answer.verdict) {
    case Verdict::kStored: Stored(track); break;
    case Verdict::kBlocked: Blocked(track, answer.error); break;
    case Verdict::kPartly: Partly(track, answer.error); break;
    case Verdict::kRetry: Retry(track, outcome); break;
    case Verdict::kRateLimited: RateLimited(track, outcome); break;
    case Verdict::kStreamLimited: StreamLimited(track, answer.error, outcome); break;
    case Verdict::kBadLabels: SplitOrRefuse(track, "invalid_labels", true, answer.error); break;
    case Verdict::kTooLarge: SplitOrRefuse(track, "request_too_large", false, answer.error); break;
    case Verdict::kUnknownRefusal: UnknownRefusal(track, answer.error); break;
    case Verdict::kMisconfigured: Misconfigured(track, outcome); break;
  }
}

void Deliverer::Note(Track& track, int status, const std::string& what) {
  ClientStatus& to = track.sequence.tenant.client.status;
  to.last_status = status;
  to.last_error = what;
  if (status > 0) to.last_answer_wall = wall_;
}

void Deliverer::Accepted(Track& track, uint64_t bytes, uint64_t entries) {
  Tenant& tenant = track.sequence.tenant;
  ClientMetrics& metrics = *tenant.client.metrics;
  metrics.sent_bytes.Add(static_cast<double>(bytes));
  metrics.sent_entries.Add(static_cast<double>(entries));
  metrics.last_accepted.Set(static_cast<double>(wall_) / 1e9);
  tenant.client.status.last_accepted_wall = wall_;
  track.backoff.Reset();
  track.not_before = MonoTime::min();
  track.failing_since = kNever;
  track.away = false;
  tenant.client.accepted_at = now_;
  tenant.client.knock_at = kNever;
  tenant.client.let_in = false;
  if (std::exchange(tenant.client.any_away, false)) Returned(tenant.client);
}

// Loki is back: nobody waits out what may be minutes. Who fails again begins with a short wait.
void Deliverer::Returned(Client& client) {
  const auto wake = [this](Track& track) {
    if (!std::exchange(track.away, false)) return;
    track.backoff.Reset();
    track.not_before = now_;
    Send(track);
  };
  for (const auto& [key, sequence] : client.sequences) {
    wake(sequence->main);
    for (const auto& [stream, track] : sequence->aside) wake(*track);
  }
}

void Deliverer::Stored(Track& track) {
  Part part = std::move(track.parts.front());
  track.parts.pop_front();
  Accepted(track, part.body.size, part.entries);
  Tenant& tenant = track.sequence.tenant;
  if (now_ < tenant.careful_until) {
    // Only the answer to a request with one stream vouches for it.
    if (part.streams == 1 && tenant.confirmed.size() < kMostConfirmed) tenant.confirmed[part.stream] = now_;
  } else if (!tenant.confirmed.empty()) {
    tenant.confirmed.clear();
  }
  Finish(std::move(part));
}

void Deliverer::Blocked(Track& track, const LokiError& error) {
  Accepted(track, 0, 0);
  RefuseWhole(track, "ingester_error", "ingestion_blocked", error.sentence);
}

void Deliverer::Partly(Track& track, const LokiError& error) {
  std::optional<PushRequest> request = Decode(track);
  if (!request) return;
  Part part = std::move(track.parts.front());
  track.parts.pop_front();
  uint64_t refused = 0;
  Tenant& tenant = track.sequence.tenant;
  for (Refusal& refusal : Attribute(*request, error, refused)) {
    const uint64_t bytes = refusal.bytes;
    CountRefusal(*part.job, tenant, "ingester_error", std::move(refusal), bytes);
  }
  if (error.unknown > 0) {
    Refusal refusal;
    refusal.reason = "other";
    refusal.detail = error.sentence;
    refusal.entries = error.unknown;
    CountRefusal(*part.job, tenant, "ingester_error", std::move(refusal), 0);
    refused += error.unknown;
  }
  Accepted(track, part.body.size, part.entries - std::min<uint64_t>(refused, part.entries));
  Finish(std::move(part));
}

void Deliverer::SplitOrRefuse(Track& track, const char* reason, bool between_streams, const LokiError& error) {
  std::optional<PushRequest> request = Decode(track);
  if (!request) return;
  const PayloadSize size = Measure(*request);
  if (between_streams ? size.streams > 1 : size.entries > 1) {
    track.sequence.tenant.client.metrics->Resent(reason, size.entries);
    auto [front, back] = Halve(std::move(*request), between_streams);
    std::vector<PushRequest> halves;
    halves.push_back(std::move(front));
    halves.push_back(std::move(back));
    ReplaceFront(track, std::move(halves));
    return;
  }
  track.parts.front().stream = size.streams == 1 ? request->streams(0).labels() : "";
  RefuseWhole(track, "ingester_error", reason, error.sentence);
}

bool Deliverer::Retry(Track& track, const Outcome& outcome) {
  const int status = outcome.status;
  Part& part = track.parts.front();
  Tenant& tenant = track.sequence.tenant;
  const ClientOptions& options = tenant.client.options;
  tenant.metrics.retries.Add();
  ++part.attempts;
  if (options.backoff.max_retries > 0 && part.attempts >= options.backoff.max_retries) {
    const bool limited = status == 429;
    LogError("a batch is dropped after max_retries attempts",
             {{"url", tenant.client.status.url}, {"tenant", tenant.name}, {"status", status}, {"lines", part.entries}});
    RefuseWhole(track, limited ? "rate_limited" : "ingester_error", limited ? "rate_limited" : "max_retries",
                tenant.client.status.last_error);
    return false;
  }
  Duration wait = track.backoff.Next(options.backoff, jitter_);
  if (outcome.retry_after) {
    // Never sooner than asked, within our own bounds, and not all at one moment.
    const Duration asked = std::clamp(*outcome.retry_after, options.backoff.min_period,
                                      std::max(options.backoff.max_period, options.backoff.min_period));
    wait = asked + Duration(static_cast<int64_t>(static_cast<double>(asked.count()) * 0.1 * jitter_.Next()));
  }
  if (stop_at_ != kNever) wait = std::min(wait, kHurriedWait);
  track.not_before = now_ + wait;
  if (track.failing_since == kNever) track.failing_since = track.sent;
  const bool no_loki = (status < 0 || status >= 500) && !outcome.ours && !outcome.retry_after;
  track.away = no_loki && tenant.client.accepted_at < track.failing_since;
  tenant.client.any_away = tenant.client.any_away || track.away;
  if (track.away) NoteAbsence(tenant.client, outcome, wait);
  tenant.client.metrics->Resent(status < 0         ? "no_answer"
                                : outcome.of_stream ? "stream_limited"
                                : status == 429     ? "rate_limited"
                                                    : "error",
                                part.entries);
  const double seconds = std::chrono::duration<double>(wait).count();
  const std::string status_text = status < 0 ? "none" : std::to_string(status);
  if (outcome.ours) {
    LogError("the push fails until a person changes something; the lines are kept and sent again",
             {{"url", tenant.client.status.url}, {"tenant", tenant.name}, {"status", status_text},
              {"err", tenant.client.status.last_error}, {"wait_seconds", seconds}});
  } else {
    LogWarn("a batch could not be delivered; it is sent again",
            {{"url", tenant.client.status.url}, {"tenant", tenant.name}, {"status", status_text},
             {"err", tenant.client.status.last_error}, {"attempt", part.attempts}, {"wait_seconds", seconds}});
  }
  return true;
}

void Deliverer::RateLimited(Track& track, const Outcome& outcome) {
  Tenant& tenant = track.sequence.tenant;
  if (tenant.client.options.drop_rate_limited_batches) {
    RefuseWhole(track, "rate_limited", "rate_limited", tenant.client.status.last_error);
    return;
  }
  Part& part = track.parts.front();
  if (++part.limited % kSplitAfterLimits == 0 && part.entries > 1) {
    if (std::optional<PushRequest> request = DecodeBody(part.body.view())) {
      auto [front, back] = Halve(std::move(*request));
      std::vector<PushRequest> halves;
      halves.push_back(std::move(front));
      halves.push_back(std::move(back));
      ReplaceFront(track, std::move(halves));
    }
  }
  Retry(track, outcome);
}

void Deliverer::Misconfigured(Track& track, const Outcome& outcome) {
  const Client& client = track.sequence.tenant.client;
  if (!client.options.drop_refused_batches) {
    Outcome ours = outcome;
    ours.ours = true;
    Retry(track, ours);
    return;
  }
  LogError("a batch is refused and dropped, as drop_refused_batches says",
           {{"url", client.status.url}, {"status", outcome.status}, {"err", client.status.last_error}});
  RefuseWhole(track, "ingester_error", "refused", client.status.last_error);
}

void Deliverer::StreamLimited(Track& track, const LokiError& error, const Outcome& answer) {
  Outcome outcome = answer;
  outcome.of_stream = true;
  Sequence& sequence = track.sequence;
  Tenant& tenant = sequence.tenant;
  const bool careful = now_ < tenant.careful_until;
  tenant.careful_until = now_ + kCareful;
  if (&track != &sequence.main) {  // it is apart already
    track.keep_until = now_ + kCareful;
    RateLimited(track, outcome);
    return;
  }
  std::optional<PushRequest> request = Decode(track);
  if (!request) return;
  std::vector<bool> limited(static_cast<size_t>(request->streams_size()));
  bool rate = false;
  for (const LimitedItem& item : error.limited) {
    rate |= item.limit == LimitedItem::Limit::kRate;
    const int index = request->streams_size() == 1 ? 0 : item.stream.empty() ? -1 : FindStream(*request, item.labels);
    if (index >= 0) limited[static_cast<size_t>(index)] = true;
  }
  const Part from = std::move(track.parts.front());
  track.parts.pop_front();
  PushRequest settled;
  std::vector<Part> apart;
  std::vector<std::string> held;
  std::vector<PushRequest> streams = PerStream(std::move(*request));
  for (size_t i = 0; i < streams.size(); ++i) {
    const std::string& labels = streams[i].streams(0).labels();
    if (!limited[i] && !rate && careful && Exists(tenant, labels)) {
      settled.add_streams()->Swap(streams[i].mutable_streams(0));  // it exists, so it was stored
      continue;
    }
    apart.push_back(MakePart(from, streams[i]));
    if (limited[i]) {
      tenant.confirmed.erase(labels);
      held.push_back(labels);
    } else {
      tenant.client.metrics->Resent("in_doubt", apart.back().entries);
    }
  }
  const PayloadSize stored = Measure(settled);
  if (stored.entries > 0) Accepted(track, 0, stored.entries);
  from.job->open_parts += static_cast<uint32_t>(apart.size());
  PutAside(sequence, std::move(apart));
  Finish(from);
  for (const std::string& stream : held) {
    Track& own = *sequence.aside.at(stream);
    own.keep_until = now_ + kCareful;
    RateLimited(own, outcome);
  }
}

// A refusal whose reason we cannot read concerns some entry, or all that we send (a
// gateway, a wrong tenant). An empty request tells which: Loki has a sentence of its own
// for it. Only then is the part bisected; and an entry is given up only after it was
// refused as often as kProofs with an empty request let through each time.
void Deliverer::UnknownRefusal(Track& track, const LokiError& error) {
  if (track.sequence.tenant.client.options.drop_refused_batches) {
    RefuseWhole(track, "ingester_error", "refused", error.sentence);
    return;
  }
  Part& part = track.parts.front();
  if (part.proofs >= (part.entries > 1 ? 1 : kProofs)) {
    SplitOrRefuse(track, "refused", false, error);
  } else {
    part.probe = true;
  }
}

void Deliverer::OnProbe(Track& track, const Classified& answer, const Outcome& outcome) {
  Part& part = track.parts.front();
  part.probe = false;
  if (answer.verdict == Verdict::kStored || answer.error.empty_request) {
    ++part.proofs;
    if (part.entries > 1) SplitOrRefuse(track, "refused", false, answer.error);
    return;
  }
  Outcome ours = outcome;
  ours.ours |= answer.verdict == Verdict::kUnknownRefusal || answer.verdict == Verdict::kMisconfigured;
  Retry(track, ours);
}

}  // namespace agent::push
