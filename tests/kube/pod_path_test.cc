// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/pod_path.h"

#include <gtest/gtest.h>

namespace agent::kube {
namespace {

TEST(PodPathTest, Table) {
  const struct {
    const char* path;
    const char* expected;  // namespace pod uid container count id static, or null
  } cases[] = {
      {"/var/log/pods/default_web-1_3c1f/app/0.log", "default web-1 3c1f app 0  -"},
      {"/tmp/x/kube-system_etcd-n1_0123456789abcdef0123456789abcdef/etcd/12.log",
       "kube-system etcd-n1 0123456789abcdef0123456789abcdef etcd 12  static"},
      {"/var/log/pods/a_b_c/d/3.log.20260102-030405", "a b c d 3  -"},
      {"/var/log/pods/a_b_c/d/3.log.20260102-030405.gz", "a b c d 3  -"},
      {"/var/log/containers/web-1_default_app-0a1b2c.log", "default web-1  app  0a1b2c -"},
      {"/var/log/containers/web-1_default_my-app-0a1b2c.log", "default web-1  my-app  0a1b2c -"},
      {"/var/log/pods/a_b/d/0.log", nullptr},
      {"/var/log/pods/a_b_c_d/e/0.log", nullptr},
      {"/var/log/pods/a__c/e/0.log", nullptr},
      {"/var/log/pods/a_b_c/d/x.log", nullptr},
      {"/var/log/syslog", nullptr},
      {"", nullptr},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.path);
    const auto found = ParsePodPath(c.path);
    ASSERT_EQ(found.has_value(), c.expected != nullptr);
    if (!found) continue;
    EXPECT_EQ(found->name_space + " " + found->pod + " " + found->uid + " " + found->container + " " +
                  found->restart_count + " " + found->container_id + " " + (found->static_pod ? "static" : "-"),
              c.expected);
  }
}

TEST(PodPathTest, Labels) {
  const auto path = ParsePodPath("/var/log/pods/default_web-1_3c1f/app/0.log");
  ASSERT_TRUE(path);
  EXPECT_EQ(DefaultLabels(*path, "n1"),
            (LabelMap{{"container", "app"}, {"namespace", "default"}, {"node_name", "n1"}, {"pod", "web-1"}}));
  EXPECT_EQ(DefaultLabels(*path, "").count("node_name"), 0u);
  EXPECT_EQ(MetaLabels(*path, "n1").at("__meta_kubernetes_pod_uid"), "3c1f");
}

}  // namespace
}  // namespace agent::kube
