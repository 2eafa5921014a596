// SPDX-License-Identifier: Apache-2.0
#include "agent/push/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/node.h"

namespace agent::push {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct Decoded {
  std::vector<ClientOptions> clients;
  std::string problems;
};

Decoded Read(const std::string& yaml, const LabelMap& extra = {}) {
  Diagnostics diagnostics;
  const config::Node node = config::ParseYaml(yaml, "t.yaml", diagnostics);
  Decoded out;
  out.clients = DecodeClients(node.Find("clients"), node.Find("client"), extra, diagnostics);
  out.problems = diagnostics.Text();
  return out;
}

constexpr const char* kEverything = R"(
clients:
  - name: main
    url: http://me:hidden@loki:3100/loki/api/v1/push
    tenant_id: team
    batchwait: 1500ms
    batchsize: 102400
    timeout: 1m
    backoff_config: {min_period: 100ms, max_period: 90s, max_retries: 7}
    drop_rate_limited_batches: true
    external_labels: {cluster: c1, zone: z}
    headers: {X-One: a, content-type: no, X-Scope-OrgID: no}
    bearer_token: hidden
    tls_config: {insecure_skip_verify: true}
    parallel: 4
    drop_refused_batches: true
)";

TEST(PushOptions, Defaults) {
  const Decoded read = Read("clients: [{url: 'http://loki/push'}]");
  EXPECT_EQ(read.problems, "");
  ASSERT_EQ(read.clients.size(), 1u);
  const ClientOptions& o = read.clients[0];
  EXPECT_EQ(o.batch_wait, 1s);
  EXPECT_EQ(o.batch_size, 1024u * 1024);
  EXPECT_EQ(o.timeout, 10s);
  EXPECT_EQ(o.backoff.min_period, 500ms);
  EXPECT_EQ(o.backoff.max_period, 5min);
  EXPECT_EQ(o.backoff.max_retries, 0u);  // for ever, unlike Promtail
  EXPECT_EQ(o.parallel, 1u);
  EXPECT_FALSE(o.drop_refused_batches);
}

TEST(PushOptions, ReadsEverything) {
  const Decoded read = Read(kEverything, {{"cluster", "from the command line"}, {"node", "n"}});
  ASSERT_EQ(read.clients.size(), 1u);
  const ClientOptions& o = read.clients[0];
  EXPECT_EQ(o.name, "main");
  EXPECT_EQ(o.tenant_id, "team");
  EXPECT_EQ(o.batch_wait, 1500ms);
  EXPECT_EQ(o.batch_size, 102400u);
  EXPECT_EQ(o.timeout, 1min);
  EXPECT_EQ(o.backoff.min_period, 100ms);
  EXPECT_EQ(o.backoff.max_period, 90s);
  EXPECT_EQ(o.backoff.max_retries, 7u);
  EXPECT_TRUE(o.drop_rate_limited_batches);
  EXPECT_EQ(o.external_labels, (LabelMap{{"cluster", "c1"}, {"node", "n"}, {"zone", "z"}}));
  EXPECT_EQ(o.headers, (LabelMap{{"X-One", "a"}}));
  EXPECT_EQ(o.http.authorization.credentials, "hidden");
  EXPECT_TRUE(o.http.tls.insecure_skip_verify);
  EXPECT_EQ(o.parallel, 4u);
  EXPECT_TRUE(o.drop_refused_batches);
  // The two headers that have no effect are warnings.
  EXPECT_THAT(read.problems, HasSubstr("content-type"));
  EXPECT_THAT(read.problems, HasSubstr("X-Scope-OrgID"));
  EXPECT_EQ(read.problems.find("error"), std::string::npos) << read.problems;
}

