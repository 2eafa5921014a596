// SPDX-License-Identifier: Apache-2.0
// The Pusher as seen from outside: what is sent, in which order, what comes back.
#include "agent/push/push.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "agent/core/log.h"
#include "tests/push/push_harness.h"
#include "tests/support/test_certs.h"

namespace agent::push {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Lines = std::vector<std::string>;

using Push = PushHarness;

TEST_F(Push, AnAcceptedBatchComesBackUntouched) {
  options_.tenant_id = "unused here: the batch says it";
  options_.headers = {{"X-Extra", "yes"}, {"X-Scope-OrgID", "overridden"}};
  Start({options_});
  const BatchId id = Send({Stream("a", {"one", "two"})}, {.tenant = "team"});
  ASSERT_TRUE(Finish());
  EXPECT_THAT(SettledIds(), ElementsAre(id));
  EXPECT_FALSE(deliveries_[0].cancelled);
  EXPECT_THAT(deliveries_[0].refused, IsEmpty());
  EXPECT_THAT(Lines("a"), ElementsAre("one", "two"));
  const ReceivedRequest seen = loki_.requests().at(0);
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/loki/api/v1/push");
  EXPECT_EQ(seen.Header("content-type"), "application/x-protobuf");
  EXPECT_EQ(seen.Header("x-scope-orgid"), "team");
  EXPECT_EQ(seen.Header("x-extra"), "yes");
  EXPECT_EQ(seen.Header("user-agent"), "sluice/test");
  EXPECT_FALSE(seen.headers.contains("content-encoding"));
  EXPECT_FALSE(seen.headers.contains("expect"));
}

TEST_F(Push, WithoutATenantThereIsNoTenantHeaderOfOurs) {
  Send({Stream("a", {"one"})});
  ASSERT_TRUE(Finish());
  EXPECT_FALSE(loki_.requests().at(0).headers.contains("x-scope-orgid"));
}

TEST_F(Push, BatchesOfOneSequenceGoOutOneAfterTheOther) {
  loki_.Script({Answer(500), Broken(Wire::kNoAnswer)});
  std::vector<BatchId> sent;
  for (int i = 0; i < 5; ++i) sent.push_back(Send({Stream("a", {std::to_string(i)})}));
  Crank();
  EXPECT_EQ(loki_.requests().size(), 1u);  // the others wait for the first
  ASSERT_TRUE(Finish());
  EXPECT_EQ(SettledIds(), sent);
  EXPECT_THAT(Lines("a"), ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_EQ(loki_.requests().size(), 7u);
}

TEST_F(Push, SequencesDoNotWaitForEachOther) {
  loki_.SetHandler([](const ReceivedRequest& request) {
    return request.Header("x-scope-orgid") == "bad" ? Answer(500) : Answer(204, "", true);
  });
  const BatchId bad = Send({Stream("a", {"x"})}, {.tenant = "bad"});
  const BatchId tenant = Send({Stream("b", {"x"})}, {.tenant = "good"});
  const BatchId shard = Send({Stream("c", {"x"})}, {.tenant = "good", .shard = 1});
  const BatchId lane = Send({Stream("d", {"x"})}, {.tenant = "good", .lane = 1});
  Crank();
  EXPECT_THAT(SettledIds(), UnorderedElementsAre(tenant, shard, lane));
  loki_.SetHandler([](const ReceivedRequest&) { return Answer(204, "", true); });
  ASSERT_TRUE(Finish());
  EXPECT_EQ(SettledIds().back(), bad);
}

TEST_F(Push, ClientsDoNotWaitForEachOther) {
  ScriptedLoki::Options closed;
  closed.listening = false;
  ScriptedLoki away(closed);
  ClientOptions other = options_;
  other.url = away.PushUrl();
  Start({other, options_});
  Send({Stream("a", {"x"})}, {.tenant = "", .client = 0});
  const BatchId good = Send({Stream("b", {"x"})}, {.tenant = "", .client = 1});
  Crank();
  EXPECT_THAT(SettledIds(), ElementsAre(good));
  EXPECT_THAT(pusher_->Status()[0].last_error, HasSubstr("cannot connect"));
  EXPECT_EQ(pusher_->Status()[0].last_status, -1);
  away.Listen();
  ASSERT_TRUE(Finish());
  EXPECT_EQ(away.requests().size(), 1u);
}

TEST_F(Push, NothingStopsTheRetries) {
  options_.backoff = {500ms, 5min, 0};
  std::vector<ScriptedAnswer> script;
  for (int i = 0; i < 4; ++i) {
    for (const ScriptedAnswer& answer :
         {Answer(500, "oops"), Answer(503), Answer(429, TenantRateText()), Broken(Wire::kReset), Broken(Wire::kMidBody),
          Answer(404, "not here"), Answer(401, "no org id"), Answer(403), Answer(408), Answer(302)}) {
      script.push_back(answer);
    }
  }
  loki_.Script(script);
  Send({Stream("a", {"only"})});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki_.requests().size(), 41u);
  EXPECT_THAT(Lines("a"), ElementsAre("only"));
  EXPECT_THAT(Refusals(), IsEmpty());
}

TEST_F(Push, WaitsAreThoseOfPromtail) {
  options_.backoff = {1s, 10s, 0};
  loki_.Script(std::vector<ScriptedAnswer>(7, Answer(500)));
  Send({Stream("a", {"x"})});
  Crank();
  const std::pair<Duration, Duration> bounds[] = {{1s, 2s}, {2s, 4s}, {4s, 8s}, {8s, 10s}, {5s, 10s}, {5s, 10s}};
  for (const auto& [low, high] : bounds) {
    EXPECT_EQ(pusher_->Status()[0].backoff, pusher_->NextDeadline() - now_);
    const Duration wait = SkipWait();
    EXPECT_GE(wait, low);
    EXPECT_LE(wait, high);
  }
  ASSERT_TRUE(Finish());
  EXPECT_EQ(pusher_->Status()[0].backoff, Duration::zero());
  // An accepted request starts the schedule anew.
  loki_.Script({Answer(500)});
  Send({Stream("a", {"y"})});
  Crank();
  EXPECT_LE(SkipWait(), 2s);
}

// After a long outage the waits of tenants and lanes are minutes long, and run out one by one.
TEST_F(Push, WhenLokiIsBackNobodyWaitsOutItsBackoff) {
  options_.backoff = {500ms, 5min, 0};
  loki_.SetHandler([](const ReceivedRequest&) { return Answer(503); });
  const char* tenants[] = {"a", "b", "c", "d"};
  for (const char* tenant : tenants) Send({Stream(tenant, {"1"})}, {.tenant = tenant});
  Crank();
  for (int i = 0; i < 40; ++i) SkipWait();
  EXPECT_GT(pusher_->Status()[0].backoff, 1min);
  loki_.SetHandler([](const ReceivedRequest& request) {
    return request.Header("x-scope-orgid") == "d" ? Answer(500) : Answer(204, "", true);
  });
  const size_t before = loki_.requests().size();
  SkipWait();  // one is through, or was refused again
  if (deliveries_.empty()) SkipWait();
  EXPECT_EQ(deliveries_.size(), 3u);
  // Who fails by itself was asked when a knock was answered and when a first one got through, and is
  // not asked by everybody's success.
  const size_t asked = loki_.requests().size() - before;
  EXPECT_LE(asked, 6u);
  for (int i = 0; i < 10; ++i) Send({Stream("a", {"2"})}, {.tenant = "a"});
  Crank();
  EXPECT_EQ(loki_.requests().size() - before, asked + 10);
  loki_.SetHandler([](const ReceivedRequest&) { return Answer(204, "", true); });
  ASSERT_TRUE(Finish());
}

TEST_F(Push, AnswersThatSayWhenToComeBackAreWaitedOut) {
  options_.backoff = {500ms, 5min, 0};
  loki_.SetHandler([](const ReceivedRequest&) {
    ScriptedAnswer answer = Answer(503);
    answer.headers = {{"Retry-After", "120"}};
    return answer;
  });
  const BatchId told = Send({Stream("a", {"1"})}, {.tenant = "a"});
  Crank();
  loki_.SetHandler([](const ReceivedRequest&) { return Answer(204, "", true); });
  const BatchId other = Send({Stream("b", {"1"})}, {.tenant = "b"});
  Crank();
  EXPECT_THAT(SettledIds(), ElementsAre(other));
  EXPECT_GE(SkipWait(), 119s);
  EXPECT_THAT(SettledIds(), ElementsAre(other, told));
}

TEST_F(Push, RetryAfterIsHonoured) {
  options_.backoff = {1s, 60s, 0};
  const auto with = [](std::string value) {
    ScriptedAnswer answer = Answer(429, TenantRateText());
    answer.headers = {{"Retry-After", std::move(value)}};
    return answer;
  };
  // wall_ is 2023-11-14 22:13:20 UTC.
  loki_.Script({with("30"), with("Tue, 14 Nov 2023 22:14:50 GMT"), with("9999999"), with("0"), with("nonsense")});
  Send({Stream("a", {"x"})});
  Crank();
  const auto near = [&](Duration wanted) {
    const Duration wait = SkipWait();
    EXPECT_GE(wait, wanted);
    EXPECT_LE(wait, wanted + wanted / 10);
  };
  near(30s);
  // Asked at about 22:13:50 to wait until 22:14:50, less what the wait went over.
  const Duration until_date = SkipWait();
  EXPECT_GE(until_date, 55s);
  EXPECT_LE(until_date, 66s);
  near(60s);  // our own bound
  near(1s);   // our own lower bound
  ASSERT_TRUE(Finish());
}

TEST_F(Push, MaxRetriesIsHonouredWhereItIsSet) {
  options_.backoff.max_retries = 3;
  loki_.SetHandler([](const ReceivedRequest& request) {
    const std::string tenant = request.Header("x-scope-orgid");
    return tenant == "slow" ? Answer(429, TenantRateText()) : Answer(500, "oops");
  });
  Send({Stream("a", {"12345"}), Stream("b", {"678"})}, {.tenant = "broken"});
  ASSERT_TRUE(Finish());
  Send({Stream("a", {"1"})}, {.tenant = "slow"});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki_.requests().size(), 6u);
  EXPECT_THAT(Refusals(), ElementsAre("max_retries {app=\"a\"} 1/5", "max_retries {app=\"b\"} 1/3", "rate_limited {app=\"a\"} 1/1"));
  EXPECT_FALSE(deliveries_[0].cancelled);
  const std::string host = "host=\"127.0.0.1:" + std::to_string(loki_.port()) + "\"";
  EXPECT_TRUE(Exposes("promtail_dropped_entries_total{" + host + ",reason=\"ingester_error\",tenant=\"broken\"} 2"));
  EXPECT_TRUE(Exposes("promtail_dropped_entries_total{" + host + ",reason=\"rate_limited\",tenant=\"slow\"} 1"));
  EXPECT_TRUE(Exposes("promtail_dropped_entries_total{" + host + ",reason=\"line_too_long\",tenant=\"slow\"} 0"));
  EXPECT_TRUE(Exposes("promtail_batch_retries_total{" + host + ",tenant=\"broken\"} 3"));
}

