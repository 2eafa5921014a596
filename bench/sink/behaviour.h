// SPDX-License-Identifier: Apache-2.0
// How the sink is to misbehave: a list of steps, each for some requests, given on the
// command line or by POST /control. Answers and their sentences follow Loki's
// (pkg/validation, pkg/distributor, pkg/ingester), as far as clients read them.
// Thread-compatible. The words of the JSON are listed in bench/README.md.
#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "bench/sink/server.h"
#include "bench/sink/store.h"

namespace bench {

struct Step {
  int status = 0;         // 0: answer as if all were well
  std::string as;         // one of Loki's refusals, see kRefusals in behaviour.cc
  std::string body;       // instead of the usual sentence
  std::string match;      // only requests, and of `as` only streams, whose labels contain it
  uint64_t count = 0;     // requests it holds for; 0: for ever
  uint64_t delay_ms = 0;
  uint64_t retry_after = 0;  // seconds
  double chance = 1;      // share of the requests it holds for
  bool store = false;     // keep the entries although the status says otherwise
  bool drop_answer = false;  // close the connection after storing
  bool close = false;        // close the connection without storing
};

// What to do with one request.
struct Decision {
  Answer answer;
  std::vector<bool> store;  // per stream
};

class Behaviour {
 public:
  explicit Behaviour(uint64_t seed) : random_(seed) {}

  // One step or a list of them, instead of what was there. An empty string, or what is
  // wrong with it; then nothing has changed. `{}` and `[]` make the sink well again.
  std::string Set(std::string_view json);
  Decision Decide(std::string_view tenant, const PushDecoder& push, const Store& store);
  size_t steps_left() const { return steps_.size(); }

 private:
  const Step* Next(const PushDecoder& push);

  std::deque<Step> steps_;
  Step current_;
  std::mt19937_64 random_;
};

}  // namespace bench