TEST(PushOptions, IsWrittenAsPromtailDumpsItWithoutSecrets) {
  const std::string text = config::WriteYaml(Encode(Read(kEverything).clients.at(0)));
  EXPECT_EQ(text.find("hidden"), std::string::npos) << text;
  for (const char* part : {"url: http://me:********@loki:3100/loki/api/v1/push", "batchwait: 1.5s", "batchsize: 102400",
                           "max_period: 1m30s", "timeout: 1m0s", "min_period: 100ms", "credentials: \"<secret>\"",
                           "cluster: ", "tenant_id: "}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

// Promtail merges the external labels of `client:` into every client; those of the flag
// stand instead of them, and a client's own win.
TEST(PushOptions, LabelsOfTheSingleClientAreForAll) {
  constexpr const char* kText = R"(
client: {url: 'http://a', external_labels: {who: single, x: y}}
clients: [{url: 'http://b', external_labels: {who: b}}]
)";
  const Decoded file = Read(kText);
  ASSERT_EQ(file.clients.size(), 2u);
  EXPECT_EQ(file.clients[0].external_labels, (LabelMap{{"who", "b"}, {"x", "y"}}));
  EXPECT_EQ(file.clients[1].external_labels, (LabelMap{{"who", "single"}, {"x", "y"}}));
  const Decoded flag = Read(kText, {{"who", "flag"}, {"z", "f"}});
  EXPECT_EQ(flag.clients[0].external_labels, (LabelMap{{"who", "b"}, {"z", "f"}}));
  EXPECT_EQ(flag.clients[1].external_labels, (LabelMap{{"who", "flag"}, {"z", "f"}}));
}

TEST(PushOptions, TheSingleClientIsAddedToTheList) {
  const Decoded read = Read("{clients: [{url: 'http://a/'}], client: {url: 'http://b/'}}");
  ASSERT_EQ(read.clients.size(), 2u);
  EXPECT_EQ(read.clients[1].url, "http://b/");
  EXPECT_THAT(read.problems, HasSubstr("deprecated"));
  EXPECT_EQ(Read("client: {batchwait: 5s}").clients.size(), 0u);
}

TEST(PushOptions, EachMistakeIsNamed) {
  struct Row {
    const char* yaml;
    const char* problem;
  };
  const Row rows[] = {
      {"clients: [{}]", "clients[0].url: is missing"},
      {"clients: [{url: loki}]", "not an absolute URL"},
      {"clients: {url: 'http://a'}", "is a list"},
      {"clients: [{url: 'http://a', batchwiat: 1s}]", "batchwait"},
      {"clients: [{url: 'http://a', batchwait: -1s}]", "cannot be negative"},
      {"clients: [{url: 'http://a', backoff_config: {max_retries: -1}}]", "0 means for ever"},
      {"clients: [{url: 'http://a', backoff_config: {min_period: 0s}}]", "10ms is used"},
      {"clients: [{url: 'http://a', backoff_config: {minbackoff: 0s}}]", "minbackoff"},
      {"clients: [{url: 'http://a', external_labels: {a.b: c}}]", "is no label name"},
      {"clients: [{url: 'http://a', headers: {'a b': c}}]", "cannot be the name of a header"},
      {"clients: [{url: 'http://a', headers: {a: \"b\\nc\"}}]", "line break"},
      {"clients: [{url: 'http://a', parallel: 0}]", "from 1 to 64"},
      {"clients: [{url: 'http://a', parallel: 65}]", "from 1 to 64"},
      {"clients: [{url: 'http://a'}, {url: 'http://b'}, {url: 'http://a'}]", "clients[2]: is the same as clients[0]"},
      {"clients: [{name: x, url: 'http://a'}, {name: x, url: 'http://b'}]", "which clients[0] has too"},
  };
  for (const Row& row : rows) {
    const std::string problems = Read(row.yaml).problems;
    EXPECT_THAT(problems, HasSubstr(row.problem)) << row.yaml;
    EXPECT_THAT(problems, HasSubstr("t.yaml:1:")) << row.yaml;
  }
  // Clients that differ only in a secret are two.
  EXPECT_EQ(Read("clients: [{url: 'http://a', bearer_token: x}, {url: 'http://a', bearer_token: y}]").problems, "");
}

}  // namespace
}  // namespace agent::push
