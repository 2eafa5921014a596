// SPDX-License-Identifier: Apache-2.0
// How the API server is found: the pod's service account, kubeconfig files, the kubelet.
#include "agent/kube/cluster.h"

#include <gmock/gmock.h>

#include <map>

namespace agent::kube {
namespace {

using ::testing::HasSubstr;

constexpr const char* kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

class ClusterTest : public ::testing::Test {
 protected:
  Surroundings Around() {
    return {.environment = [this](const char* name) -> const char* {
              const auto found = environment_.find(name);
              return found == environment_.end() ? nullptr : found->second.c_str();
            },
            .read_file = [this](const std::string& path) -> Result<std::string> {
              const auto found = files_.find(path);
              if (found == files_.end()) return Fail(Code::kNotFound, "cannot open " + path);
              return found->second;
            }};
  }
  std::string ErrorOf(const PodDiscoveryOptions& options) {
    const auto found = FindCluster(options, Around());
    EXPECT_FALSE(found);
    return found ? "" : found.error().what;
  }
  std::map<std::string, std::string> environment_ = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"},
                                                     {"KUBERNETES_SERVICE_PORT", "443"}};
  std::map<std::string, std::string> files_;
};

TEST_F(ClusterTest, InAPodItsServiceAccountIsUsed) {
  const auto found = FindCluster({}, Around());
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_EQ(found->url, "https://10.0.0.1:443");
  EXPECT_EQ(found->http.authorization.credentials_file, std::string(kServiceAccount) + "/token");
  EXPECT_EQ(found->http.tls.ca_file, std::string(kServiceAccount) + "/ca.crt");
  EXPECT_TRUE(found->namespaces.empty());
  environment_["KUBERNETES_SERVICE_HOST"] = "fd00::1";
  EXPECT_EQ(FindCluster({}, Around())->url, "https://[fd00::1]:443");
}

TEST_F(ClusterTest, OutsideOfAClusterItSaysWhatToDo) {
  environment_.clear();
  EXPECT_THAT(ErrorOf({}), HasSubstr("api_server or kubeconfig_file"));
  PodDiscoveryOptions options;
  options.api_server = "http://127.0.0.1:8001";
  EXPECT_EQ(FindCluster(options, Around())->url, "http://127.0.0.1:8001");
}

TEST_F(ClusterTest, TheOwnNamespaceIsAddedOnce) {
  PodDiscoveryOptions options;
  options.own_namespace = true;
  options.namespaces = {"ops"};
  EXPECT_THAT(ErrorOf(options), HasSubstr("own_namespace"));
  files_[std::string(kServiceAccount) + "/namespace"] = "shop\n";
  EXPECT_EQ(FindCluster(options, Around())->namespaces, (std::vector<std::string>{"ops", "shop"}));
  options.namespaces = {"shop"};
  EXPECT_EQ(FindCluster(options, Around())->namespaces, (std::vector<std::string>{"shop"}));
}

TEST_F(ClusterTest, TheKubeletIsAskedWithThePodsTokenUnlessThereIsAnother) {
  PodDiscoveryOptions options;
  options.source = PodDiscoveryOptions::Source::kKubelet;
  options.kubelet_url = "https://n1:10250";
  auto found = FindCluster(options, Around());
  EXPECT_EQ(found->http.authorization.credentials_file, std::string(kServiceAccount) + "/token");
  EXPECT_EQ(found->http.tls.ca_file, std::string(kServiceAccount) + "/ca.crt");
  options.http.tls.insecure_skip_verify = true;
  options.http.authorization.credentials_file = "/mine";
  found = FindCluster(options, Around());
  EXPECT_EQ(found->http.authorization.credentials_file, "/mine");
  EXPECT_EQ(found->http.tls.ca_file, "");
  options.http = {};
  options.kubelet_url = "http://127.0.0.1:10255";
  EXPECT_EQ(FindCluster(options, Around())->http, http::ClientOptions()) << "no secret over plain HTTP";
}

constexpr std::string_view kKubeconfig = R"(
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: one
  cluster: {server: 'https://other:6443'}
- name: two
  cluster:
    server: https://kube.example:6443/
    certificate-authority-data: Y2EgdGV4dA==
    tls-server-name: kube
    proxy-url: http://proxy:3128
contexts:
- {name: prod, context: {cluster: one, user: x}}
- {name: dev, context: {cluster: two, user: me}}
users:
- name: me
  user: {client-certificate: certs/me.crt, client-key-data: a2V5, token: abc}
)";

std::string Changed(std::string from, std::string to) {
  std::string text(kKubeconfig);
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST_F(ClusterTest, AKubeconfigsCurrentContext) {
  PodDiscoveryOptions options;
  options.kubeconfig_file = "/home/me/config";
  EXPECT_THAT(ErrorOf(options), HasSubstr("cannot open /home/me/config"));
  files_["/home/me/config"] = kKubeconfig;
  const auto found = FindCluster(options, Around());
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_EQ(found->url, "https://kube.example:6443");
  EXPECT_EQ(found->http.tls.ca, "ca text");
  EXPECT_EQ(found->http.tls.server_name, "kube");
  EXPECT_EQ(found->http.tls.cert_file, "/home/me/certs/me.crt") << "beside the file";
  EXPECT_EQ(found->http.tls.key, "key");
  EXPECT_EQ(found->http.authorization.credentials, "abc");
  EXPECT_EQ(found->http.proxy.url, "http://proxy:3128");
}

TEST_F(ClusterTest, ATokenFileWinsAndIsNamedBesideTheKubeconfig) {
  const auto found = ReadKubeconfig(Changed("token: abc", "token: abc, tokenFile: me.token"), "/k/config");
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_EQ(found->http.authorization.credentials, "");
  EXPECT_EQ(found->http.authorization.credentials_file, "/k/me.token");
}

TEST_F(ClusterTest, WhatIsWrongWithAKubeconfigIsSaid) {
  const auto error = [](const std::string& text) {
    const auto found = ReadKubeconfig(text, "/k/config");
    EXPECT_FALSE(found) << text;
    return found ? std::string() : found.error().what;
  };
  EXPECT_THAT(error("[1]"), HasSubstr("not a kubeconfig"));
  EXPECT_THAT(error("a: [b"), HasSubstr("/k/config"));
  EXPECT_THAT(error(Changed("current-context: dev", "current-context: test")), HasSubstr("no context \"test\""));
  EXPECT_THAT(error(Changed("cluster: two", "cluster: three")), HasSubstr("no cluster \"three\""));
  EXPECT_THAT(error(Changed("user: me", "user: you")), HasSubstr("no user \"you\""));
  EXPECT_THAT(error(Changed("https://kube.example:6443/", "kube.example")), HasSubstr("server of cluster \"two\""));
  EXPECT_THAT(error(Changed("Y2EgdGV4dA==", "'%%'")), HasSubstr("certificate-authority-data is not base64"));
  EXPECT_THAT(error(Changed("token: abc", "exec: {command: aws}")), HasSubstr("runs no other program"));
  EXPECT_THAT(error(Changed("token: abc", "token: abc, username: u, password: p")), HasSubstr("both a token and a password"));
}

}  // namespace
}  // namespace agent::kube
