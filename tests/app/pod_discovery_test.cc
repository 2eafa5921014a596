// SPDX-License-Identifier: Apache-2.0
// kubernetes_sd_configs as targets: what waits for metadata, for how long, and what a
// directory is labelled with when none comes. A scripted API server, a manual clock.
#include "agent/app/internal/pod_discovery.h"

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "tests/kube/pod_fixtures.h"
#include "tests/kube/pod_watcher_harness.h"
#include "tests/source/tailer_world.h"

namespace agent::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using kube::Answer;
using kube::ListJson;
using kube::PodJson;
using std::chrono::seconds;

class PodDiscoveryTest : public ::testing::Test {
 protected:
  PodDiscoveryTest() {
    char pattern[] = "/tmp/pod-discovery-test-XXXXXX";
    folder_ = mkdtemp(pattern);
    world_.Start();
    world_.mem.MakeDirectories("/var/log/pods");
  }
  ~PodDiscoveryTest() override { std::filesystem::remove_all(folder_); }

  // One scrape config; `more` are further keys of it, `sd` further keys of its entry.
  std::shared_ptr<Settings> Load(const std::string& more = "", const std::string& sd = "") {
    std::ofstream(folder_ / "c.yaml")
        << "clients: [{url: 'http://l/loki/api/v1/push'}]\nscrape_configs:\n- job_name: pods\n" + more +
               "  kubernetes_sd_configs: [{role: pod, api_server: 'http://127.0.0.1:" + std::to_string(server_.port()) + "'" +
               sd + "}]\n";
    CommandLine line;
    line.config_file = (folder_ / "c.yaml").string();
    line.node_name = "worker-1";
    Diagnostics diagnostics;
    auto settings = std::make_shared<Settings>(LoadSettings(line, true, diagnostics, registry_));
    EXPECT_TRUE(diagnostics.ok()) << diagnostics.Text();
    return settings;
  }
  void Make(const std::shared_ptr<const Settings>& settings) {
    auto made = PodDiscovery::Make(settings,
                                   {.http = client_, .registry = registry_, .tailer = *world_.tailer, .fs = world_.mem,
                                    .wake = [] {}, .surroundings = kube::RealSurroundings(), .pods_root = "/var/log/pods"},
                                   clock_.Now());
    ASSERT_TRUE(made) << made.error().what;
    discovery_ = std::move(*made);
  }
  void AddDirectory(const std::string& pod, const std::string& uid, const std::string& container = "cart") {
    world_.mem.MakeDirectories("/var/log/pods/shop_" + pod + "_" + uid + "/" + container);
  }
  // Time passes in the discovery's own steps; answers come at once.
  void Pass(Duration time) {
    const auto turn = [this](MonoTime now) {
      discovery_->Tick(now);
      const auto give_up = std::chrono::steady_clock::now() + seconds(20);
      while (client_.pending() > held_ && std::chrono::steady_clock::now() < give_up) {
        client_.Poll(std::chrono::milliseconds(2));
        discovery_->Tick(now);
      }
    };
    turn(clock_.Now());
    testing::ManualExecutor(clock_).Add([this] { return discovery_->NextDeadline(); }, turn).Pass(time);
  }
  std::vector<std::string> Values(const std::string& label) const {
    std::vector<std::string> out;
    for (const DiscoveredTarget& target : discovery_->Targets(0)) {
      const auto found = target.labels.find(label);
      out.push_back(found == target.labels.end() ? "(none)" : found->second);
    }
    return out;
  }
  // Lists these pods; watches are held.
  void Serve(std::vector<std::string> pods) {
    server_.SetHandler([this, pods = std::move(pods)](const test::ReceivedRequest& request) {
      if (request.target.find("watch=1") == std::string::npos) return Answer(200, ListJson(pods, "90"));
      ++held_;
      return Answer(200, "", test::ScriptedAnswer::Wire::kHold);
    });
  }
  void ServeNothing() {
    server_.SetHandler([](const test::ReceivedRequest&) { return Answer(503, "not now"); });
  }

  std::filesystem::path folder_;
  metrics::Registry registry_;
  std::atomic<size_t> held_ = 0;  // watches that the server says nothing to
  test::ScriptedLoki server_;
  http::Client client_;
  source::TailerWorld world_;
  testing::ManualClock& clock_ = world_.clock;
  std::unique_ptr<PodDiscovery> discovery_;
};