TEST_F(Push, DropRateLimitedBatches) {
  options_.drop_rate_limited_batches = true;
  loki_.Script({Answer(429, TenantRateText())});
  Send({Stream("a", {"x"})});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki_.requests().size(), 1u);
  EXPECT_THAT(Refusals(), ElementsAre("rate_limited {app=\"a\"} 1/1"));
  EXPECT_TRUE(Exposes("promtail_batch_retries_total{host=\"" + http::HostOf(loki_.PushUrl()) + "\",tenant=\"\"} 0"));
}

TEST_F(Push, AnUnexpectedRefusalIsKeptUnlessOneAsksForPromtailsWay) {
  LogCapture log;
  loki_.Script({Answer(404, "404 page not found")});
  Send({Stream("a", {"x"})});
  Crank();
  EXPECT_THAT(log.text(), HasSubstr("level=error"));
  EXPECT_THAT(log.text(), HasSubstr(loki_.PushUrl()));
  EXPECT_THAT(log.text(), HasSubstr("status=404"));
  ASSERT_TRUE(Finish());
  EXPECT_THAT(Lines("a"), ElementsAre("x"));
  EXPECT_THAT(Refusals(), IsEmpty());
}

TEST_F(Push, AFileOfOursThatIsMissingIsAnErrorAndIsTriedAgain) {
  LogCapture log;
  options_.http.authorization.credentials_file = "/nonexistent/token";
  Send({Stream("a", {"x"})});
  Crank();
  EXPECT_THAT(log.text(), HasSubstr("level=error"));
  EXPECT_THAT(log.text(), HasSubstr("/nonexistent/token"));
  EXPECT_FALSE(pusher_->Idle());
  EXPECT_GT(pusher_->NextDeadline(), now_);
  EXPECT_TRUE(loki_.requests().empty());
}

