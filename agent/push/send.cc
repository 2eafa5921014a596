// SPDX-License-Identifier: Apache-2.0
// The sending half of Deliverer: which part of what goes out when.
#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "agent/core/check.h"
#include "agent/push/internal/delivery.h"

namespace agent::push {
namespace {

// Of one client, over all its tenants. Bounds connections, not order.
constexpr uint64_t kMostInFlight = 64;
// Loki's list of refused entries is long only where there is something to read.
constexpr size_t kAnswerBytes = 1024 * 1024;
constexpr auto kConfirmedFor = std::chrono::minutes(10);  // below Loki's chunk_idle_period

std::vector<http::Header> MakeHeaders(const ClientOptions& options) {
  std::vector<http::Header> headers = {{"Content-Type", "application/x-protobuf"}};
  for (const auto& [name, value] : options.headers) headers.push_back({name, value});
  return headers;
}

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

}  // namespace

Deliverer::Deliverer(std::vector<ClientOptions> options, http::Client& http, metrics::Registry& registry,
                     DeliverySink& deliveries, uint64_t jitter_seed)
    : http_(http), registry_(registry), deliveries_(deliveries), jitter_(jitter_seed) {
  std::map<std::string, size_t> shown_before;
  for (ClientOptions& one : options) {
    auto client = std::make_unique<Client>();
    client->host = http::HostOf(one.url);
    client->endpoint = http::MakeEndpoint(one.http);
    client->headers = MakeHeaders(one);
    // Two clients of one host (two tenants, say) must not share gauges.
    std::string shown = one.name.empty() ? client->host : one.name;
    if (const size_t nth = ++shown_before[shown]; nth > 1) shown += "#" + std::to_string(nth);
    client->metrics = std::make_unique<ClientMetrics>(registry, client->host, shown);
    client->status.name = shown;
    client->status.url = http::MaskUrl(one.url);
    client->options = std::move(one);
    clients_.push_back(std::move(client));
  }
}

Sequence& Deliverer::SequenceOf(const PushBatch& batch) {
  Client& client = *clients_[batch.client];
  SequenceKey key(batch.lane, batch.tenant, batch.shard);
  std::unique_ptr<Sequence>& sequence = client.sequences[key];
  if (sequence == nullptr) {
    std::unique_ptr<Tenant>& tenant = client.tenants[batch.tenant];
    if (tenant == nullptr) tenant = std::make_unique<Tenant>(client, batch.tenant, registry_, client.host);
    ++tenant->sequences;
    sequence = std::make_unique<Sequence>(*tenant, std::move(key));
  }
  return *sequence;
}

void Deliverer::Add(std::unique_ptr<PushBatch> batch) {
  CHECK(batch->client < clients_.size(), "a batch for a client that does not exist");
  ++jobs_;
  Client& client = *clients_[batch->client];
  ++client.status.batches_waiting;
  client.status.bytes_waiting += batch->body.size;
  if (closed_) {
    Job job;
    job.batch = std::move(batch);
    Settle(job, true);
    return;
  }
  client.metrics->encoded_bytes.Add(static_cast<double>(batch->body.size));
  Sequence& sequence = SequenceOf(*batch);
  sequence.waiting.push_back(std::move(batch));
  Pump(sequence);
}

void Deliverer::Pump(Sequence& sequence) {
  while (sequence.main.parts.empty() && sequence.main.token == 0 && !sequence.waiting.empty()) {
    std::unique_ptr<PushBatch> batch = std::move(sequence.waiting.front());
    sequence.waiting.pop_front();
    Open(sequence, std::move(batch));
  }
  Send(sequence.main);
  for (auto it = sequence.aside.begin(); it != sequence.aside.end();) {
    Track& track = *it->second;
    if (track.parts.empty() && track.token == 0) {
      if (now_ >= track.keep_until) {
        SetTimer(track, kNever);
        it = sequence.aside.erase(it);
        continue;
      }
      SetTimer(track, track.keep_until);
    } else {
      Send(track);
    }
    ++it;
  }
  if (sequence.aside.empty() && sequence.main.parts.empty() && sequence.main.token == 0) Forget(sequence);
}

void Deliverer::Forget(Sequence& sequence) {
  Tenant& tenant = sequence.tenant;
  Client& client = tenant.client;
  SetTimer(sequence.main, kNever);
  client.sequences.erase(SequenceKey(sequence.key));
  // A tenant that must be treated with care is remembered until the next batch of it is
  // done; there are few.
  if (--tenant.sequences == 0 && now_ >= tenant.careful_until) client.tenants.erase(std::string(tenant.name));
}

void Deliverer::Open(Sequence& sequence, std::unique_ptr<PushBatch> batch) {
  auto job = std::make_shared<Job>();
  Part part;
  part.job = job;
  part.body.size = batch->body.size;
  part.body.data = std::shared_ptr<const char[]>(std::move(batch->body.data));
  part.entries = batch->entries;
  part.line_bytes = batch->line_bytes;
  job->batch = std::move(batch);
  job->open_parts = 1;
  sequence.main.parts.push_back(std::move(part));
  if (sequence.aside.empty() && now_ >= sequence.tenant.careful_until) return;  // as nearly always
  std::optional<PushRequest> request = Decode(sequence.main);
  if (!request) return;
  // Its parts take its place.
  sequence.main.parts.clear();
  Distribute(sequence, job, std::move(*request));
}

void Deliverer::Distribute(Sequence& sequence, const std::shared_ptr<Job>& job, PushRequest request) {
  Tenant& tenant = sequence.tenant;
  Part from;
  from.job = job;
  PushRequest together;
  std::vector<Part> apart;
  for (PushRequest& one : PerStream(std::move(request))) {
    const std::string& labels = one.streams(0).labels();
    const bool doubtful = now_ < tenant.careful_until && !Exists(tenant, labels);
    if (doubtful || sequence.aside.contains(labels)) {
      apart.push_back(MakePart(from, one));
    } else {
      together.add_streams()->Swap(one.mutable_streams(0));
    }
  }
  job->open_parts = static_cast<uint32_t>(apart.size()) + (together.streams_size() > 0 ? 1 : 0);
  if (job->open_parts == 0) Settle(*job, false);
  if (together.streams_size() > 0) sequence.main.parts.push_back(MakePart(from, together));
  PutAside(sequence, std::move(apart));
}

bool Deliverer::Exists(const Tenant& tenant, const std::string& stream) const {
  const auto found = tenant.confirmed.find(stream);
  return found != tenant.confirmed.end() && now_ - found->second <= kConfirmedFor;
}

void Deliverer::Send(Track& track) {
  if (track.token != 0 || track.parts.empty()) return;
  if (now_ < track.not_before) {
    SetTimer(track, track.not_before);
    return;
  }
  SetTimer(track, kNever);
  Tenant& tenant = track.sequence.tenant;
  Client& client = tenant.client;
  if (client.in_flight >= kMostInFlight) {
    if (!track.starved) client.starved.push_back(&track);
    track.starved = true;
    return;
  }
  track.token = next_token_++;
  track.sent = now_;
  ++client.in_flight;
  in_flight_[track.token] = &track;
  const Body& body = track.parts.front().probe ? probe_ : track.parts.front().body;
  track.request = http_.Submit(MakeRequest(tenant, body), [box = box_, token = track.token, keep = body.data](
                                                              Result<http::Response> result) {
    box->answers.push_back({token, std::move(result)});
  });
}

// It borrows the body.
http::Request Deliverer::MakeRequest(const Tenant& tenant, const Body& body) const {
  const Client& client = tenant.client;
  http::Request request;
  request.method = "POST";
  request.url = client.options.url;
  request.headers = client.headers;
  if (!tenant.name.empty()) {
    std::erase_if(request.headers, [](const http::Header& h) { return SameName(h.name, "X-Scope-OrgID"); });
    request.headers.push_back({"X-Scope-OrgID", tenant.name});
  }
  request.body = body.view();
  request.endpoint = client.endpoint;
  request.timeout = client.options.timeout;
  request.max_response_bytes = kAnswerBytes;
  return request;
}

void Deliverer::SetTimer(Track& track, MonoTime when) {
  if (track.timer == when) return;
  if (track.timer != kNever) timers_.erase({track.timer, &track});
  if (when != kNever) timers_.insert({when, &track});
  track.timer = when;
}

void Deliverer::Tick(MonoTime now, WallNanos wall) {
  now_ = now;
  wall_ = wall;
  if (closed_) return;
  std::vector<AnswerBox::Answer> answers;
  answers.swap(box_->answers);
  for (AnswerBox::Answer& answer : answers) {
    const auto found = in_flight_.find(answer.token);
    if (found == in_flight_.end()) {
      for (const auto& client : clients_) {
        if (client->knock_token == answer.token) OnKnock(*client, answer.result);
      }
      continue;  // or given up
    }
    Track& track = *found->second;
    in_flight_.erase(found);
    OnAnswer(track, std::move(answer.result));
  }
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Track& track = *timers_.begin()->second;
    SetTimer(track, kNever);
    Pump(track.sequence);
  }
  for (const auto& client : clients_) {
    if (client->knock_at <= now) Knock(*client);
  }
  if (stop_at_ != kNever && !hurried_) HurryUp();
  if (now >= stop_at_) CancelAll();
}