constexpr const char* kPodLogs = "  pod_logs: {root: /var/log/pods}\n";
constexpr const char* kReadsMetadata =
    "  relabel_configs: [{source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_name], target_label: app}]\n";
constexpr const char* kReadsThePath = "  relabel_configs: [{source_labels: [__meta_kubernetes_pod_name], target_label: p}]\n";

TEST_F(PodDiscoveryTest, WhetherMetadataIsNeeded) {
  const struct {
    std::string rules;
    bool needs;
  } cases[] = {
      {"", false},
      {kReadsThePath, false},
      {kReadsMetadata, true},
      {"  relabel_configs: [{action: labelmap, regex: __meta_kubernetes_pod_label_(.+)}]\n", true},
      {"  relabel_configs: [{source_labels: [__meta_kubernetes_namespace, __meta_kubernetes_pod_uid], target_label: x}]\n", false},
      {"  relabel_configs: [{source_labels: [__meta_kubernetes_pod_phase], action: drop, regex: Succeeded}]\n", true},
  };
  for (const auto& one : cases) EXPECT_EQ(NeedsMetadata(Load(one.rules)->scrapes[0]), one.needs) << one.rules;
  EXPECT_TRUE(NeedsMetadata(Load("", ", annotations: true")->scrapes[0]));
}

TEST_F(PodDiscoveryTest, APodOfTheListIsATargetWithItsLabels) {
  Serve({PodJson("cart-1", "u-1")});
  Make(Load(kReadsMetadata));
  Pass(seconds(1));
  EXPECT_TRUE(discovery_->Complete());
  // Three: two ports and the proxy, which has none; and the init container.
  EXPECT_THAT(Values("__meta_kubernetes_pod_name"), ElementsAre("cart-1", "cart-1", "cart-1", "cart-1"));
  EXPECT_THAT(discovery_->Troubles(), IsEmpty());
}

TEST_F(PodDiscoveryTest, WithPodLogsAndNoRuleThatNeedsMoreADirectoryIsATargetAtOnce) {
  ServeNothing();
  AddDirectory("cart-1", "u-1");
  Make(Load(std::string(kPodLogs) + kReadsThePath));
  Pass(Duration(0));
  EXPECT_THAT(Values("__meta_kubernetes_pod_name"), ElementsAre("cart-1"));
  EXPECT_THAT(Values("__path__"), ElementsAre("/var/log/pods/shop_cart-1_u-1/cart/*.log"));
}

TEST_F(PodDiscoveryTest, WithPodLogsARuleThatNeedsMetadataWaitsItsTimeAndNoLonger) {
  ServeNothing();
  AddDirectory("cart-1", "u-1");
  Make(Load(std::string(kPodLogs) + kReadsMetadata, ", metadata_wait: 5s"));
  Pass(seconds(4));
  EXPECT_THAT(Values("pod"), IsEmpty());
  Pass(seconds(4));  // a wait ends at the next look, which is at most two seconds later
  EXPECT_THAT(Values("pod"), ElementsAre("cart-1"));
  EXPECT_THAT(registry_.Text(), HasSubstr("sluice_kubernetes_path_labelled_containers{job=\"pods\"} 1"));
  // A directory that comes later has its own wait.
  AddDirectory("late-1", "u-2");
  Pass(seconds(3));
  EXPECT_THAT(Values("pod"), ElementsAre("cart-1"));
  Pass(seconds(5));
  EXPECT_THAT(Values("pod"), UnorderedElementsAre("cart-1", "late-1"));
}

TEST_F(PodDiscoveryTest, MetadataThatComesWithinTheWaitIsThereFromTheFirstLine) {
  Serve({PodJson("cart-1", "u-1")});
  AddDirectory("cart-1", "u-1");
  Make(Load(std::string(kPodLogs) + kReadsMetadata));
  Pass(seconds(1));
  EXPECT_THAT(Values("__meta_kubernetes_pod_label_app_kubernetes_io_name"), ElementsAre("cart"));
  EXPECT_THAT(Values("container"), ElementsAre("cart"));
}

