// SPDX-License-Identifier: Apache-2.0
// A PodWatcher before a scripted API server, cranked by hand.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/kube/pod_watcher.h"
#include "tests/http/http_harness.h"
#include "tests/support/scripted_loki.h"

namespace agent::kube {

inline test::ScriptedAnswer Answer(int status, std::string body, test::ScriptedAnswer::Wire wire = test::ScriptedAnswer::Wire::kWhole) {
  test::ScriptedAnswer answer;
  answer.status = status;
  answer.body = std::move(body);
  answer.wire = wire;
  return answer;
}

class PodWatcherTest : public ::testing::Test {
 protected:
  explicit PodWatcherTest(test::ScriptedLoki::Options server = {}) : tls_(server.tls != nullptr), server_(std::move(server)) {}

  // Answers in this order; after the last, watches say nothing and are held.
  void Script(std::vector<test::ScriptedAnswer> answers) { server_.Script(std::move(answers)); }

  void Make(PodDiscoveryOptions discovery = {}, http::ClientOptions http = {}) {
    if (discovery.field_selector.empty()) discovery.field_selector = "spec.nodeName=worker-1";
    if (discovery.source == PodDiscoveryOptions::Source::kKubelet) discovery.kubelet_url = Base();
    PodWatcherOptions options;
    options.discovery = discovery;
    options.access = {.url = Base(), .http = std::move(http), .namespaces = discovery.namespaces};
    options.scrape_configs = {3};
    options.job = "pods";
    options.in_use = [this](std::string_view uid) { return in_use_.contains(std::string(uid)); };
    options.wanted = [](std::string_view) { return false; };
    watcher_ = std::make_unique<PodWatcher>(
        std::move(options), client_, registry_,
        [this](uint32_t scrape, std::vector<DiscoveredTarget> targets) {
          EXPECT_EQ(scrape, 3u);
          targets_ = std::move(targets);
          ++updates_;
        },
        [] {});
  }
  std::string Base() const { return (tls_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(server_.port()); }

  // Cranks until the server has seen so many requests and they are settled or held.
  // The clock jumps to the next deadline only while nothing is under way.
  void RunUntilRequests(size_t count) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (server_.requests().size() < count && std::chrono::steady_clock::now() < give_up) Crank();
    ASSERT_GE(server_.requests().size(), count);
  }
  template <class Condition>
  void RunUntil(Condition condition) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition() && std::chrono::steady_clock::now() < give_up) Crank();
    ASSERT_TRUE(condition());
  }
  void Crank() {
    watcher_->Tick(now_);
    client_.Poll(std::chrono::milliseconds(5));
    watcher_->Tick(now_);
    if (client_.pending() == 0 && watcher_->NextDeadline() > now_) now_ = watcher_->NextDeadline();
  }
  std::set<std::string> Pods() const {
    std::set<std::string> out;
    for (const DiscoveredTarget& target : watcher_->Targets()) out.insert(target.labels.at("__meta_kubernetes_pod_name"));
    return out;
  }

  const bool tls_;
  test::ScriptedLoki server_;
  http::Client client_;
  metrics::Registry registry_;
  std::set<std::string> in_use_;
  std::unique_ptr<PodWatcher> watcher_;
  std::vector<DiscoveredTarget> targets_;
  int updates_ = 0;
  MonoTime now_{std::chrono::hours(1)};
};

}  // namespace agent::kube
