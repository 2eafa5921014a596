// SPDX-License-Identifier: Apache-2.0
// A Pusher against a scripted Loki over real sockets, with time turned by hand: requests
// take as long as they take, waits between them take no time at all.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/http/client.h"
#include "agent/metrics/registry.h"
#include "agent/push/push.h"
#include "tests/support/scripted_loki.h"

namespace agent::push {

using test::PushedEntry;
using test::PushedStream;
using test::ReceivedRequest;
using test::ScriptedAnswer;
using test::ScriptedLoki;
using Wire = ScriptedAnswer::Wire;
using namespace std::chrono_literals;

inline ScriptedAnswer Answer(int status, std::string body = "", bool store = false) {
  ScriptedAnswer answer;
  answer.status = status;
  answer.body = std::move(body);
  answer.store = store;
  return answer;
}
inline ScriptedAnswer Broken(Wire wire, bool store = false) {
  ScriptedAnswer answer = Answer(200, "some body", store);
  answer.wire = wire;
  return answer;
}

// `{app="a"}` with lines "0", "1" ... or the given ones; times rise from `from` by 1 s.
inline PushedStream Stream(const std::string& app, std::vector<std::string> lines, int64_t from = 1'700'000'000) {
  PushedStream stream;
  stream.labels = "{app=\"" + app + "\"}";
  for (std::string& line : lines) stream.entries.push_back({from++ * 1'000'000'000, std::move(line), {}});
  return stream;
}

class PushHarness : public ::testing::Test, public DeliverySink {
 protected:
  struct Where {
    std::string tenant = {};
    uint32_t lane = 0;
    uint32_t client = 0;
    uint32_t shard = 0;
  };

  PushHarness() { options_.url = loki_.PushUrl(); }
  ~PushHarness() override { pusher_.reset(); }

  void Settled(Delivery delivery) override { deliveries_.push_back(std::move(delivery)); }

  void Start(std::vector<ClientOptions> clients) {
    pusher_ = std::make_unique<Pusher>(std::move(clients), http_, registry_, *this, 1);
  }
  BatchId Send(const std::vector<PushedStream>& streams, Where where) {
    if (pusher_ == nullptr) Start({options_});
    auto batch = std::make_unique<PushBatch>();
    batch->id = ++last_id_;
    batch->tenant = where.tenant;
    batch->lane = where.lane;
    batch->client = where.client;
    batch->shard = where.shard;
    batch->opened = now_;
    for (const PushedStream& stream : streams) {
      batch->entries += static_cast<uint32_t>(stream.entries.size());
      for (const PushedEntry& entry : stream.entries) batch->line_bytes += entry.line.size();
    }
    const std::string body = test::EncodePush(streams);
    batch->body.data.reset(new char[body.size()]);
    std::copy(body.begin(), body.end(), batch->body.data.get());
    batch->body.size = batch->body.capacity = body.size();
    pusher_->Send(std::move(batch));
    return last_id_;
  }
  BatchId Send(const std::vector<PushedStream>& streams) { return Send(streams, Where()); }

  // Cranks until `done` or nothing more happens without time passing.
  void Crank(const std::function<bool()>& done = [] { return false; }) {
    const auto give_up = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < give_up) {
      pusher_->Tick(now_, wall_);
      if (done() || (http_.pending() == 0 && pusher_->NextDeadline() > now_)) return;
      http_.Poll(pusher_->NextDeadline() <= now_ ? Duration::zero() : Duration(10ms));
    }
    FAIL() << "the test's Pusher did not come to rest within 30 s";
  }
  void Advance(Duration duration) {
    now_ += duration;
    wall_ += duration.count();
    Crank();
  }
  // The wait until the next try, which is then made.
  Duration SkipWait() {
    const Duration wait = pusher_->NextDeadline() - now_;
    Advance(wait);
    return wait;
  }
  // Cranks and skips waits until everything is settled; false if it takes too long.
  bool Finish(int most_waits = 1000) {
    Crank();
    for (int i = 0; i < most_waits && !pusher_->Idle(); ++i) SkipWait();
    return pusher_->Idle();
  }

  std::vector<BatchId> SettledIds() const {
    std::vector<BatchId> ids;
    for (const Delivery& delivery : deliveries_) ids.push_back(delivery.batch->id);
    return ids;
  }
  // "reason stream entries/bytes" of all refusals.
  std::vector<std::string> Refusals() const {
    std::vector<std::string> out;
    for (const Delivery& delivery : deliveries_) {
      for (const Refusal& r : delivery.refused) {
        out.push_back(r.reason + " " + r.stream + " " + std::to_string(r.entries) + "/" + std::to_string(r.bytes));
      }
    }
    return out;
  }
  std::vector<std::string> Lines(const std::string& app) const { return loki_.StoredLines("{app=\"" + app + "\"}"); }
  bool Exposes(const std::string& sample) { return registry_.Text().find("\n" + sample + "\n") != std::string::npos; }

  ScriptedLoki loki_;
  ClientOptions options_;
  metrics::Registry registry_;
  http::Client http_{"sluice/test"};
  std::unique_ptr<Pusher> pusher_;
  std::vector<Delivery> deliveries_;
  MonoTime now_{std::chrono::hours(1)};
  WallNanos wall_ = 1'700'000'000'000'000'000;
  BatchId last_id_ = 0;
};

// Loki's sentences.
inline std::string StreamRateText(const std::string& labels, int ignored, int total) {
  return "entry with timestamp 2023-11-14 22:13:20 +0000 UTC ignored, reason: 'Per stream rate limit exceeded (limit: "
         "3MB/sec) while attempting to ingest for stream '" + labels + "' totaling 10B, consider splitting a stream via "
         "additional labels or contact your Loki administrator to see if the limit can be increased',\nuser 'fake', "
         "total ignored: " + std::to_string(ignored) + " out of " + std::to_string(total) + " for stream: " + labels + "\n";
}
inline std::string StreamLimitText(const std::string& labels) {
  return "maximum active stream limit exceeded when trying to create stream " + labels +
         ", reduce the number of active streams (reduce labels or reduce label values), or contact your Loki "
         "administrator to see if the limit can be increased, user: 'fake'\n";
}
inline std::string TenantRateText() {
  return "ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec) while attempting to ingest '10' lines "
         "totaling '100' bytes, reduce log volume or contact your Loki administrator to see if the limit can be "
         "increased\n";
}

}  // namespace agent::push