TEST_F(Push, ACertificateOfAnotherAuthorityHoldsUpAndLosesNothing) {
  const test::CertAndKey old_ca = test::MakeAuthority("old"), new_ca = test::MakeAuthority("new");
  const auto tls = [](const test::CertAndKey& ca) {
    const test::CertAndKey own = test::MakeCertificate(ca, "loki", "IP:127.0.0.1");
    auto made = std::make_shared<test::ServerTls>();
    made->certificate = own.certificate;
    made->key = own.key;
    return made;
  };
  ScriptedLoki::Options server;
  server.tls = tls(old_ca);
  ScriptedLoki loki(server);
  const std::string ca_file = ::testing::TempDir() + "push-ca-" + std::to_string(loki.port()) + ".pem";
  std::ofstream(ca_file) << old_ca.certificate;
  options_.url = loki.PushUrl();
  options_.http.tls.ca_file = ca_file;
  Send({Stream("a", {"1"})});
  ASSERT_TRUE(Finish(0));
  loki.SetTls(tls(new_ca));
  loki.CloseConnections();
  LogCapture log;
  Send({Stream("a", {"2"})});
  Crank();
  for (int i = 0; i < 3; ++i) SkipWait();
  EXPECT_EQ(deliveries_.size(), 1u);
  EXPECT_THAT(log.text(), HasSubstr("certificate"));
  std::ofstream(ca_file) << new_ca.certificate;  // as a Secret that is renewed
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki.StoredLines("{app=\"a\"}"), (std::vector<std::string>{"1", "2"}));
  EXPECT_THAT(Refusals(), IsEmpty());
  std::remove(ca_file.c_str());
}

