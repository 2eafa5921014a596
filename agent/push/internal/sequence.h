// SPDX-License-Identifier: Apache-2.0
// What the Pusher keeps of batches that are not settled. Plain data, bound to the net
// thread; the rules are in delivery.h.
//
//   Client ── Tenant ── Sequence ─┬─ waiting: batches in order of sending
//                                 ├─ main: the parts of the batch that is being sent
//                                 └─ aside: for each stream that is limited or in doubt,
//                                           its parts
//
// Invariants:
//   1. A Track has at most one request in flight, and it is for its first part.
//   2. A stream that has a Track aside is in no part of `main`.
//   3. Parts of one stream are in order within the one Track that holds them.
//   4. Job::open_parts is the number of parts that exist for it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "agent/core/time.h"
#include "agent/http/client.h"
#include "agent/model/push_batch.h"
#include "agent/push/internal/backoff.h"
#include "agent/push/internal/payload.h"
#include "agent/push/internal/push_metrics.h"
#include "agent/push/push.h"

namespace agent::push {

// A batch that is being sent, or has parts that are.
struct Part;

struct Job {
  std::unique_ptr<PushBatch> batch;  // without its bytes, which are in the parts
  std::vector<Refusal> refused;
  uint32_t open_parts = 0;
  std::vector<const Part*> left;     // while everything is cancelled: parts not settled
};

// A batch, or what is left of one, as one request.
struct Part {
  std::shared_ptr<Job> job;
  Body body;
  uint32_t streams = 0;  // 0: not counted (the batch as it came)
  uint32_t entries = 0;
  uint64_t line_bytes = 0;
  std::string stream;    // labels, if there is one stream and it is known
  uint64_t attempts = 0;
  uint32_t limited = 0;  // answers in a row that said 429
  bool probe = false;    // it was refused for no known reason; next goes an empty request
  uint32_t proofs = 0;   // how often that was let through: it is something in this part
};

struct Sequence;

struct Track {
  explicit Track(Sequence& s) : sequence(s) {}
  Sequence& sequence;
  std::deque<Part> parts;
  uint64_t token = 0;  // of the request in flight; 0: none
  http::RequestId request = 0;
  MonoTime sent{};       // when that request was made
  bool starved = false;  // waits for a free request
  MonoTime not_before = MonoTime::min();
  MonoTime failing_since = kNever;  // since then each try has failed
  bool away = false;                // it waits, and nothing at all has got through since then
  MonoTime timer = kNever;  // as entered in the Pusher's timers
  Backoff backoff;
  // -- aside only --
  std::string stream;
  MonoTime keep_until = MonoTime::min();  // stays aside until then, even without parts
};

struct Client;

struct Tenant {
  Tenant(Client& c, std::string n, metrics::Registry& registry, const std::string& host)
      : client(c), name(std::move(n)), metrics(registry, host, name) {}
  Client& client;
  const std::string name;
  TenantMetrics metrics;
  size_t sequences = 0;
  // Until then the tenant is near a limit of streams, and answers are only believed for
  // what they can speak of: see Delivery::StreamLimited.
  MonoTime careful_until = MonoTime::min();
  std::unordered_map<std::string, MonoTime> confirmed;  // streams that exist, last seen
};

using SequenceKey = std::tuple<uint32_t, std::string, uint32_t>;  // lane, tenant, shard

struct Sequence {
  Sequence(Tenant& t, SequenceKey k) : tenant(t), key(std::move(k)), main(*this) {}
  Tenant& tenant;
  const SequenceKey key;
  std::deque<std::unique_ptr<PushBatch>> waiting;
  Track main;
  std::map<std::string, std::unique_ptr<Track>> aside;  // by labels
};

struct Client {
  ClientOptions options;
  std::shared_ptr<http::Endpoint> endpoint;
  std::vector<http::Header> headers;
  std::string host;
  std::unique_ptr<ClientMetrics> metrics;
  std::map<SequenceKey, std::unique_ptr<Sequence>> sequences;
  std::map<std::string, std::unique_ptr<Tenant>> tenants;
  std::deque<Track*> starved;
  uint64_t in_flight = 0;
  MonoTime accepted_at = MonoTime::min();
  bool any_away = false;
  // -- knock.cc --
  MonoTime knock_at = kNever;
  uint64_t knock_token = 0;  // of the knock in flight; 0: none
  http::RequestId knock = 0;
  bool let_in = false;  // a knock was answered, and since then nothing was stored and somebody was there
  ClientStatus status;
};

}  // namespace agent::push