MonoTime Deliverer::NextDeadline() const {
  if (closed_) return kNever;
  if (!box_->answers.empty()) return MonoTime{};  // at once; a time that one may subtract from
  if (stop_at_ != kNever && !hurried_) return MonoTime{};
  MonoTime next = jobs_ > 0 ? stop_at_ : kNever;
  if (!timers_.empty()) next = std::min(next, timers_.begin()->first);
  for (const auto& client : clients_) next = std::min(next, client->knock_at);
  return next;
}

// The waits that run when the program is to end are cut short, once.
void Deliverer::HurryUp() {
  hurried_ = true;
  std::vector<Track*> waiting;
  for (const auto& [when, track] : timers_) {
    if (!track->parts.empty()) waiting.push_back(track);
  }
  for (Track* track : waiting) {
    track->not_before = now_;
    Send(*track);
  }
}

void Deliverer::CancelAll() {
  closed_ = true;
  for (const auto& [token, track] : in_flight_) http_.Cancel(track->request);
  in_flight_.clear();
  timers_.clear();
  for (const auto& client : clients_) {
    if (client->knock_token != 0) http_.Cancel(client->knock);
  }
  std::vector<std::shared_ptr<Job>> jobs;
  const auto collect = [&jobs](const Track& track) {
    for (const Part& part : track.parts) {
      if (part.job->left.empty()) jobs.push_back(part.job);
      part.job->left.push_back(&part);
    }
  };
  for (const auto& client : clients_) {
    jobs.clear();
    for (const auto& [key, sequence] : client->sequences) {
      collect(sequence->main);
      for (const auto& [stream, track] : sequence->aside) collect(*track);
    }
    for (const std::shared_ptr<Job>& job : jobs) Settle(*job, true);
    for (const auto& [key, sequence] : client->sequences) {
      for (std::unique_ptr<PushBatch>& batch : sequence->waiting) {
        Job job;
        job.batch = std::move(batch);
        Settle(job, true);
      }
    }
    client->starved.clear();
    client->in_flight = 0;
    client->sequences.clear();
    client->tenants.clear();
  }
}

