// SPDX-License-Identifier: Apache-2.0
// The watcher before what a real kube-apiserver answered: tests/kube/recorded/*.http,
// made by record.py beside them.
#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "tests/kube/pod_watcher_harness.h"

namespace agent::kube {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using test::ScriptedAnswer;

ScriptedAnswer Recorded(const std::string& name) {
  std::ifstream file(std::string(SOURCE_DIR) + "/tests/kube/recorded/" + name + ".http", std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  const std::string whole = text.str();
  const size_t head = whole.find("\r\n\r\n");
  EXPECT_NE(head, std::string::npos) << name;
  return Answer(std::stoi(whole.substr(sizeof("HTTP/1.1"))), whole.substr(head + 4));
}

class RecordedAnswersTest : public PodWatcherTest {
 protected:
  std::string Phase(const std::string& pod) const { return LabelOf(pod, "__meta_kubernetes_pod_phase"); }
  std::string LabelOf(const std::string& pod, const std::string& label) const {
    for (const DiscoveredTarget& target : watcher_->Targets()) {
      if (target.labels.at("__meta_kubernetes_pod_name") != pod) continue;
      const auto found = target.labels.find(label);
      return found == target.labels.end() ? "(none)" : found->second;
    }
    return "(no such pod)";
  }
  // What names the version in a request, or nothing.
  static std::string VersionIn(const std::string& target) {
    const size_t at = target.find("&resourceVersion=");
    return at == std::string::npos ? "" : target.substr(at + sizeof("&resourceVersion=") - 1);
  }
};

TEST_F(RecordedAnswersTest, AListAndItsLabels) {
  Script({Recorded("list")});
  Make();
  RunUntil([&] { return watcher_->Synced(); });
  EXPECT_EQ(watcher_->Snapshot().pods, 3u);
  // A pod without an address is no target of Prometheus' discovery: db-0 is pending.
  EXPECT_THAT(Pods(), UnorderedElementsAre("cart-7d9f8b6c5-x2x7v", "etcd-worker-1"));
  const std::string cart = "cart-7d9f8b6c5-x2x7v";
  const std::vector<std::pair<std::string, std::string>> labels = {
      {"__meta_kubernetes_namespace", "shop"},
      {"__meta_kubernetes_pod_node_name", "worker-1"},
      {"__meta_kubernetes_pod_ip", "10.244.1.17"},
      {"__meta_kubernetes_pod_phase", "Running"},
      {"__meta_kubernetes_pod_ready", "true"},
      {"__meta_kubernetes_pod_host_ip", "192.168.7.11"},
      {"__meta_kubernetes_pod_controller_kind", "ReplicaSet"},
      {"__meta_kubernetes_pod_controller_name", "cart-7d9f8b6c5"},
      {"__meta_kubernetes_pod_label_app_kubernetes_io_name", "cart"},
      {"__meta_kubernetes_pod_labelpresent_app_kubernetes_io_name", "true"},
      {"__meta_kubernetes_pod_annotation_note", "två rader\nmed åäö och \u2028"},
  };
  for (const auto& [name, value] : labels) EXPECT_EQ(LabelOf(cart, name), value) << name;
  EXPECT_EQ(LabelOf("etcd-worker-1", "__address__"), "fd00:10:244::7") << "without a port there are no brackets";
  EXPECT_TRUE(watcher_->Labels("a0c1b2d3e4f5a6b7c8d9e0f1a2b3c4d5", "app")) << "a static pod is known by its hash";
}

TEST_F(RecordedAnswersTest, PagesThenAWatchWithItsBookmarks) {
  Script({Recorded("list-page-1"), Recorded("list-page-2"), Recorded("watch")});
  Make();
  RunUntilRequests(4);
  const auto requests = server_.requests();
  EXPECT_THAT(requests[1].target, HasSubstr("&continue="));
  const std::string listed = VersionIn(requests[2].target);
  const std::string after = VersionIn(requests[3].target);
  EXPECT_GT(std::stoll(after), std::stoll(listed)) << "the watch goes on from its last bookmark";
  EXPECT_EQ(LabelOf("cart-7d9f8b6c5-x2x7v", "__meta_kubernetes_pod_label_app_kubernetes_io_instance"), "us");
  // db-0 got its address, and was deleted: it lingers. late-1 has no address yet.
  EXPECT_THAT(Pods(), UnorderedElementsAre("cart-7d9f8b6c5-x2x7v", "db-0", "etcd-worker-1"));
  EXPECT_EQ(watcher_->Snapshot().pods, 3u);
  EXPECT_EQ(watcher_->Snapshot().deleted, 1u);
}

TEST_F(RecordedAnswersTest, AWatchCutAnywhereEndsAsIfItHadNotBeenCut) {
  const ScriptedAnswer whole = Recorded("watch");
  for (size_t part = 1; part < 8; ++part) {
    SCOPED_TRACE("cut after " + std::to_string(part) + "/8");
    ScriptedAnswer cut = whole;
    // The server sends half of a kMidBody answer.
    cut.wire = ScriptedAnswer::Wire::kMidBody;
    cut.body = whole.body.substr(0, whole.body.size() * part / 8);
    const size_t before = server_.requests().size();
    Script({Recorded("list"), cut, whole});
    Make();
    RunUntilRequests(before + 4);
    EXPECT_THAT(Pods(), UnorderedElementsAre("cart-7d9f8b6c5-x2x7v", "db-0", "etcd-worker-1"));
    EXPECT_EQ(watcher_->Snapshot().deleted, 1u);
  }
}

TEST_F(RecordedAnswersTest, AVersionThatIsGoneBeginsWithANewList) {
  Script({Recorded("list"), Recorded("watch-gone"), Recorded("list")});
  Make();
  RunUntilRequests(4);
  const auto requests = server_.requests();
  EXPECT_THAT(requests[2].target, Not(HasSubstr("watch=1")));
  EXPECT_EQ(VersionIn(requests[2].target), "") << "the newest, not what a cache holds";
  EXPECT_THAT(requests[3].target, HasSubstr("watch=1"));
  EXPECT_EQ(watcher_->Snapshot().pods, 3u);
  EXPECT_THAT(registry_.Text(), HasSubstr("sluice_kubernetes_gone_total{job=\"pods\"} 1"));
}

TEST_F(RecordedAnswersTest, APageThatIsGoneBeginsWithANewListAndRemovesNothing) {
  Script({Recorded("list-page-1"), Recorded("list-page-gone"), Recorded("list")});
  Make();
  RunUntil([&] { return watcher_->Synced(); });
  EXPECT_THAT(server_.requests()[2].target, Not(HasSubstr("continue=")));
  EXPECT_EQ(watcher_->Snapshot().pods, 3u);
  EXPECT_EQ(watcher_->Snapshot().deleted, 0u);
}

TEST_F(RecordedAnswersTest, RefusalsAreTriedAgain) {
  Script({Recorded("unauthorized"), Recorded("forbidden"), Recorded("list")});
  Make();
  RunUntilRequests(2);
  EXPECT_FALSE(watcher_->Snapshot().up);
  RunUntil([&] { return watcher_->Synced(); });
  EXPECT_TRUE(watcher_->Snapshot().up);
}

}  // namespace
}  // namespace agent::kube
