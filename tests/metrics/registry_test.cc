// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/registry.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>

#include "agent/core/log.h"

namespace agent::metrics {
namespace {

TEST(Registry, WritesTheExpositionTextSortedByName) {
  Registry registry;
  registry.GetGauge("b_gauge", "A level").Set(-2.5);
  registry.GetCounter("c_total", "A count", {{"z", "2"}, {"a", "x\"y\\z\nw"}}).Add(3);
  registry.GetCounter("c_total", "A count", {{"a", "1"}, {"z", "1"}}).Add();
  Histogram& histogram = registry.GetHistogram("a_seconds", "A time", {{"code", "200"}}, {1, 0.1, 1});
  histogram.Observe(0.05);
  histogram.Observe(0.5);
  histogram.Observe(5);
  EXPECT_EQ(registry.Text(),
            "# HELP a_seconds A time\n"
            "# TYPE a_seconds histogram\n"
            "a_seconds_count{code=\"200\"} 3\n"
            "a_seconds_sum{code=\"200\"} 5.55\n"
            "a_seconds_bucket{code=\"200\",le=\"0.1\"} 1\n"
            "a_seconds_bucket{code=\"200\",le=\"1\"} 2\n"
            "a_seconds_bucket{code=\"200\",le=\"+Inf\"} 3\n"
            "# HELP b_gauge A level\n"
            "# TYPE b_gauge gauge\n"
            "b_gauge -2.5\n"
            "# HELP c_total A count\n"
            "# TYPE c_total counter\n"
            "c_total{a=\"1\",z=\"1\"} 1\n"
            "c_total{a=\"x\\\"y\\\\z\\nw\",z=\"2\"} 3\n");
}

TEST(Registry, TheSameNameAndLabelsAreTheSameHandle) {
  Registry registry;
  Counter& first = registry.GetCounter("c_total", "help", {{"a", "1"}});
  first.Add(2);
  first.Add(-5);
  EXPECT_EQ(&registry.GetCounter("c_total", "help", {{"a", "1"}}), &first);
  EXPECT_NE(&registry.GetCounter("c_total", "help", {{"a", "2"}}), &first);
  EXPECT_EQ(first.Value(), 2) << "a counter never falls";
}

TEST(Registry, ASecondTypeOfANameIsHiddenAndLogged) {
  Registry registry;
  const LogCapture log;
  registry.GetCounter("x", "help").Add(1);
  registry.GetGauge("x", "help").Set(7);
  registry.GetHistogram("x", "help").Observe(7);
  EXPECT_EQ(registry.Text(), "# HELP x help\n# TYPE x counter\nx 1\n");
  EXPECT_NE(log.text().find("two types"), std::string::npos) << log.text();
}

TEST(Registry, NamesThatPrometheusForbidsAreHiddenAndLogged) {
  Registry registry;
  const LogCapture log;
  registry.GetCounter("bad-name", "help").Add(1);
  registry.GetCounter("good", "help", {{"bad-label", "x"}}).Add(1);
  registry.GetCounter("good", "help", {{"fine", "x"}}).Add(1);
  EXPECT_EQ(registry.Text(), "# HELP good help\n# TYPE good counter\ngood{fine=\"x\"} 1\n");
  EXPECT_NE(log.text().find("bad-name"), std::string::npos) << log.text();
  registry.Remove("bad-name", {});
  registry.Remove("good", {{"bad-label", "x"}});
}

TEST(Registry, RemovedSeriesAreGoneAndMayComeBackAtZero) {
  Registry registry;
  registry.GetGauge("g", "help", {{"path", "/a"}}).Set(1);
  registry.GetGauge("g", "help", {{"path", "/b"}}).Set(2);
  registry.Remove("g", {{"path", "/a"}});
  registry.Remove("g", {{"path", "/never"}});
  registry.Remove("never", {});
  EXPECT_EQ(registry.Text(), "# HELP g help\n# TYPE g gauge\ng{path=\"/b\"} 2\n");
  EXPECT_EQ(registry.GetGauge("g", "help", {{"path", "/a"}}).Value(), 0);
  registry.Remove("g", {{"path", "/a"}});
  registry.Remove("g", {{"path", "/b"}});
  EXPECT_EQ(registry.Text(), "") << "a family without series is not shown";
}

TEST(Registry, CollectorsRunBeforeAndAfterAScrapeWhileTheirTokenLives) {
  Registry registry;
  int scrapes = 0;
  auto before = registry.AddCollector([&] { registry.GetGauge("g", "help").Set(++scrapes); });
  auto after = registry.AddAfterScrape([&] { registry.Remove("g", {}); });
  EXPECT_EQ(registry.Text(), "# HELP g help\n# TYPE g gauge\ng 1\n");
  after.reset();
  EXPECT_EQ(registry.Text(), "# HELP g help\n# TYPE g gauge\ng 2\n");
  before.reset();
  EXPECT_EQ(registry.Text(), "# HELP g help\n# TYPE g gauge\ng 2\n");
}

TEST(Registry, ASharedSeriesEndsWithItsLastOwner) {
  Registry registry;
  const Labels labels = {{"a", "1"}};
  Counter& one = registry.AcquireCounter("shared_total", "help", labels);
  Counter& two = registry.AcquireCounter("shared_total", "help", labels);
  EXPECT_EQ(&one, &two);
  one.Add(3);
  registry.Release("shared_total", labels);
  EXPECT_EQ(two.Value(), 3);
  EXPECT_NE(registry.Text().find("shared_total{a=\"1\"} 3"), std::string::npos);
  registry.Release("shared_total", labels);
  EXPECT_EQ(registry.Text().find("shared_total{"), std::string::npos);
  EXPECT_EQ(registry.AcquireCounter("shared_total", "help", labels).Value(), 0);
  registry.Release("never_seen", labels);
  registry.GetGauge("plain", "help").Set(1);
  registry.Release("plain", {});  // nobody acquired it
  EXPECT_NE(registry.Text().find("plain 1"), std::string::npos);
}

TEST(Registry, AHistogramAndAGaugeCanBeSharedToo) {
  Registry registry;
  registry.AcquireHistogram("h", "help", {}, {2, 1}).Observe(1.5);
  registry.AcquireGauge("g", "help", {}).Add(2);
  EXPECT_NE(registry.Text().find("h_bucket{le=\"2\"} 1"), std::string::npos);
  registry.Release("h", {});
  registry.Release("g", {});
  EXPECT_EQ(registry.Text().find("h_bucket"), std::string::npos);
}

TEST(Registry, ATokenMayOutliveTheRegistry) {
  std::optional<Registry> registry(std::in_place);
  std::shared_ptr<void> token = registry->AddCollector([] {});
  registry.reset();
  token.reset();
}

TEST(Registry, ManyThreadsCountExactly) {
  Registry registry;
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&registry, t] {
      for (int i = 0; i < kEach; ++i) {
        registry.GetCounter("all_total", "help").Add();
        const Labels own = {{"thread", std::to_string(t)}, {"n", std::to_string(i % 10)}};
        registry.GetGauge("g", "help", own).Set(i);
        registry.Remove("g", own);
        if (i % 500 == 0) registry.Text();
      }
    });
  }
  threads.clear();
  EXPECT_EQ(registry.GetCounter("all_total", "help").Value(), kThreads * kEach);
}

TEST(Registry, LargeNumbersKeepTheirDigits) {
  Registry registry;
  registry.GetCounter("bytes_total", "help").Add(123456789012345.0);
  registry.GetGauge("small", "help").Set(0.1);
  EXPECT_EQ(registry.Text(),
            "# HELP bytes_total help\n# TYPE bytes_total counter\nbytes_total 123456789012345\n"
            "# HELP small help\n# TYPE small gauge\nsmall 0.1\n");
}

}  // namespace
}  // namespace agent::metrics
