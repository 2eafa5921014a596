// SPDX-License-Identifier: Apache-2.0
// From a pod's JSON to the labels that Prometheus' discovery gives it.
#include "agent/kube/internal/pod.h"

#include <gmock/gmock.h>

#include "tests/kube/pod_fixtures.h"

namespace agent::kube {
namespace {

std::optional<Pod> Parse(const std::string& json, const LabelFilter& wanted = {}) {
  Arena arena;
  text::JsonParser parser;
  text::JsonValue value;
  EXPECT_TRUE(parser.ParseValue(json, arena, value)) << json;
  return ReadPod(value, wanted);
}

std::vector<DiscoveredTarget> TargetsOf(const std::string& json, const PodDiscoveryOptions& options = {}) {
  std::vector<DiscoveredTarget> out;
  if (const auto pod = Parse(json)) AppendTargets(pod->packed, options, out);
  return out;
}

TEST(PodTest, EveryLabelOfAPodWithPorts) {
  const auto targets = TargetsOf(PodJson("cart-7d9f8b6c5-x2x7v", "uid-1"));
  ASSERT_EQ(targets.size(), 4u) << "two ports, one container without, one init container";
  LabelMap labels = targets[0].labels;
  EXPECT_EQ(labels["__meta_kubernetes_pod_annotation_kubectl_kubernetes_io_last_applied_configuration"].size(), 3033u);
  labels.erase("__meta_kubernetes_pod_annotation_kubectl_kubernetes_io_last_applied_configuration");
  EXPECT_EQ(labels, (LabelMap{
      {"__address__", "10.244.1.17:8080"},
      {"__meta_kubernetes_namespace", "shop"},
      {"__meta_kubernetes_pod_name", "cart-7d9f8b6c5-x2x7v"},
      {"__meta_kubernetes_pod_uid", "uid-1"},
      {"__meta_kubernetes_pod_ip", "10.244.1.17"},
      {"__meta_kubernetes_pod_host_ip", "192.168.7.11"},
      {"__meta_kubernetes_pod_node_name", "worker-1"},
      {"__meta_kubernetes_pod_phase", "Running"},
      {"__meta_kubernetes_pod_ready", "true"},
      {"__meta_kubernetes_pod_controller_kind", "ReplicaSet"},
      {"__meta_kubernetes_pod_controller_name", "cart-7d9f8b6c5"},
      {"__meta_kubernetes_pod_label_app_kubernetes_io_name", "cart"},
      {"__meta_kubernetes_pod_labelpresent_app_kubernetes_io_name", "true"},
      {"__meta_kubernetes_pod_label_app_kubernetes_io_instance", "shop-eu"},
      {"__meta_kubernetes_pod_labelpresent_app_kubernetes_io_instance", "true"},
      {"__meta_kubernetes_pod_label_pod_template_hash", "7d9f8b6c5"},
      {"__meta_kubernetes_pod_labelpresent_pod_template_hash", "true"},
      {"__meta_kubernetes_pod_labelpresent_empty", "true"},
      {"__meta_kubernetes_pod_annotation_prometheus_io_scrape", "true"},
      {"__meta_kubernetes_pod_annotationpresent_prometheus_io_scrape", "true"},
      {"__meta_kubernetes_pod_annotation_checksum_config", "4f6c0e8d"},
      {"__meta_kubernetes_pod_annotationpresent_checksum_config", "true"},
      {"__meta_kubernetes_pod_annotationpresent_kubectl_kubernetes_io_last_applied_configuration", "true"},
      {"__meta_kubernetes_pod_container_name", "cart"},
      {"__meta_kubernetes_pod_container_id", "containerd://" + std::string(64, '2')},
      {"__meta_kubernetes_pod_container_image", "registry.example/shop/cart:1.4.2"},
      {"__meta_kubernetes_pod_container_init", "false"},
      {"__meta_kubernetes_pod_container_port_name", "http"},
      {"__meta_kubernetes_pod_container_port_number", "8080"},
      {"__meta_kubernetes_pod_container_port_protocol", "TCP"},
  }));
  EXPECT_EQ(targets[1].labels.at("__address__"), "10.244.1.17:9090");
  EXPECT_EQ(targets[2].labels.at("__address__"), "10.244.1.17");
  EXPECT_EQ(targets[2].labels.at("__meta_kubernetes_pod_container_name"), "proxy");
  EXPECT_FALSE(targets[2].labels.contains("__meta_kubernetes_pod_container_port_number"));
  EXPECT_EQ(targets[3].labels.at("__meta_kubernetes_pod_container_name"), "migrate");
  EXPECT_EQ(targets[3].labels.at("__meta_kubernetes_pod_container_init"), "true");
}

TEST(PodTest, APodWithoutAnAddressIsNotDiscoveredButItsLabelsCanBeAskedFor) {
  const std::string json = PodJson("a", "u", "1", "Pending", "");
  EXPECT_TRUE(TargetsOf(json).empty());
  const auto pod = Parse(json);
  const auto labels = LabelsOfContainer(pod->packed, {}, "migrate");
  ASSERT_TRUE(labels);
  EXPECT_EQ(labels->at("__meta_kubernetes_pod_phase"), "Pending");
  EXPECT_FALSE(LabelsOfContainer(pod->packed, {}, "debugger"));
}

TEST(PodTest, AddressesOfVersionSixAreInBrackets) {
  EXPECT_EQ(TargetsOf(PodJson("a", "u", "1", "Running", "fd00::17"))[0].labels.at("__address__"), "[fd00::17]:8080");
}

TEST(PodTest, OwnersOfOwnersAreToldFromNames) {
  PodDiscoveryOptions options;
  options.attach_deployment = options.attach_job = options.attach_cronjob = true;
  EXPECT_EQ(TargetsOf(PodJson("a", "u"), options)[0].labels.at("__meta_kubernetes_pod_deployment_name"), "cart");
  const std::string job = Replace(Replace(PodJson("a", "u"), "\"ReplicaSet\"", "\"Job\""), "\"cart-7d9f8b6c5\"",
                                  "\"nightly-28482720\"");
  const LabelMap labels = TargetsOf(job, options)[0].labels;
  EXPECT_EQ(labels.at("__meta_kubernetes_pod_job_name"), "nightly-28482720");
  EXPECT_EQ(labels.at("__meta_kubernetes_pod_cronjob_name"), "nightly");
  EXPECT_FALSE(TargetsOf(job)[0].labels.contains("__meta_kubernetes_pod_job_name"));
}

TEST(PodTest, LongAnnotationsAreCutUnlessARuleReadsThem) {
  const std::string json = PodJson("a", "u");
  const auto cut = Parse(json, [](std::string_view) { return false; });
  EXPECT_LT(cut->packed.size(), 1500u);
  const auto whole = Parse(json, [](std::string_view name) {
    return name == "__meta_kubernetes_pod_annotation_kubectl_kubernetes_io_last_applied_configuration";
  });
  EXPECT_GT(whole->packed.size(), 3000u);
}

TEST(PodTest, OddPodsDoNoHarm) {
  EXPECT_FALSE(Parse("{}"));
  EXPECT_FALSE(Parse("[1]"));
  EXPECT_FALSE(Parse(R"({"metadata":{"name":"a","namespace":"b"}})"));
  const auto bare = Parse(R"({"metadata":{"name":"a","namespace":"b","uid":"c","labels":[1],"annotations":{"x":5}},
                             "spec":{"containers":[{"ports":[{"containerPort":"80"}]}, 7]},"status":{"podIP":"1.2.3.4"}})");
  ASSERT_TRUE(bare);
  std::vector<DiscoveredTarget> out;
  AppendTargets(bare->packed, {}, out);
  EXPECT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].labels.at("__meta_kubernetes_pod_ready"), "unknown");
}

}  // namespace
}  // namespace agent::kube