void Deliverer::UpdateStatus() {
  for (const auto& client : clients_) {
    ClientStatus& status = client->status;
    status.in_flight = client->in_flight;
    status.held_streams = 0;
    status.backoff = {};
    for (const auto& [key, sequence] : client->sequences) {
      const auto look = [&](const Track& track) {
        if (!track.parts.empty() && track.not_before > now_) {
          status.backoff = std::max<Duration>(status.backoff, track.not_before - now_);
        }
      };
      look(sequence->main);
      for (const auto& [stream, track] : sequence->aside) {
        if (!track->parts.empty()) ++status.held_streams;
        look(*track);
      }
    }
    ClientMetrics& metrics = *client->metrics;
    metrics.waiting_batches.Set(static_cast<double>(status.batches_waiting));
    metrics.waiting_bytes.Set(static_cast<double>(status.bytes_waiting));
    metrics.in_flight.Set(static_cast<double>(status.in_flight));
    metrics.held_streams.Set(static_cast<double>(status.held_streams));
    metrics.backoff.Set(std::chrono::duration<double>(status.backoff).count());
  }
}

std::vector<ClientStatus> Deliverer::Status() {
  UpdateStatus();
  std::vector<ClientStatus> out;
  for (const auto& client : clients_) out.push_back(client->status);
  return out;
}

}  // namespace agent::push