TEST_F(Push, DropRefusedBatches) {
  options_.drop_refused_batches = true;
  loki_.Script({Answer(401, "no org id"), Answer(400, "what?")});
  Send({Stream("a", {"x"})});
  Send({Stream("a", {"y", "z"})});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki_.requests().size(), 2u);
  EXPECT_THAT(Refusals(), ElementsAre("refused {app=\"a\"} 1/1", "refused {app=\"a\"} 2/2"));
}

TEST_F(Push, IngestionThatIsBlockedIsCountedAsRefused) {
  loki_.Script({Answer(260, "ingestion blocked for user fake until '2030-01-01T00:00:00Z' with status code '260'\n")});
  Send({Stream("a", {"x", "y"})});
  ASSERT_TRUE(Finish());
  EXPECT_THAT(Refusals(), ElementsAre("ingestion_blocked {app=\"a\"} 2/2"));
  EXPECT_THAT(deliveries_[0].refused[0].detail, HasSubstr("until '2030-01-01"));
}

TEST_F(Push, AnAnswerThatWasLostIsSentAgainWithTheSameBytes) {
  loki_.Script({Broken(Wire::kNoAnswer, true), Broken(Wire::kMidBody, true)});
  Send({Stream("a", {"x"})});
  ASSERT_TRUE(Finish());
  const auto requests = loki_.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].body, requests[1].body);
  EXPECT_EQ(requests[0].body, requests[2].body);
}

TEST_F(Push, ASlowAnswerIsGivenUpAfterTheTimeout) {
  options_.timeout = 50ms;
  loki_.Script({Broken(Wire::kHold)});
  Send({Stream("a", {"x"})});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki_.requests().size(), 2u);
  EXPECT_THAT(Lines("a"), ElementsAre("x"));
  loki_.Release();
}

TEST_F(Push, StopFinishesWhatItCanAndGivesTheRestBack) {
  options_.backoff = {60s, 5min, 0};
  loki_.SetHandler([](const ReceivedRequest& request) {
    return request.Header("x-scope-orgid") == "held" ? Broken(Wire::kHold) : Answer(204, "", true);
  });
  loki_.Script({Answer(500)});
  const BatchId retried = Send({Stream("a", {"x"})}, {.tenant = "good"});
  Crank();
  const BatchId held = Send({Stream("b", {"x"})}, {.tenant = "held"});
  const BatchId behind = Send({Stream("b", {"y"})}, {.tenant = "held"});
  Crank([&] { return loki_.requests().size() == 2; });
  pusher_->Stop(now_ + 10s);
  Crank([&] { return deliveries_.size() == 1; });  // the wait of 60 s is cut
  EXPECT_THAT(SettledIds(), ElementsAre(retried));
  EXPECT_FALSE(pusher_->Idle());
  EXPECT_EQ(pusher_->NextDeadline(), now_ + 10s);
  Advance(10s);
  EXPECT_TRUE(pusher_->Idle());
  EXPECT_THAT(SettledIds(), ElementsAre(retried, held, behind));
  EXPECT_TRUE(deliveries_[1].cancelled);
  EXPECT_TRUE(deliveries_[2].cancelled);
  const BatchId late = Send({Stream("c", {"x"})});
  Crank();
  EXPECT_EQ(SettledIds().back(), late);
  EXPECT_TRUE(deliveries_.back().cancelled);
  loki_.Release();
}

