// SPDX-License-Identifier: Apache-2.0
// The shapes of docs/API.md: each value once with every member set, against the text
// of the document itself, so that the two cannot drift apart.
#include "agent/admin/internal/to_json.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "agent/admin/admin.h"
#include "agent/admin/internal/call.h"
#include "agent/admin/internal/html.h"

namespace agent::admin::internal {
namespace {

constexpr WallNanos kSecond = 1'000'000'000;
constexpr WallNanos kTen = 1'772'445'600 * kSecond;  // 2026-03-02T10:00:00Z

// The JSON under "### NAME" in docs/API.md, without line breaks and indentation.
std::string Documented(const std::string& name) {
  std::ifstream in(std::string(SOURCE_DIR) + "/docs/API.md");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const size_t title = text.find("\n### `" + name + "`");
  if (title == std::string::npos) return "no section " + name;
  const size_t begin = text.find("```json\n", title) + 8;
  const size_t end = text.find("\n```", begin);
  std::string out;
  bool quoted = false;
  for (size_t i = begin; i < end; ++i) {
    const char c = text[i];
    if (c == '"' && text[i - 1] != '\\') quoted = !quoted;
    if (quoted || (c != ' ' && c != '\n')) out += c;
  }
  return out;
}

PodSummary ExamplePod() {
  PodSummary pod;
  pod.id = "shop/web-7d9f";
  pod.ns = "shop";
  pod.pod = "web-7d9f";
  pod.uid = "6f1c";
  pod.job = "kubernetes-pods";
  pod.containers = {"nginx"};
  pod.trouble = {Trouble::Severity::kWarning, "lagging", "Reading is 90 s behind."};
  pod.counts = {1000, 10, 8, 800, 1, 1, 100};
  pod.bytes_per_second = 12.5;
  pod.files = 1;
  pod.streams = 2;
  pod.lag_bytes = 4096;
  pod.lag_seconds = 90;
  pod.seconds_to_loss = 3600;
  pod.last_read = kTen;
  pod.last_accepted = kTen - kSecond;
  return pod;
}

TEST(ToJson, Node) {
  NodeSummary node;
  node.version = "0.1.0";
  node.node_name = "node-1";
  node.config_file = "/etc/sluice/config.yaml";
  node.now = kTen;
  node.started = kTen - 60 * kSecond;
  node.config_loaded = kTen - 60 * kSecond;
  node.ready = true;
  node.troubles = {{Trouble::Severity::kCritical, "loki_unreachable", "Loki does not answer."}};
  node.counts = {1000, 10, 8, 800, 1, 1, 100};
  node.pods = 1;
  node.files = 2;
  node.files_active = 1;
  node.streams = 2;
  node.lag_bytes = 4096;
  node.lag_seconds = 90;
  node.seconds_to_loss = 3600;
  node.budget_used = 1024;
  node.budget_limit = 67108864;
  node.resident_bytes = 20971520;
  node.inotify_watches = 3;
  node.positions_age_seconds = 2.5;
  ClientSummary client;
  client.name = "loki";
  client.url = "http://loki:3100/loki/api/v1/push";
  client.last_status = 204;
  client.last_answer = client.last_accepted = kTen;
  client.batches_waiting = 1;
  client.bytes_waiting = 512;
  client.in_flight = 1;
  client.retries = 4;
  client.wire_bytes = 300;
  client.backoff_seconds = 0.5;
  node.clients = {client};
  EXPECT_EQ(ToJson(node, ServerOptions::BuiltIn(), true), Documented("GET /api/node"));
}

TEST(ToJson, Pods) { EXPECT_EQ(ToJson({ExamplePod()}, PodsQuery{}, kTen), Documented("GET /api/pods")); }

TEST(ToJson, Pod) {
  PodDetail detail;
  detail.found = true;
  detail.summary = ExamplePod();
  detail.labels = {{"namespace", "shop"}, {"pod", "web-7d9f"}};
  FileDetail file;
  file.path = "/var/log/pods/shop_web-7d9f_6f1c/nginx/0.log";
  file.location = file.path;
  file.container = "nginx";
  file.job = "kubernetes-pods";
  file.state = "followed";
  file.inode = 4711;
  file.size = 8192;
  file.read = 8000;
  file.committed = 4096;
  file.lines = 10;
  file.last_read = kTen;
  detail.files = {file};
  detail.streams = {{{"{namespace=\"shop\", pod=\"web-7d9f\"}", 8, 800, kTen}}, 1};
  detail.stages = {{"scrape_configs[0].pipeline_stages[1]", "drop", 1, 0, "drop_stage"}};
  detail.events = {{kTen, Trouble::Severity::kWarning, "Loki refused 1 line: line too long"}};
  EXPECT_EQ(ToJson(detail, kTen), Documented("GET /api/pod?id=NAMESPACE/POD"));
}

TEST(ToJson, Explain) {
  Explanation explanation;
  explanation.pod = "shop/web-7d9f";
  explanation.verdict = "Loki refuses the lines.";
  explanation.links = {{"directory", ExplainLink::State::kOk, "/var/log/pods/shop_web-7d9f_6f1c is there.", ""},
                       {"loki", ExplainLink::State::kBroken, "Loki answers 401.", "Check the tenant and the password."},
                       {"accepted", ExplainLink::State::kSkipped, "", ""}};
  explanation.streams = {{{"{namespace=\"shop\", pod=\"web-7d9f\"}", 8, 800, kTen}}, 1};
  EXPECT_EQ(ToJson(explanation), Documented("GET /api/explain?pod=POD"));
  explanation.links.clear();
  EXPECT_NE(ToJson(explanation).find("\"first_broken\":null"), std::string::npos);
}

TEST(ToJson, LossLedger) {
  Ledger ledger;
  ledger.since = kTen;
  ledger.counts = {1000, 10, 8, 800, 1, 1, 100};
  const LossRow lost = {"truncated_unread", "The writer cut the file before it was read.", 1, 100, kTen};
  ledger.lost = {lost};
  ledger.dropped = {{"drop_stage", "A drop stage matched.", 1, 90, kTen}};
  ledger.by_pod = {{"shop/web-7d9f", lost}};
  EXPECT_EQ(ToJson(ledger), Documented("GET /api/ledger"));
}

TEST(ToJson, LabelCardinality) {
  Cardinality cardinality;
  cardinality.streams = 240;
  cardinality.streams_limit = 5000;
  cardinality.window_seconds = 3600;
  cardinality.labels = {
      {"request_id", "kubernetes-pods", "pipeline", 12000, true, 100, "structured_metadata", true, kTen, 11900, {"a1", "b2"}}};
  EXPECT_EQ(ToJson(cardinality), Documented("GET /api/cardinality"));
}

TEST(ToJson, TargetsAndDiscovery) {
  const LabelMap labels = {{"job", "varlogs"}};
  const LabelMap discovered = {{"__path__", "/var/log/*.log"}, {"job", "varlogs"}};
  const std::vector<TargetView> targets = {{"system", "File", true, labels, discovered, "/var/log/x.log: 512"}};
  EXPECT_EQ(ToJson(targets), Documented("GET /api/targets"));
  const std::vector<DiscoveryView> views = {{"system", discovered, {}, "dropped by scrape_configs[0].relabel_configs[1]"}};
  EXPECT_EQ(ToJson(views), Documented("GET /api/service-discovery"));
}

TEST(ToJson, PodsAreSearchedAndCutToAPage) {
  std::vector<PodSummary> pods(5);
  for (size_t i = 0; i < pods.size(); ++i) pods[i].id = "shop/Web-" + std::to_string(i);
  pods[4].trouble.severity = Trouble::Severity::kCritical;
  pods[3].lag_seconds = 5;
  pods[2].seconds_to_loss = 60;
  SortByTrouble(pods);
  const auto ids = [&](const PodsQuery& query) {
    const std::string json = ToJson(pods, query, 0);
    std::string out;
    for (size_t at = json.find("\"id\":\"shop/Web-"); at != std::string::npos; at = json.find("\"id\":\"shop/Web-", at + 1)) {
      out += json[at + 15];
    }
    return out;
  };
  EXPECT_EQ(ids({}), "42301") << "trouble, nearest loss, longest lag, name";
  EXPECT_EQ(ids({.search = "wEB-3"}), "3");
  EXPECT_EQ(ids({.search = "", .offset = 1, .limit = 2}), "23");
  EXPECT_EQ(ids({.search = "", .offset = 9, .limit = 2}), "");
  EXPECT_EQ(ids({.search = "", .offset = 0, .limit = 0, .only_trouble = true}), "4");
  EXPECT_NE(ToJson(pods, {.search = "-3"}, 0).find("\"total\":5,\"in_trouble\":1,\"matching\":1"), std::string::npos);
}

TEST(ToJson, NumbersAndTimesAreAlwaysJson) {
  PodSummary pod;
  pod.lag_seconds = 1.0 / 0.0;
  pod.last_read = -1;
  const std::string json = ToJson({pod}, PodsQuery{}, 0);
  EXPECT_NE(json.find("\"lag_seconds\":null"), std::string::npos);
  EXPECT_NE(json.find("\"last_read\":\"1969-12-31T23:59:59.999Z\""), std::string::npos) << json;
  EXPECT_EQ(ErrorJson("a \"b\"\n"), "{\"error\":\"a \\\"b\\\"\\n\"}");
}

TEST(Html, EscapesWhatComesFromOutside) {
  const std::string page = TargetsHtml({{"<job>", "File", false, {{"a", "\"><script>"}}, {{"b", "<&>"}}, "<details>"}});
  EXPECT_EQ(page.find("<script>"), std::string::npos);
  EXPECT_EQ(page.find("<job>"), std::string::npos);
  EXPECT_EQ(page.find("<details>"), std::string::npos);
  EXPECT_NE(page.find("(0/1 ready)"), std::string::npos);
}

TEST(Html, ShowsAtMostAHundredDroppedTargetsOfAJob) {
  const std::vector<DiscoveryView> dropped(150, {"job", {{"__path__", "/x"}}, {}, "no_path"});
  const std::string page = DiscoveryHtml(dropped);
  size_t rows = 0;
  for (size_t at = page.find("Dropped: "); at != std::string::npos; at = page.find("Dropped: ", at + 1)) ++rows;
  EXPECT_EQ(rows, 100U);
  EXPECT_NE(page.find("(0/150 active)"), std::string::npos);
}

TEST(ParseTarget, TakesPathsAndParametersApart) {
  const struct {
    const char* target;
    const char* prefix;
    const char* expected;  // path|name=value|... or "" if refused
  } kRows[] = {
      {"/", "", "/"}, {"/a/b?x=1&y=2", "", "/a/b|x=1|y=2"}, {"/a%20b?x=%41+b&x=2&&y", "", "/a b|x=A b|x=2|y="},
      {"/p", "/p", "/"}, {"/p/a", "/p", "/a"}, {"/pa", "/p", ""}, {"/a", "/p", ""}, {"", "", ""}, {"*", "", ""},
      {"http://h/a", "", ""}, {"/a%2", "", ""}, {"/?x=%zz", "", ""}, {"/?=v", "", "/|=v"},
  };
  for (const auto& row : kRows) {
    Call call;
    std::string got;
    if (ParseTarget(row.target, row.prefix, call)) {
      got = call.path;
      for (const auto& [name, value] : call.parameters) got += "|" + name + "=" + value;
    }
    EXPECT_EQ(got, row.expected) << row.target;
  }
}

}  // namespace
}  // namespace agent::admin::internal
