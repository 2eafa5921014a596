// SPDX-License-Identifier: Apache-2.0
// A dry run of a configuration that asks Kubernetes: pods from the paths of their logs.
#include "agent/app/internal/pods_from_paths.h"

#include <gtest/gtest.h>

namespace agent::app {
namespace {

// As the chart of Promtail has it, in short.
constexpr const char* kPods = R"(
- job_name: kubernetes-pods
  kubernetes_sd_configs: [{role: pod}]
  relabel_configs:
  - {source_labels: [__meta_kubernetes_namespace], regex: hidden, action: drop}
  - {source_labels: [__meta_kubernetes_pod_label_app, __meta_kubernetes_pod_name], regex: '^;*([^;]+)(;.*)?$', target_label: app}
  - {source_labels: [__meta_kubernetes_pod_node_name], target_label: node}
  - {action: labelmap, regex: __meta_kubernetes_pod_label_(.+)}
  - source_labels: [__meta_kubernetes_pod_uid, __meta_kubernetes_pod_container_name]
    separator: /
    replacement: /var/log/pods/*$1/*.log
    target_label: __path__
)";

class PodsFromPathsTest : public ::testing::Test {
 protected:
  PodsFromPathsTest() {
    Diagnostics diagnostics;
    const config::Node list = config::ParseYaml(kPods, "t.yaml", diagnostics);
    settings_.scrapes = DecodeScrapeConfigs(&list, nullptr, "", diagnostics, metrics_, nullptr);
    EXPECT_EQ(diagnostics.Text(), "");
  }

  // The labels of a file, or why it is not read.
  std::string Labels(const std::string& path) {
    const auto target = MakePodLogsTarget(PodsFromPaths(settings_.scrapes.at(0)), 0, settings_.node_name);
    LabelMap labels;
    std::string why;
    if (!target->resolve(path, labels, why)) return why;
    std::string text;
    for (const auto& [name, value] : labels) text += name + "=" + value + " ";
    return text;
  }

  metrics::Registry metrics_;
  Settings settings_;
};

TEST_F(PodsFromPathsTest, RulesGetWhatThePathTells) {
  EXPECT_EQ(Labels("/var/log/pods/shop_cart-1_uid-1/app/0.log"),
            "app=cart-1 filename=/var/log/pods/shop_cart-1_uid-1/app/0.log ");
  settings_.node_name = "n1";
  EXPECT_EQ(Labels("/tmp/copied/shop_cart-1_uid-1/app/0.log"),
            "app=cart-1 filename=/tmp/copied/shop_cart-1_uid-1/app/0.log node=n1 ");
}

TEST_F(PodsFromPathsTest, WhatNoTargetWouldReadIsNotRead) {
  EXPECT_EQ(Labels("/var/log/pods/hidden_cart-1_uid-1/app/0.log"), "dropped by the relabelling rule at line 5");
  EXPECT_EQ(Labels("/var/log/pods/shop_cart-1_uid-1/app/0.log.20240305-100000"),
            "its __path__ is \"/var/log/pods/*uid-1/app/*.log\"");
  EXPECT_NE(Labels("/var/log/app.log").find("not of the form"), std::string::npos);
  settings_.scrapes[0].relabel.pop_back();
  EXPECT_EQ(Labels("/var/log/pods/shop_cart-1_uid-1/app/0.log"), "it has no __path__ label");
}

TEST_F(PodsFromPathsTest, TheNoteNamesWhatIsNotKnown) {
  EXPECT_EQ(NoteOnPaths(settings_),
            "a dry run asks no cluster: pods are labelled from the paths of their logs (namespace, pod, uid, container); "
            "not known, and empty here: __meta_kubernetes_pod_label_(.+), __meta_kubernetes_pod_label_app, "
            "__meta_kubernetes_pod_node_name");
  settings_.scrapes[0].relabel.clear();
  settings_.node_name = "n1";
  EXPECT_EQ(NoteOnPaths(settings_),
            "a dry run asks no cluster: pods are labelled from the paths of their logs (namespace, pod, uid, container, node)");
  settings_.scrapes.clear();
  EXPECT_EQ(NoteOnPaths(settings_), "");
}

}  // namespace
}  // namespace agent::app