TEST_F(PodDiscoveryTest, WithoutPodLogsPathsStandInOnlyWhileTheServerDoesNotAnswer) {
  ServeNothing();
  AddDirectory("cart-1", "u-1");
  Make(Load(kReadsMetadata, ", metadata_wait: 3s"));
  Pass(seconds(2));
  EXPECT_THAT(Values("__meta_kubernetes_pod_name"), IsEmpty());
  EXPECT_FALSE(discovery_->Complete());
  Pass(seconds(6));
  EXPECT_THAT(Values("__meta_kubernetes_pod_name"), ElementsAre("cart-1"));
  EXPECT_TRUE(discovery_->Complete()) << "what paths say is all that there will be";
  EXPECT_THAT(discovery_->Troubles(), ElementsAre(HasSubstr("does not answer")));

  // It answers, and does not name the pod: it is not one of those that are asked for.
  Serve({PodJson("other-1", "u-9")});
  Pass(seconds(40));
  EXPECT_THAT(Values("__meta_kubernetes_pod_name"), ::testing::Each("other-1"));
  EXPECT_THAT(discovery_->Troubles(), IsEmpty());
}

TEST_F(PodDiscoveryTest, APathSaysNothingOfWhatASelectorChooses) {
  ServeNothing();
  AddDirectory("cart-1", "u-1");
  Make(Load(kReadsMetadata, ", metadata_wait: 1s, selectors: [{role: pod, label: 'tier=web'}]"));
  Pass(seconds(20));
  EXPECT_THAT(Values("__meta_kubernetes_pod_name"), IsEmpty()) << "it may be a pod that was not asked for";
}

TEST_F(PodDiscoveryTest, ANamespaceThatIsNotAskedForIsNotLabelledFromItsPathEither) {
  ServeNothing();
  AddDirectory("cart-1", "u-1");
  world_.mem.MakeDirectories("/var/log/pods/ops_tool-1_u-2/app");
  Make(Load(kReadsMetadata, ", metadata_wait: 1s, namespaces: {names: [ops]}"));
  Pass(seconds(10));
  EXPECT_THAT(Values("__meta_kubernetes_pod_name"), ElementsAre("tool-1"));
}

TEST_F(PodDiscoveryTest, AnotherConfigurationGoesOnWithTheSameWatcher) {
  Serve({PodJson("cart-1", "u-1")});
  Make(Load(kReadsMetadata));
  Pass(seconds(1));
  const size_t requests = server_.requests().size();
  ASSERT_TRUE(discovery_->Use(Load(std::string("  pipeline_stages: [{drop: {expression: x}}]\n") + kReadsMetadata), clock_.Now()));
  EXPECT_THAT(discovery_->Tick(clock_.Now()), ElementsAre(0u)) << "its targets are to be made anew";
  Pass(seconds(1));
  EXPECT_EQ(server_.requests().size(), requests) << "no list, no watch was needed";
  EXPECT_EQ(Values("__meta_kubernetes_pod_name").size(), 4u);
}

TEST_F(PodDiscoveryTest, AReplacedWatcherServesUntilItsSuccessorHasRead) {
  Serve({PodJson("cart-1", "u-1")});
  Make(Load(kReadsMetadata));
  Pass(seconds(1));
  ServeNothing();
  ASSERT_TRUE(discovery_->Use(Load(kReadsThePath), clock_.Now()));
  Pass(seconds(3));
  EXPECT_EQ(Values("__meta_kubernetes_pod_name").size(), 4u) << "those of the one before";
  Serve({PodJson("other-1", "u-2")});
  Pass(seconds(40));
  EXPECT_THAT(Values("__meta_kubernetes_pod_name"), ::testing::Each("other-1"));
}

TEST_F(PodDiscoveryTest, WithoutAClusterItSaysWhereAndWhatToDo) {
  std::ofstream(folder_ / "c.yaml") << "clients: [{url: 'http://l/'}]\nscrape_configs:\n"
                                       "- {job_name: pods, kubernetes_sd_configs: [{role: pod}]}\n";
  CommandLine line;
  line.config_file = (folder_ / "c.yaml").string();
  line.node_name = "worker-1";
  Diagnostics diagnostics;
  auto settings = std::make_shared<Settings>(LoadSettings(line, true, diagnostics, registry_));
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.Text();
  kube::Surroundings none{.environment = [](const char*) -> const char* { return nullptr; },
                          .read_file = [](const std::string& path) -> Result<std::string> {
                            return Fail(Code::kNotFound, "cannot open " + path);
                          }};
  auto made = PodDiscovery::Make(settings, {.http = client_, .registry = registry_, .tailer = *world_.tailer,
                                            .fs = world_.mem, .wake = [] {}, .surroundings = none, .pods_root = "/p"}, clock_.Now());
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().what, HasSubstr("scrape_configs[0].kubernetes_sd_configs: "));
  EXPECT_THAT(made.error().what, HasSubstr("kubeconfig_file"));
}

}  // namespace
}  // namespace agent::app
