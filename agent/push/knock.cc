// SPDX-License-Identifier: Apache-2.0
// The end of an outage, noticed early: while nobody answers at all, a few bytes every ten
// seconds instead of a batch after a wait of up to five minutes. A Loki that answers, but
// cannot store, is left to the backoff.
#include "agent/core/log.h"
#include "agent/push/internal/delivery.h"

namespace agent::push {
namespace {

// And up to half as long again, so that a cluster's agents do not knock as one.
constexpr Duration kKnockEvery = std::chrono::seconds(10);

}  // namespace

void Deliverer::NoteAbsence(Client& client, const Outcome& outcome, Duration wait) {
  if (outcome.status < 0) client.let_in = false;
  // With max_retries each try counts, so none is added.
  if (!outcome.nobody() || client.let_in || client.options.backoff.max_retries > 0) return;
  if (wait <= kKnockEvery || stop_at_ != kNever || client.knock_at != kNever || client.knock_token != 0) return;
  client.knock_at = now_ + kKnockEvery + Duration(static_cast<int64_t>(static_cast<double>(kKnockEvery.count()) * jitter_.Next() / 2));
}

void Deliverer::Knock(Client& client) {
  client.knock_at = kNever;
  if (stop_at_ != kNever) return;
  const Tenant* tenant = nullptr;
  const auto look = [&tenant](const Track& track) {
    if (track.away) tenant = &track.sequence.tenant;
  };
  for (const auto& [key, sequence] : client.sequences) {
    look(sequence->main);
    for (const auto& [stream, track] : sequence->aside) look(*track);
    if (tenant != nullptr) break;
  }
  if (tenant == nullptr) return;
  client.knock_token = next_token_++;
  client.knock = http_.Submit(MakeRequest(*tenant, probe_), [box = box_, token = client.knock_token,
                                                             keep = probe_.data](Result<http::Response> result) {
    box->answers.push_back({token, std::move(result)});
  });
}

void Deliverer::OnKnock(Client& client, const Result<http::Response>& result) {
  client.knock_token = 0;
  Outcome outcome;
  if (result) outcome.status = result->status;
  if (outcome.nobody()) {
    NoteAbsence(client, outcome, kNever - now_);
    return;
  }
  client.let_in = true;
  client.any_away = false;
  LogInfo("the push URL answers again; what waited is sent now", {{"url", client.status.url}, {"status", outcome.status}});
  Returned(client);
}

}  // namespace agent::push
