// SPDX-License-Identifier: Apache-2.0
// The rules of delivery: what is sent when, and what is done with each answer. The
// Pusher's inside, bound to the net thread; push.cc is its door.
//
// What Loki's answers are worth. For streams, Loki's ingester reports only the last one
// it was given in a request: if an earlier one was refused (stream limit, stream rate,
// too far behind) and the last was not, the answer is 204 (3.6: pkg/ingester/instance.go
// and seen by trying). So an answer that refuses a stream for now leaves the streams
// before it in doubt. They are sent again, one request each, because only such an answer
// is exact; and for kCareful after it, streams of that tenant that have not been
// confirmed so, and limited ones, are sent apart. Loki hides identical repeats.
//
// While nobody answers, the wait for the next try grows to five minutes, and Loki may be
// back all that time. So every kKnockEvery an empty push is sent: what answers that ends
// the waits (knock.cc).
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/push/internal/response_class.h"
#include "agent/push/internal/sequence.h"

namespace agent::push {

// What the HTTP client's callbacks put down, for the next Tick. Shared with callbacks
// that may outlive the Pusher.
struct AnswerBox {
  struct Answer {
    uint64_t token;
    Result<http::Response> result;
  };
  std::vector<Answer> answers;
};

// How a request ended, as far as the next try depends on it.
struct Outcome {
  int status = -1;
  bool ours = false;  // it fails until a person changes something
  bool of_stream = false;  // a limit of single streams, not of the tenant
  // No answer, or that of a proxy which has none.
  bool nobody() const { return status < 0 || status == 502 || status == 503 || status == 504; }
  std::optional<Duration> retry_after;
};

class Deliverer {
 public:
  Deliverer(std::vector<ClientOptions> options, http::Client& http, metrics::Registry& registry,
            DeliverySink& deliveries, uint64_t jitter_seed);

  void Add(std::unique_ptr<PushBatch> batch);
  void Tick(MonoTime now, WallNanos wall);
  MonoTime NextDeadline() const;
  void Stop(MonoTime deadline) { stop_at_ = deadline; }
  // Gives everything back as cancelled; later batches too.
  void CancelAll();
  bool Empty() const { return jobs_ == 0; }
  std::vector<ClientStatus> Status();

 private:
  // -- sending (send.cc) --
  Sequence& SequenceOf(const PushBatch& batch);
  void Pump(Sequence& sequence);
  void Open(Sequence& sequence, std::unique_ptr<PushBatch> batch);
  void Distribute(Sequence& sequence, const std::shared_ptr<Job>& job, PushRequest request);
  // It was stored a short while ago, by a Loki that has not been away since.
  bool Exists(const Tenant& tenant, const std::string& stream) const;
  void Send(Track& track);
  http::Request MakeRequest(const Tenant& tenant, const Body& body) const;
  void SetTimer(Track& track, MonoTime when);
  void Forget(Sequence& sequence);
  void HurryUp();
  void UpdateStatus();

  // -- answers (answer.cc) --
  void OnAnswer(Track& track, Result<http::Response> result);
  void OnVerdict(Track& track, const Classified& answer, const Outcome& outcome);
  void Note(Track& track, int status, const std::string& what);
  void Accepted(Track& track, uint64_t bytes, uint64_t entries);
  void Returned(Client& client);
  void Stored(Track& track);
  void Blocked(Track& track, const LokiError& error);
  void Partly(Track& track, const LokiError& error);
  void StreamLimited(Track& track, const LokiError& error, const Outcome& outcome);
  void RateLimited(Track& track, const Outcome& outcome);
  // False: that was the last attempt, and the part has been dropped.
  bool Retry(Track& track, const Outcome& outcome);
  void SplitOrRefuse(Track& track, const char* reason, bool between_streams, const LokiError& error);
  void UnknownRefusal(Track& track, const LokiError& error);
  void OnProbe(Track& track, const Classified& answer, const Outcome& outcome);
  void Misconfigured(Track& track, const Outcome& outcome);

  // -- knocking (knock.cc) --
  void NoteAbsence(Client& client, const Outcome& outcome, Duration wait);
  void Knock(Client& client);
  void OnKnock(Client& client, const Result<http::Response>& result);

  // -- parts (parts.cc) --
  Part MakePart(const Part& from, const PushRequest& request);
  std::optional<PushRequest> Decode(Track& track);
  void ReplaceFront(Track& track, std::vector<PushRequest> requests);
  void Finish(Part part);
  void RefuseWhole(Track& track, const char* promtail_reason, const char* reason, const std::string& detail);
  void CountRefusal(Job& job, Tenant& tenant, const char* promtail_reason, Refusal refusal, uint64_t dropped_bytes);
  void LogRefusal(const Tenant& tenant, const Refusal& refusal, size_t streams);
  // Each part has one stream. Their streams leave `main`, and go on beside it.
  void PutAside(Sequence& sequence, std::vector<Part> parts);
  void Settle(Job& job, bool cancelled);

  http::Client& http_;
  metrics::Registry& registry_;
  DeliverySink& deliveries_;
  Jitter jitter_;
  std::vector<std::unique_ptr<Client>> clients_;
  const Body probe_ = EncodeBody(PushRequest());
  std::shared_ptr<AnswerBox> box_ = std::make_shared<AnswerBox>();
  std::unordered_map<uint64_t, Track*> in_flight_;  // by token
  std::set<std::pair<MonoTime, Track*>> timers_;
  uint64_t next_token_ = 1;
  uint64_t jobs_ = 0;  // batches taken and not given back
  MonoTime now_{};
  WallNanos wall_ = 0;
  MonoTime stop_at_ = kNever;
  bool hurried_ = false;
  bool closed_ = false;
};

}  // namespace agent::push
