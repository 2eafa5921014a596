// SPDX-License-Identifier: Apache-2.0
// Delivery: takes encoded batches from the lanes, sends them to Loki, reads what Loki
// answers, retries, and gives every batch back as a Delivery. Fed by batch/ (PushSink),
// feeds the lanes (DeliverySink). docs/DELIVERY.md is the contract.
//
// Order: batches of one (lane, client, tenant, shard) sequence are sent one after the
// other; sequences go on beside each other. A stream that Loki limits is taken out of
// its sequence and retried alone, and what follows of that stream queues behind it.
// A batch is given back once all of it is stored, refused for good and counted, or
// dropped by an explicit rule of the configuration; batches may come back in any order.
//
// Ownership: the Pusher owns a batch from Send until Settled. It borrows the http
// client, the registry and the delivery sink; all must outlive it.
// Threads: Send is thread-safe and never blocks (the byte budget bounds what comes).
// Status() is thread-safe. The rest belongs to the net thread, which is the thread that
// polls the http client; Settled is called there.
// Cost: a batch that is accepted at once is neither copied nor decoded. Answers that
// concern a part of a batch decode and re-encode it (cold).
// Failure: nothing is lost silently. What is not stored is a Refusal in the Delivery,
// and counted.
// Tested by: tests/push.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/time.h"
#include "agent/http/client.h"
#include "agent/metrics/registry.h"
#include "agent/model/push_batch.h"
#include "agent/push/options.h"

namespace agent::push {

// One client as of now, for people (explain, the live page).
struct ClientStatus {
  std::string name;
  std::string url;               // password masked
  int last_status = 0;           // HTTP status; -1: no answer; 0: nothing sent yet
  std::string last_error;        // one sentence; empty after an accepted request
  WallNanos last_answer_wall = 0;
  WallNanos last_accepted_wall = 0;
  uint64_t batches_waiting = 0;  // given to us, not settled
  uint64_t bytes_waiting = 0;    // their compressed size
  uint64_t in_flight = 0;        // requests
  uint64_t held_streams = 0;     // streams that are retried alone
  Duration backoff{};            // the longest wait that is running; 0 = none
};

// A batch that is given up as a whole, stream by stream, so that each pod's loss is its own;
// `whole` alone if its body cannot be read.
std::vector<Refusal> RefuseEachStream(std::string_view body, const Refusal& whole);

class Pusher final : public PushSink {
 public:
  Pusher(std::vector<ClientOptions> clients, http::Client& http, metrics::Registry& registry,
         DeliverySink& deliveries, uint64_t jitter_seed);
  // Gives back everything that is left as cancelled.
  ~Pusher() override;

  // Lanes, any thread. Wakes the net thread (http::Client::Wakeup).
  void Send(std::unique_ptr<PushBatch> batch) override;

  // The net thread's loop is:
  //   pusher.Tick(now, wall); http.Poll(min(pusher.NextDeadline(), ...) - now);
  // Answers that came during Poll are worked through in the next Tick.
  void Tick(MonoTime now, WallNanos wall);
  MonoTime NextDeadline() const;

  // From now on waits for retries are cut so that they end before `deadline`; at the
  // deadline (in Tick) requests in flight are abandoned and everything left is given
  // back as cancelled, as is everything sent afterwards.
  void Stop(MonoTime deadline);
  // Stopped, or nothing left to deliver.
  bool Idle() const;

  std::vector<ClientStatus> Status() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::push
