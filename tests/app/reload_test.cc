// SPDX-License-Identifier: Apache-2.0
// Two configurations, one after the other: which jobs stay where they are.
#include "agent/app/reload.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/manual_clock.h"

namespace agent::app {
namespace {

class ReloadTest : public ::testing::Test {
 protected:
  ReloadTest() {
    char pattern[] = "/tmp/reload-test-XXXXXX";
    folder_ = mkdtemp(pattern);
    line_.config_file = (folder_ / "c.yaml").string();
    line_.node_name = "n1";
  }
  ~ReloadTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& jobs) {
    std::ofstream(folder_ / "c.yaml") << "clients: [{url: 'http://l/loki/api/v1/push'}]\nscrape_configs:\n" << jobs;
  }
  static std::string Job(const std::string& name, const std::string& stages = "[]") {
    return "- {job_name: " + name + ", static_configs: [{labels: {__path__: /x/" + name + ".log}}], pipeline_stages: " + stages + "}\n";
  }
  std::shared_ptr<Settings> Load() {
    Diagnostics diagnostics;
    auto settings = std::make_shared<Settings>(LoadSettings(line_, true, diagnostics, registry_));
    EXPECT_TRUE(diagnostics.ok()) << diagnostics.Text();
    return settings;
  }
  std::unique_ptr<Reloader> MakeReloader() {
    return std::make_unique<Reloader>(line_, Load(), registry_, clock_, platform::RealFs(),
                                      [this](const Settings&, const std::shared_ptr<const Settings>&) -> Status {
                                        ++applied_;
                                        return {};
                                      });
  }

