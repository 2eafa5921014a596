// SPDX-License-Identifier: Apache-2.0
#include "agent/app/settings.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace agent::app {
namespace {

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    char pattern[] = "/tmp/settings-test-XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  ~SettingsTest() override { std::filesystem::remove_all(folder_); }

  Settings Load(const std::string& text) {
    std::ofstream(folder_ / "c.yaml") << text;
    auto line = ParseCommandLine({"--config.file=" + (folder_ / "missing.yaml").string() + "," + (folder_ / "c.yaml").string(),
                                  "--node-name=n1"});
    EXPECT_TRUE(line);
    return LoadSettings(*line, true, diagnostics_, registry_);
  }

  std::filesystem::path folder_;
  Diagnostics diagnostics_;
  metrics::Registry registry_;
};

TEST_F(SettingsTest, TheFirstFileThatExistsIsLoaded) {
  const Settings settings = Load(R"(
clients: [{url: 'http://u:secret@l/loki/api/v1/push', basic_auth: {username: a, password: hidden}}]
limits_config: {max_line_size: 256kb, readline_rate_enabled: true, readline_rate: 7}
options: {stream_lag_labels: x}
scrape_configs:
  - job_name: a
    static_configs: [{labels: {job: a, __path__: /x/*.log}}, {targets: [h1, h2], labels: {__path__: /y}}]
    relabel_configs: [{source_labels: [job], target_label: copy}]
)");
  EXPECT_TRUE(diagnostics_.ok() || diagnostics_.Text().find("basic_auth") != std::string::npos) << diagnostics_.Text();
  EXPECT_EQ(settings.limits.max_line_size, 256u * 1024);
  EXPECT_EQ(settings.limits.share.readline_rate, 7);
  ASSERT_EQ(settings.scrapes.size(), 1u);
  ASSERT_EQ(settings.scrapes[0].static_targets.size(), 3u);
  const TargetOrFailure made = MakeTarget(settings.scrapes[0], 0, settings.scrapes[0].static_targets[0], "host");
  ASSERT_NE(made.target, nullptr) << made.why;
  EXPECT_EQ(made.target->labels, (LabelMap{{"copy", "a"}, {"job", "a"}}));
  EXPECT_EQ(made.target->path, "/x/*.log");
  const std::string text = settings.Text();
  EXPECT_EQ(text.find("secret@"), std::string::npos) << text;
  EXPECT_EQ(text.find("hidden"), std::string::npos) << text;
}

TEST_F(SettingsTest, BusyFilesAreLookedAtOftenEnoughForTheShortestBatchwait) {
  const auto tick_of = [this](const std::string& clients) {
    return Load("clients: [" + clients + "]\n").tail.hot_tick / std::chrono::milliseconds(1);
  };
  EXPECT_EQ(tick_of("{url: 'http://l/'}"), 200);
  EXPECT_EQ(tick_of("{url: 'http://l/', batchwait: 10s}"), 200);
  EXPECT_EQ(tick_of("{url: 'http://l/'}, {url: 'http://m/', batchwait: 500ms}"), 100);
  EXPECT_EQ(tick_of("{url: 'http://l/', batchwait: 1ms}"), 50);
}

TEST_F(SettingsTest, AllProblemsAtOnce) {
  Load(R"(
server: {http_listen_port: x}
clinets: []
scrape_configs:
  - job_name: a
    pod_logs: {root: relative}
  - job_name: a
    kafka: {}
  - static_configs: [{}]
)");
  const std::string text = diagnostics_.Text();
  for (const char* wanted : {"http_listen_port", "did you mean `clients`", "absolute", "used twice", "kafka", "job_name"}) {
    EXPECT_NE(text.find(wanted), std::string::npos) << wanted << "\n" << text;
  }
}

TEST_F(SettingsTest, TargetsThatAreNotForThisHost) {
  const Settings settings = Load(R"(
clients: [{url: 'http://l/loki/api/v1/push'}]
scrape_configs:
  - job_name: a
    static_configs: [{labels: {__path__: /x, __host__: other}}, {labels: {b: c}}, {labels: {__path__: /y, drop: 'yes'}}]
    relabel_configs: [{source_labels: [drop], regex: 'yes', action: drop}]
)");
  ASSERT_TRUE(diagnostics_.ok()) << diagnostics_.Text();
  std::vector<std::string> reasons;
  for (const auto& target : settings.scrapes[0].static_targets) {
    reasons.push_back(MakeTarget(settings.scrapes[0], 0, target, "this").reason);
  }
  EXPECT_EQ(reasons, (std::vector<std::string>{"wrong_host", "no_path", "dropped"}));
}

TEST_F(SettingsTest, PodFilesAreLabelledByTheirPath) {
  const Settings settings = Load(R"(
clients: [{url: 'http://l/loki/api/v1/push'}]
scrape_configs:
  - job_name: pods
    pod_logs: {root: /var/log/pods}
    relabel_configs:
      - {source_labels: [__meta_kubernetes_namespace, __meta_kubernetes_pod_name], separator: /, target_label: id}
)");
  ASSERT_TRUE(diagnostics_.ok()) << diagnostics_.Text();
  const auto target = MakePodLogsTarget(settings.scrapes[0], 0, settings.node_name);
  EXPECT_EQ(LabelsOfFile(*target, "/var/log/pods/shop_web-1_u/app/0.log"),
            (LabelMap{{"container", "app"}, {"id", "shop/web-1"}, {"namespace", "shop"}, {"node_name", "n1"}, {"pod", "web-1"}}));
}

TEST_F(SettingsTest, APodThatARuleDropsIsExcludedByName) {
  const Settings settings = Load(R"(
clients: [{url: 'http://l/loki/api/v1/push'}]
scrape_configs:
  - job_name: pods
    pod_logs: {root: /var/log/pods}
    relabel_configs:
      - {source_labels: [__meta_kubernetes_namespace], regex: kube-.*, action: drop}
)");
  ASSERT_TRUE(diagnostics_.ok()) << diagnostics_.Text();
  const auto target = MakePodLogsTarget(settings.scrapes[0], 0, settings.node_name);
  std::string why;
  EXPECT_TRUE(ResolveLabels(*target, "/var/log/pods/shop_web-1_u/app/0.log", why));
  EXPECT_EQ(ResolveLabels(*target, "/var/log/pods/kube-system_dns_u/app/0.log", why), std::nullopt);
  EXPECT_EQ(why, "dropped by the relabelling rule at line 7");
  // People still see which pod it is.
  EXPECT_EQ(LabelsOfFile(*target, "/var/log/pods/kube-system_dns_u/app/0.log").at("pod"), "dns");
}

}  // namespace
}  // namespace agent::app
