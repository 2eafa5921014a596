// SPDX-License-Identifier: Apache-2.0
// The watcher against a scripted API server: pages, resume, 410, broken streams, tokens.
#include "agent/kube/pod_watcher.h"

#include <gmock/gmock.h>

#include "tests/kube/pod_fixtures.h"
#include "tests/kube/pod_watcher_harness.h"
#include "tests/support/test_certs.h"

namespace agent::kube {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using test::ReceivedRequest;
using test::ScriptedAnswer;

TEST_F(PodWatcherTest, ListsInPagesThenWatchesFromTheListsVersion) {
  Script({Answer(200, ListJson({PodJson("a", "1")}, "90", "page/2")), Answer(200, ListJson({PodJson("b", "2")}, "90")),
          Answer(200, EventJson("ADDED", PodJson("c", "3", "95")) + BookmarkJson("99")),
          Answer(200, EventJson("DELETED", PodJson("a", "1", "104")), ScriptedAnswer::Wire::kWhole)});
  PodDiscoveryOptions options;
  options.label_selector = "tier in (web,api)";
  Make(options);
  RunUntilRequests(5);
  const auto requests = server_.requests();
  EXPECT_EQ(requests[0].target,
            "/api/v1/pods?fieldSelector=spec.nodeName%3Dworker-1&labelSelector=tier%20in%20%28web%2Capi%29&limit=500"
            "&resourceVersion=0");
  EXPECT_THAT(requests[1].target, HasSubstr("&limit=500&continue=page%2F2"));
  EXPECT_THAT(requests[2].target, HasSubstr("watch=1&allowWatchBookmarks=true&timeoutSeconds="));
  EXPECT_THAT(requests[2].target, HasSubstr("&resourceVersion=90"));
  EXPECT_THAT(requests[3].target, HasSubstr("&resourceVersion=99")) << "the bookmark's";
  EXPECT_THAT(requests[4].target, HasSubstr("&resourceVersion=104"));
  EXPECT_TRUE(watcher_->Synced());
  EXPECT_EQ(watcher_->Snapshot().pods, 2u);
}

TEST_F(PodWatcherTest, ADeletedPodStaysATargetWhileItsFilesAreRead) {
  in_use_ = {"1"};
  Script({Answer(200, ListJson({PodJson("a", "1"), PodJson("b", "2")}, "90")),
          Answer(200, EventJson("DELETED", PodJson("a", "1", "91")) + EventJson("DELETED", PodJson("b", "2", "92")))});
  Make();
  RunUntilRequests(3);
  EXPECT_THAT(Pods(), UnorderedElementsAre("a", "b"));
  now_ += minutes(3);
  watcher_->Tick(now_);
  EXPECT_THAT(Pods(), UnorderedElementsAre("a"));
  in_use_.clear();
  now_ += minutes(1);
  watcher_->Tick(now_);
  EXPECT_TRUE(Pods().empty());
}

TEST_F(PodWatcherTest, GoneBeginsWithANewListAndForgetsWhatItDoesNotName) {
  Script({Answer(200, ListJson({PodJson("a", "1"), PodJson("b", "2")}, "90")), Answer(200, GoneJson()),
          Answer(200, ListJson({PodJson("b", "2")}, "5000"))});
  Make();
  RunUntilRequests(4);
  const auto requests = server_.requests();
  EXPECT_THAT(requests[2].target, Not(HasSubstr("resourceVersion"))) << "the newest, not what a cache holds";
  EXPECT_THAT(requests[3].target, HasSubstr("resourceVersion=5000"));
  EXPECT_EQ(watcher_->Snapshot().deleted, 1u);
  EXPECT_THAT(registry_.Text(), HasSubstr("sluice_kubernetes_gone_total{job=\"pods\"} 1"));
}

TEST_F(PodWatcherTest, ATruncatedStreamLosesNothingAndGoesOnFromTheLastWholeEvent) {
  const std::string whole = EventJson("ADDED", PodJson("b", "2", "95"));
  Script({Answer(200, ListJson({PodJson("a", "1")}, "90")),
          Answer(200, whole + EventJson("ADDED", PodJson("c", "3", "97")), ScriptedAnswer::Wire::kMidBody),
          Answer(200, EventJson("ADDED", PodJson("c", "3", "97")))});
  Make();
  RunUntilRequests(4);
  const std::string resumed = server_.requests()[2].target;
  EXPECT_TRUE(resumed.ends_with("resourceVersion=95") || resumed.ends_with("resourceVersion=90")) << resumed;
  EXPECT_THAT(Pods(), UnorderedElementsAre("a", "b", "c"));
}

TEST_F(PodWatcherTest, ATruncatedListRemovesNothing) {
  Script({Answer(200, ListJson({PodJson("a", "1"), PodJson("b", "2")}, "90"), ScriptedAnswer::Wire::kMidBody),
          Answer(200, ListJson({PodJson("a", "1"), PodJson("b", "2")}, "91"))});
  Make();
  RunUntilRequests(3);
  EXPECT_THAT(Pods(), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(watcher_->Snapshot().deleted, 0u);
}

TEST_F(PodWatcherTest, RefusalsBackOffAndAMetricSaysSo) {
  Script({Answer(403, "forbidden"), Answer(401, "no"), Answer(500, "x"), Answer(200, ListJson({PodJson("a", "1")}, "90"))});
  Make();
  const MonoTime start = now_;
  RunUntilRequests(3);
  EXPECT_THAT(registry_.Text(), HasSubstr("sluice_kubernetes_up{job=\"pods\"} 0"));
  EXPECT_TRUE(Pods().empty());
  RunUntil([&] { return watcher_->Synced(); });
  EXPECT_GE(now_ - start, seconds(3)) << "half of 1 + 2 + 4 s at the least";
  EXPECT_LE(now_ - start, seconds(11));
  EXPECT_THAT(registry_.Text(), HasSubstr("sluice_kubernetes_up{job=\"pods\"} 1"));
}

TEST_F(PodWatcherTest, ARotatedTokenIsReadForEveryRequest) {
  http::TempFolder folder;
  http::ClientOptions http;
  http.authorization.credentials_file = folder.Write("token", "first");
  Script({Answer(200, ListJson({PodJson("a", "1")}, "90")), Answer(200, BookmarkJson("91"))});
  Make({}, http);
  RunUntilRequests(1);
  folder.Write("token", "second");
  RunUntilRequests(3);
  EXPECT_EQ(server_.requests()[0].Header("authorization"), "Bearer first");
  EXPECT_EQ(server_.requests()[2].Header("authorization"), "Bearer second");
}

TEST_F(PodWatcherTest, FiveThousandPodsInLittleMemory) {
  std::vector<ScriptedAnswer> pages;
  for (int page = 0; page < 10; ++page) {
    std::vector<std::string> pods;
    for (int i = 0; i < 500; ++i) {
      const std::string number = std::to_string(page * 500 + i);
      pods.push_back(PodJson("cart-7d9f8b6c5-" + number, "3f1c0e8d-0000-4000-8000-" + number));
    }
    pages.push_back(Answer(200, ListJson(pods, "90", page < 9 ? "p" + std::to_string(page) : "")));
  }
  Script(std::move(pages));
  Make();
  RunUntil([&] { return watcher_->Synced(); });
  EXPECT_EQ(watcher_->Snapshot().pods, 5000u);
  EXPECT_LT(watcher_->Snapshot().memory_bytes / 5000, 2048u);
}

TEST_F(PodWatcherTest, NamespacesAreWatchedOneByOne) {
  PodDiscoveryOptions options;
  options.namespaces = {"shop", "ops"};
  server_.SetHandler([](const ReceivedRequest& request) {
    if (request.target.find("watch=1") != std::string::npos) return Answer(200, BookmarkJson("91"));
    const bool shop = request.target.starts_with("/api/v1/namespaces/shop/pods?");
    return Answer(200, ListJson({shop ? PodJson("a", "1") : PodJson("b", "2")}, "90"));
  });
  Make(options);
  RunUntil([&] { return watcher_->Synced(); });
  EXPECT_THAT(Pods(), UnorderedElementsAre("a", "b"));
}

TEST_F(PodWatcherTest, TheKubeletIsPolled) {
  PodDiscoveryOptions options;
  options.source = PodDiscoveryOptions::Source::kKubelet;
  Script({Answer(200, ListJson({PodJson("a", "1"), PodJson("b", "2")}, "")), Answer(200, ListJson({PodJson("b", "2")}, ""))});
  Make(options);
  const MonoTime start = now_;
  RunUntilRequests(2);
  RunUntil([&] { return watcher_->Snapshot().deleted == 1; });
  EXPECT_EQ(server_.requests()[0].target, "/pods");
  EXPECT_GE(now_ - start, seconds(10));
}

TEST_F(PodWatcherTest, LabelsByUidOrByAStaticPodsHash) {
  const std::string mirror = Replace(PodJson("etcd-worker-1", "9"), "\"checksum/config\":\"4f6c0e8d\"",
                                     "\"kubernetes.io/config.hash\":\"8d0ac1fa6a4d5e7e0f4c3b2a19876543\"");
  Script({Answer(200, ListJson({PodJson("a", "1"), mirror}, "90"))});
  Make();
  RunUntil([&] { return watcher_->Synced(); });
  EXPECT_EQ(watcher_->Labels("1", "proxy")->at("__meta_kubernetes_pod_name"), "a");
  EXPECT_EQ(watcher_->Labels("8d0ac1fa6a4d5e7e0f4c3b2a19876543", "cart")->at("__meta_kubernetes_pod_name"), "etcd-worker-1");
  EXPECT_FALSE(watcher_->Labels("7", "cart"));
}

TEST_F(PodWatcherTest, AnEventThatChangesNoLabelIsNoUpdateAndUpdatesAreOncePerSecond) {
  Script({Answer(200, ListJson({PodJson("a", "1")}, "90")),
          Answer(200, EventJson("MODIFIED", PodJson("a", "1", "91")) + EventJson("MODIFIED", PodJson("a", "1", "92"))),
          Answer(200, EventJson("MODIFIED", PodJson("a", "1", "93", "Succeeded")))});
  Make();
  RunUntilRequests(3);
  const int before = updates_;
  EXPECT_EQ(before, 1);
  RunUntil([&] { return updates_ == 2; });
  EXPECT_EQ(targets_[0].labels.at("__meta_kubernetes_pod_phase"), "Succeeded");
}

TEST_F(PodWatcherTest, AWatcherMayGoWhileARequestIsUnderWay) {
  Script({Answer(200, ListJson({PodJson("a", "1")}, "90"), ScriptedAnswer::Wire::kHold)});
  Make();
  watcher_->Tick(now_);
  client_.Poll(std::chrono::milliseconds(20));
  watcher_.reset();
  server_.Release();
  for (int i = 0; i < 100 && client_.pending() > 0; ++i) client_.Poll(std::chrono::milliseconds(20));
  EXPECT_EQ(client_.pending(), 0u);
  EXPECT_EQ(updates_, 0);
}

// A cluster's authority is renewed while the agent runs: the file of the service account
// changes below it, and the server shows a certificate of the new authority.
class TlsPodWatcherTest : public PodWatcherTest {
 protected:
  TlsPodWatcherTest() : PodWatcherTest(Tls(first_)) {}

  static std::shared_ptr<test::ServerTls> Certified(const test::CertAndKey& authority) {
    const test::CertAndKey own = test::MakeCertificate(authority, "kube-apiserver", "IP:127.0.0.1");
    auto tls = std::make_shared<test::ServerTls>();
    tls->certificate = own.certificate;
    tls->key = own.key;
    return tls;
  }
  static test::ScriptedLoki::Options Tls(test::CertAndKey& authority) {
    authority = test::MakeAuthority("first authority");
    test::ScriptedLoki::Options options;
    options.tls = Certified(authority);
    return options;
  }
  static inline test::CertAndKey first_;
};

TEST_F(TlsPodWatcherTest, ANewAuthorityIsTakenFromItsFile) {
  http::TempFolder folder;
  http::ClientOptions http;
  http.tls.ca_file = folder.Write("ca.crt", first_.certificate);
  Script({Answer(200, ListJson({PodJson("a", "1")}, "90")), Answer(200, BookmarkJson("91"))});
  Make({}, http);
  RunUntilRequests(2);
  EXPECT_TRUE(watcher_->Snapshot().up);

  const test::CertAndKey second = test::MakeAuthority("second authority");
  server_.SetTls(Certified(second));
  server_.CloseConnections();
  RunUntil([&] { return !watcher_->Snapshot().up; });
  EXPECT_THAT(Pods(), UnorderedElementsAre("a")) << "what is known stays known";

  folder.Write("ca.crt", second.certificate);
  Script({Answer(200, EventJson("ADDED", PodJson("b", "2", "95")))});
  RunUntil([&] { return Pods().contains("b"); });
  EXPECT_TRUE(watcher_->Snapshot().up);
}

}  // namespace
}  // namespace agent::kube