  std::filesystem::path folder_;
  CommandLine line_;
  metrics::Registry registry_;
  agent::testing::ManualClock clock_;
  int applied_ = 0;
};

TEST_F(ReloadTest, JobsKeepTheirPlaceAndPipelinesThatAreTheSameStayTheSame) {
  Write(Job("a", "[docker: {}]") + Job("b") + Job("c"));
  const auto old = Load();
  Write(Job("d") + Job("c", "[cri: {}]") + Job("a", "[docker: {}]"));
  const auto fresh = Load();
  ArrangeLike(*old, *fresh);
  ASSERT_EQ(fresh->scrapes.size(), 4u);
  const std::vector<std::string> names = {fresh->scrapes[0].job, fresh->scrapes[1].job, fresh->scrapes[2].job, fresh->scrapes[3].job};
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(fresh->scrapes[0].pipeline, old->scrapes[0].pipeline);
  EXPECT_NE(fresh->scrapes[2].pipeline, old->scrapes[2].pipeline);
  EXPECT_TRUE(fresh->scrapes[1].retired);
  EXPECT_TRUE(fresh->scrapes[1].static_targets.empty());
  EXPECT_EQ(fresh->scrapes[1].pipeline, old->scrapes[1].pipeline);
  EXPECT_EQ(fresh->tail.unpacking.size(), 4u);
}

TEST_F(ReloadTest, AJobThatComesBackHasItsOldPlace) {
  Write(Job("a") + Job("b"));
  const auto first = Load();
  Write(Job("b"));
  const auto second = Load();
  ArrangeLike(*first, *second);
  Write(Job("b") + Job("a"));
  const auto third = Load();
  ArrangeLike(*second, *third);
  ASSERT_EQ(third->scrapes.size(), 2u);
  EXPECT_EQ(third->scrapes[0].job, "a");
  EXPECT_FALSE(third->scrapes[0].retired);
  EXPECT_FALSE(third->scrapes[0].static_targets.empty());
}

TEST_F(ReloadTest, OnlyAChangedTextIsLoaded) {
  Write(Job("a"));
  const auto reloader = MakeReloader();
  clock_.Advance(Reloader::kLookEvery);
  reloader->Tick(clock_.Now());
  EXPECT_EQ(applied_, 0);
  std::filesystem::last_write_time(folder_ / "c.yaml", std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  clock_.Advance(Reloader::kLookEvery);
  reloader->Tick(clock_.Now());
  EXPECT_EQ(applied_, 0) << "touched, not changed";
  Write(Job("a") + Job("b"));
  reloader->Tick(clock_.Now());
  EXPECT_EQ(applied_, 0) << "it is not time to look yet";
  clock_.Advance(Reloader::kLookEvery);
  reloader->Tick(clock_.Now());
  EXPECT_EQ(applied_, 1);
  EXPECT_EQ(reloader->current()->scrapes.size(), 2u);
}

TEST_F(ReloadTest, ABadTextIsRefusedOnceAndTheOldOneStays) {
  Write(Job("a"));
  const auto reloader = MakeReloader();
  const auto before = reloader->current();
  Write(Job("a", "[regex: {expression: '('}]"));
  clock_.Advance(Reloader::kLookEvery);
  reloader->Tick(clock_.Now());
  clock_.Advance(Reloader::kLookEvery);
  reloader->Tick(clock_.Now());
  EXPECT_EQ(applied_, 0);
  EXPECT_EQ(reloader->current(), before);
  EXPECT_NE(reloader->last_error().find("scrape_configs[0].pipeline_stages[0].regex.expression"), std::string::npos);
  EXPECT_EQ(registry_.GetCounter("promtail_config_reload_fail_total", "").Value(), 1);
  EXPECT_EQ(registry_.GetGauge("sluice_config_good", "").Value(), 0);
}

// It used to be taken with a warning, and /config showed a port that nobody listened on.
TEST_F(ReloadTest, WhatOnlyARestartCanFollowIsRefusedByItsKey) {
  const std::string jobs = Job("a");
  const auto write = [&](const std::string& top) {
    std::ofstream(folder_ / "c.yaml") << top << "\nclients: [{url: 'http://l/loki/api/v1/push'}]\nscrape_configs:\n" << jobs;
  };
  write("server: {http_listen_port: 9080}\npositions: {filename: /tmp/p.yaml}");
  const auto reloader = MakeReloader();
  const auto before = reloader->current();
  const struct {
    const char* top;
    const char* sentence;
  } kRows[] = {
      {"server: {http_listen_port: 9081}\npositions: {filename: /tmp/p.yaml}",
       "server.http_listen_port cannot change while the agent runs (from \"9080\" to \"9081\"): restart the agent, or put the old "
       "value back"},
      {"server: {http_listen_port: 9080, http_listen_address: 127.0.0.1}\npositions: {filename: /tmp/p.yaml}",
       "server.http_listen_address cannot change while the agent runs (from \"\" to \"127.0.0.1\")"},
      {"server: {http_listen_port: 9080, disable: true}\npositions: {filename: /tmp/p.yaml}",
       "server.disable cannot change while the agent runs (from \"false\" to \"true\")"},
      {"server: {http_listen_port: 9080}\npositions: {filename: /tmp/q.yaml}",
       "positions.filename cannot change while the agent runs (from \"/tmp/p.yaml\" to \"/tmp/q.yaml\")"},
  };
  for (const auto& row : kRows) {
    write(row.top);
    const Status status = reloader->Reload("SIGHUP");
    ASSERT_FALSE(status) << row.top;
    EXPECT_TRUE(status.error().what.starts_with(row.sentence)) << status.error().what;
    EXPECT_EQ(reloader->current(), before);
    EXPECT_EQ(applied_, 0);
  }
  write("server: {http_listen_port: 9080, live_tail: off, http_server_idle_timeout: 5s}\n"
        "positions: {filename: /tmp/p.yaml, sync_period: 7s}\nlimits_config: {loss_marker: true}");
  EXPECT_TRUE(reloader->Reload("SIGHUP"));
  EXPECT_EQ(applied_, 1);
  EXPECT_EQ(reloader->last_error(), "");
}

TEST_F(ReloadTest, AFileThatIsAwayForAMomentIsNoWish) {
  Write(Job("a"));
  const auto reloader = MakeReloader();
  std::filesystem::rename(folder_ / "c.yaml", folder_ / "away");
  clock_.Advance(Reloader::kLookEvery);
  reloader->Tick(clock_.Now());
  EXPECT_EQ(reloader->last_error(), "");
  std::filesystem::rename(folder_ / "away", folder_ / "c.yaml");
  clock_.Advance(Reloader::kLookEvery);
  reloader->Tick(clock_.Now());
  EXPECT_EQ(applied_, 0);
}

TEST_F(ReloadTest, WithoutWatchingNobodyLooks) {
  line_.config_watch = false;
  Write(Job("a"));
  const auto reloader = MakeReloader();
  EXPECT_EQ(reloader->NextDeadline(), kNever);
  Write(Job("b"));
  EXPECT_TRUE(reloader->Reload("SIGHUP"));
  EXPECT_EQ(applied_, 1);
}

}  // namespace
}  // namespace agent::app
