// SPDX-License-Identifier: Apache-2.0
// The sink's roads: Loki's push endpoint, and what tests and benchmarks ask.
// Between Server (bytes in and out), Behaviour (what to answer) and Store (what came).
// Thread-compatible: everything runs on the server's thread.
#pragma once

#include <cstdio>
#include <map>
#include <string>

#include "bench/sink/behaviour.h"
#include "bench/sink/server.h"
#include "bench/sink/store.h"

namespace bench {

struct ApiOptions {
  StoreOptions store;
  uint64_t max_body = 0;  // 413 above it; 0: no limit
  uint64_t delay_ms = 0;  // before every answer to a push
  uint64_t seed = 1;
  std::FILE* dump = nullptr;  // every stored entry as a line of JSON; borrowed
};

class Api {
 public:
  explicit Api(ApiOptions options);

  void SetServer(Server* server) { server_ = server; }
  std::string SetBehaviour(std::string_view json) { return behaviour_.Set(json); }
  void Handle(Server::ConnectionId id, const Request& request);

 private:
  Answer Push(const Request& request, bool otlp);
  Answer Route(const Request& request);
  void Wait(Server::ConnectionId id, const Request& request);
  void WakeWaiters();
  void Dump(std::string_view tenant, const StreamView& stream);
  std::string Stats(bool brief) const;
  std::string Streams(size_t limit) const;

  const ApiOptions options_;
  Server* server_ = nullptr;
  Behaviour behaviour_;
  Store store_;
  PushDecoder decoder_;
  std::string dump_line_;

  uint64_t requests_ = 0, body_bytes_ = 0, raw_bytes_ = 0, malformed_ = 0;
  int64_t first_push_ = 0, last_push_ = 0;  // wall-clock nanoseconds
  std::map<int, uint64_t> answers_;

  struct Waiter {
    uint64_t marks, entries;
  };
  std::map<Server::ConnectionId, Waiter> waiters_;
};

}  // namespace bench
