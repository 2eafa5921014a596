// SPDX-License-Identifier: Apache-2.0
// The end of an outage is noticed within seconds, whatever the backoff has grown to, and
// a Loki that is there but cannot store is not asked more often than the backoff says.
#include <gmock/gmock.h>

#include <algorithm>

#include "agent/core/log.h"
#include "tests/push/push_harness.h"

namespace agent::push {
namespace {

using ::testing::HasSubstr;

class Knock : public PushHarness {
 protected:
  Knock() { options_.backoff = {500ms, 5min, 0}; }

  void Pass(Duration duration) {
    const MonoTime until = now_ + duration;
    while (std::min(pusher_->NextDeadline(), until) < until) SkipWait();
    Advance(until - now_);
  }
  // Requests that carried nothing, and the others.
  std::pair<int, int> Asked(const ScriptedLoki& loki) const {
    const auto requests = loki.requests();
    const auto empty = std::count_if(requests.begin(), requests.end(), [](const auto& r) { return r.streams.empty(); });
    return {static_cast<int>(empty), static_cast<int>(requests.size()) - static_cast<int>(empty)};
  }
  LogCapture log_;
};

TEST_F(Knock, WhoWasAwayIsFoundWithinSeconds) {
  ScriptedLoki::Options deaf;
  deaf.listening = false;
  ScriptedLoki away(deaf);
  options_.url = away.PushUrl();
  Send({Stream("a", {"1"})}, {.tenant = "a"});
  Send({Stream("b", {"1"})}, {.tenant = "b"});
  Crank();
  Pass(1h);
  EXPECT_GT(pusher_->Status()[0].backoff, 15s);
  away.Listen();
  Pass(15s);
  EXPECT_EQ(deliveries_.size(), 2U);
  EXPECT_EQ(Asked(away), std::pair(1, 2));
  EXPECT_THAT(away.requests()[0].Header("x-scope-orgid"), ::testing::AnyOf("a", "b"));
  EXPECT_THAT(log_.text(), HasSubstr("answers again"));
  Pass(1h);
  EXPECT_EQ(Asked(away).first, 1) << "and then nobody knocks";
}

struct AnswerCase {
  const char* name;
  ScriptedAnswer answer;
  bool knocks;
};

class KnockOn : public Knock, public ::testing::WithParamInterface<AnswerCase> {};

TEST_P(KnockOn, OnlyWhereNobodyIs) {
  loki_.SetHandler([](const ReceivedRequest&) { return GetParam().answer; });
  Send({Stream("a", {"1"})});
  Crank();
  Pass(1h);
  const auto [knocks, tries] = Asked(loki_);
  EXPECT_LE(tries, 40);
  if (GetParam().knocks) {
    EXPECT_GE(knocks, 200);
    EXPECT_LE(knocks, 360);
  } else {
    EXPECT_EQ(knocks, 0);
  }
  loki_.SetHandler([](const ReceivedRequest&) { return Answer(204, "", true); });
  Pass(GetParam().knocks ? 15s : 6min);
  EXPECT_EQ(deliveries_.size(), 1U);
}

ScriptedAnswer Later() {
  ScriptedAnswer answer = Answer(503);
  answer.headers = {{"Retry-After", "120"}};
  return answer;
}

INSTANTIATE_TEST_SUITE_P(
    Answers, KnockOn,
    ::testing::Values(AnswerCase{"no_answer", Broken(Wire::kNoAnswer), true}, AnswerCase{"reset", Broken(Wire::kReset), true},
                      AnswerCase{"bad_gateway", Answer(502), true}, AnswerCase{"unavailable", Answer(503), true},
                      AnswerCase{"gateway_timeout", Answer(504), true}, AnswerCase{"error", Answer(500, "oops"), false},
                      AnswerCase{"no_org", Answer(401, "no org id"), false}, AnswerCase{"limited", Answer(429), false},
                      AnswerCase{"later", Later(), false}),
    [](const auto& one) { return one.param.name; });

// A Loki that starts refuses an empty push before it looks whether it can store anything.
TEST_F(Knock, WhoIsThereButCannotStoreIsLeftToTheBackoff) {
  loki_.SetHandler([](const ReceivedRequest&) { return Answer(503, "no ingester"); });
  Send({Stream("a", {"1"})});
  Crank();
  Pass(20min);
  const int tries = Asked(loki_).second;
  loki_.SetHandler([](const ReceivedRequest& request) {
    return request.streams.empty() ? Answer(422, "error at least one valid stream is required for ingestion")
                                   : Answer(503, "no ingester");
  });
  const int knocks = Asked(loki_).first;
  Pass(1h);
  EXPECT_LE(Asked(loki_).first, knocks + 1);
  EXPECT_LE(Asked(loki_).second, tries + 30) << "the schedule once anew, and then every few minutes";
  // It goes, and comes back: that is another absence.
  loki_.SetHandler([](const ReceivedRequest&) { return Broken(Wire::kReset); });
  Pass(10min);
  loki_.SetHandler([](const ReceivedRequest&) { return Answer(204, "", true); });
  Pass(15s);
  EXPECT_EQ(deliveries_.size(), 1U);
}

TEST_F(Knock, EachTryCountsWhereTheyAreCounted) {
  options_.backoff.max_retries = 20;
  loki_.SetHandler([](const ReceivedRequest&) { return Broken(Wire::kReset); });
  Send({Stream("a", {"1"})});
  Crank();
  Pass(30min);
  EXPECT_EQ(Asked(loki_).first, 0);
  EXPECT_TRUE(deliveries_.empty());
}

TEST_F(Knock, TheEndDoesNotWaitForOne) {
  loki_.SetHandler([](const ReceivedRequest& request) { return Broken(request.streams.empty() ? Wire::kHold : Wire::kReset); });
  Send({Stream("a", {"1"})});
  Crank();
  for (int i = 0; i < 100 && Asked(loki_).first == 0; ++i) {
    const Duration wait = pusher_->NextDeadline() - now_;
    now_ += wait;
    Crank([&] { return Asked(loki_).first > 0; });
  }
  ASSERT_EQ(Asked(loki_).first, 1);
  pusher_->Stop(now_ + 5s);
  for (int i = 0; i < 100 && !pusher_->Idle(); ++i) {
    now_ += 1s;
    pusher_->Tick(now_, wall_);
    http_.Poll(10ms);
  }
  EXPECT_TRUE(pusher_->Idle());
  ASSERT_EQ(deliveries_.size(), 1U);
  EXPECT_TRUE(deliveries_[0].cancelled);
}

}  // namespace
}  // namespace agent::push
