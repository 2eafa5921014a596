// SPDX-License-Identifier: Apache-2.0
// Entries of kubernetes_sd_configs: what is understood, and what is said to what is not.
#include "agent/kube/options.h"

#include <gmock/gmock.h>

namespace agent::kube {
namespace {

using ::testing::HasSubstr;

class PodDiscoveryOptionsTest : public ::testing::Test {
 protected:
  std::optional<PodDiscoveryOptions> Decode(std::string_view yaml) {
    diagnostics_ = Diagnostics();
    const config::Node node = config::ParseYaml(yaml, "t.yaml", diagnostics_);
    return DecodePodDiscovery(node, "sd[0]", "n1", diagnostics_);
  }
  std::string ProblemsOf(std::string_view yaml) {
    EXPECT_FALSE(Decode(yaml)) << yaml;
    return diagnostics_.Text();
  }
  Diagnostics diagnostics_;
};

TEST_F(PodDiscoveryOptionsTest, TheShortestEntryWatchesThisNodesPods) {
  const auto options = Decode("role: pod");
  ASSERT_TRUE(options) << diagnostics_.Text();
  EXPECT_EQ(options->field_selector, "spec.nodeName=n1");
  EXPECT_EQ(options->source, PodDiscoveryOptions::Source::kApi);
  EXPECT_FALSE(options->annotations);
  EXPECT_EQ(options->metadata_wait, std::chrono::seconds(10));
  EXPECT_EQ(*options, *Decode("role: pod")) << "equal entries share a watcher";
}

TEST_F(PodDiscoveryOptionsTest, EverythingThatPromtailTakes) {
  const auto options = Decode(R"(
role: pod
api_server: https://kube.example:6443/
authorization: {credentials_file: /token}
tls_config: {ca_file: /ca.crt}
namespaces: {own_namespace: true, names: [shop, ops]}
selectors: [{role: pod, label: 'tier in (web)', field: status.phase=Running}]
attach_metadata: {deployment: true, job: true, cronjob: true, node: false}
annotations: true
metadata_wait: 1m
)");
  ASSERT_TRUE(options) << diagnostics_.Text();
  EXPECT_EQ(options->api_server, "https://kube.example:6443");
  EXPECT_EQ(options->http.authorization.credentials_file, "/token");
  EXPECT_EQ(options->http.tls.ca_file, "/ca.crt");
  EXPECT_TRUE(options->own_namespace);
  EXPECT_EQ(options->namespaces, (std::vector<std::string>{"shop", "ops"}));
  EXPECT_EQ(options->label_selector, "tier in (web)");
  EXPECT_EQ(options->field_selector, "status.phase=Running,spec.nodeName=n1");
  EXPECT_TRUE(options->attach_deployment && options->attach_job && options->attach_cronjob && options->annotations);
  EXPECT_EQ(options->metadata_wait, std::chrono::minutes(1));
}

TEST_F(PodDiscoveryOptionsTest, TheKubelet) {
  const auto options = Decode("{role: pod, source: kubelet, poll_interval: 5s}");
  ASSERT_TRUE(options) << diagnostics_.Text();
  EXPECT_EQ(options->kubelet_url, "https://n1:10250");
  EXPECT_EQ(options->poll_interval, std::chrono::seconds(5));
  EXPECT_EQ(Decode("{role: pod, source: kubelet, kubelet_url: 'http://127.0.0.1:10255/'}")->kubelet_url,
            "http://127.0.0.1:10255");
}

TEST_F(PodDiscoveryOptionsTest, WhatIsWrongIsSaid) {
  EXPECT_THAT(ProblemsOf("{}"), HasSubstr("role: pod"));
  EXPECT_THAT(ProblemsOf("role: service"), HasSubstr("not read by Sluice"));
  EXPECT_THAT(ProblemsOf("role: pods"), HasSubstr("not a role"));
  EXPECT_THAT(ProblemsOf("{role: pod, api_server: 'ftp://x'}"), HasSubstr("api_server"));
  EXPECT_THAT(ProblemsOf("{role: pod, api_server: 'http://x', kubeconfig_file: /c}"), HasSubstr("choose one"));
  EXPECT_THAT(ProblemsOf("{role: pod, kubeconfig_file: /c, bearer_token: x}"), HasSubstr("kubeconfig_file"));
  EXPECT_THAT(ProblemsOf("{role: pod, bearer_token_file: /x}"), HasSubstr("api_server"));
  EXPECT_THAT(ProblemsOf("{role: pod, attach_metadata: {node: true}}"), HasSubstr("labels of the node"));
  EXPECT_THAT(ProblemsOf("{role: pod, selectors: [{role: pod}, {role: pod}]}"), HasSubstr("more than one"));
  EXPECT_THAT(ProblemsOf("{role: pod, selectors: [{role: node}]}"), HasSubstr("only pods"));
  EXPECT_THAT(ProblemsOf("{role: pod, source: kublet}"), HasSubstr("neither api nor kubelet"));
  EXPECT_THAT(ProblemsOf("{role: pod, poll_interval: 10s}"), HasSubstr("source: kubelet only"));
  EXPECT_THAT(ProblemsOf("{role: pod, source: kubelet, poll_interval: 10ms}"), HasSubstr("shorter than 1s"));
  EXPECT_THAT(ProblemsOf("{role: pod, source: kubelet, api_server: 'http://x'}"), HasSubstr("neither api_server"));
  EXPECT_THAT(ProblemsOf("{role: pod, annotation: true}"), HasSubstr("annotations"));
  EXPECT_THAT(ProblemsOf("{role: pod, metadata_wait: soon}"), HasSubstr("metadata_wait"));
}

}  // namespace
}  // namespace agent::kube