TEST_F(Push, TheDestructorGivesEverythingBack) {
  loki_.Script({Broken(Wire::kHold)});
  Send({Stream("a", {"x"})});
  Send({Stream("a", {"y"})});
  Crank([&] { return loki_.requests().size() == 1; });
  Send({Stream("a", {"z"})});  // not even looked at
  pusher_.reset();
  EXPECT_THAT(SettledIds(), ElementsAre(1, 2, 3));
  for (const Delivery& delivery : deliveries_) EXPECT_TRUE(delivery.cancelled);
  loki_.Release();
}

TEST_F(Push, MetricsAndStatus) {
  options_.name = "main";
  loki_.Script({Answer(500, "oops")});
  Send({Stream("a", {"x", "y"})});
  Crank();
  EXPECT_EQ(pusher_->Status()[0].last_status, 500);
  EXPECT_EQ(pusher_->Status()[0].last_error, "oops");
  EXPECT_EQ(pusher_->Status()[0].batches_waiting, 1u);
  EXPECT_GT(pusher_->Status()[0].bytes_waiting, 0u);
  EXPECT_EQ(pusher_->Status()[0].last_accepted_wall, 0);
  ASSERT_TRUE(Finish());
  const ClientStatus status = pusher_->Status()[0];
  EXPECT_EQ(status.name, "main");
  EXPECT_EQ(status.last_status, 204);
  EXPECT_EQ(status.last_error, "");
  EXPECT_EQ(status.last_accepted_wall, wall_);
  EXPECT_EQ(status.batches_waiting, 0u);
  EXPECT_EQ(status.bytes_waiting, 0u);
  const std::string host = "host=\"127.0.0.1:" + std::to_string(loki_.port()) + "\"";
  const std::string size = std::to_string(loki_.requests()[0].body.size());
  EXPECT_TRUE(Exposes("promtail_encoded_bytes_total{" + host + "} " + size));
  EXPECT_TRUE(Exposes("promtail_sent_bytes_total{" + host + "} " + size));
  EXPECT_TRUE(Exposes("promtail_sent_entries_total{" + host + "} 2"));
  EXPECT_TRUE(Exposes("promtail_batch_retries_total{" + host + ",tenant=\"\"} 1"));
  EXPECT_TRUE(Exposes("promtail_request_duration_seconds_count{" + host + ",status_code=\"204\"} 1"));
  EXPECT_TRUE(Exposes("promtail_request_duration_seconds_count{" + host + ",status_code=\"500\"} 1"));
  EXPECT_TRUE(Exposes("sluice_push_waiting_batches{client=\"main\"} 0"));
}

TEST_F(Push, AClientsPasswordIsNeverShown) {
  LogCapture log;
  const size_t at = options_.url.find("://") + 3;
  options_.url.insert(at, "user:hidden@");
  loki_.Script({Answer(401, "go away")});
  Send({Stream("a", {"x"})});
  Crank();
  EXPECT_EQ(pusher_->Status()[0].url.find("hidden"), std::string::npos);
  EXPECT_EQ(log.text().find("hidden"), std::string::npos);
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki_.requests()[0].Header("authorization"), "Basic dXNlcjpoaWRkZW4=");
}

// Two tenants of one Loki, each a client without a name: their gauges were one.
TEST_F(Push, ClientsOfOneHostHaveMetricsOfTheirOwn) {
  ClientOptions other = options_;
  options_.name.clear();
  other.name.clear();
  other.tenant_id = "b";
  Start({options_, other});
  loki_.Script({Answer(503, "")});
  Send({Stream("a", {"x"})}, {.tenant = "b", .client = 1});
  Crank();
  const std::string host = http::HostOf(loki_.PushUrl());
  EXPECT_TRUE(Exposes("sluice_push_waiting_batches{client=\"" + host + "\"} 0"));
  EXPECT_TRUE(Exposes("sluice_push_waiting_batches{client=\"" + host + "#2\"} 1"));
  ASSERT_TRUE(Finish());
}

}  // namespace
}  // namespace agent::push
