// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "agent/platform/clock.h"
#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kJson = "- json: {expressions: {v: , s: }}\n";
constexpr WallNanos kSecond = 1'000'000'000;

// The exposition's lines that begin with `name`, comments included.
std::string Shown(StageHarness& run, const std::string& name) {
  std::string out;
  std::istringstream text(run.metrics().Text());
  for (std::string line; std::getline(text, line);) {
    if (line.find(name) != std::string::npos && !line.starts_with("#")) out += line + "\n";
  }
  return out;
}

struct Case {
  const char* metric;  // the options of the metric `m`, its source `v`
  std::vector<std::string> lines;
  const char* shown;
};

class Counts : public testing::TestWithParam<Case> {};

TEST_P(Counts, AsPromtailDoes) {
  StageHarness run(std::string(kJson) + "- metrics: {m: " + GetParam().metric + "}\n", {{"job", "x"}, {"__hidden", "y"}});
  ASSERT_TRUE(run.ok()) << run.problems();
  run.SetWall(SystemClock().Wall());
  run.Push(GetParam().lines);
  EXPECT_EQ(Shown(run, "promtail_custom_"), GetParam().shown);
}

INSTANTIATE_TEST_SUITE_P(
    Stage, Counts,
    testing::Values(
        Case{"{type: Counter, source: v, config: {action: inc}}", {R"({"v":1})", R"({"v":"x"})", R"({"v":null})", "none"},
             "promtail_custom_m{job=\"x\"} 3\n"},
        Case{"{type: COUNTER, source: v, config: {action: ADD}}", {R"({"v":1.5})", R"({"v":"2"})", R"({"v":true})", R"({"v":"1m"})"},
             "promtail_custom_m{job=\"x\"} 64.5\n"},
        Case{"{type: Counter, source: v, config: {action: add}}", {R"({"v":-1})", R"({"v":2})", R"({"v":"x"})", R"({"v":null})"},
             "promtail_custom_m{job=\"x\"} 2\n"},
        Case{"{type: Counter, source: v, config: {action: inc, value: '5'}}", {R"({"v":5})", R"({"v":"5"})", R"({"v":"6"})"},
             "promtail_custom_m{job=\"x\"} 2\n"},
        Case{"{type: Counter, config: {action: inc, match_all: true}}", {"a", "bb"}, "promtail_custom_m{job=\"x\"} 2\n"},
        Case{"{type: Counter, config: {action: add, match_all: true, count_entry_bytes: true}}", {"a", "bb"},
             "promtail_custom_m{job=\"x\"} 3\n"},
        Case{"{type: Counter, config: {action: add, match_all: true}}", {"a", "bb"}, ""},
        Case{"{type: Counter, config: {action: inc}}", {"a"}, ""},  // the source is `m`, which is not there
        Case{"{type: Gauge, source: v, config: {action: set}}", {R"({"v":1})", R"({"v":"-2.5"})"},
             "promtail_custom_m{job=\"x\"} -2.5\n"},
        Case{"{type: gauge, source: v, config: {action: inc}}", {R"({"v":1})", R"({"v":"x"})"}, "promtail_custom_m{job=\"x\"} 2\n"},
        Case{"{type: gauge, source: v, config: {action: dec}}", {R"({"v":1})"}, "promtail_custom_m{job=\"x\"} -1\n"},
        Case{"{type: gauge, source: v, config: {action: add}}", {R"({"v":1})", R"({"v":2})"}, "promtail_custom_m{job=\"x\"} 3\n"},
        Case{"{type: gauge, source: v, config: {action: Sub, value: '2'}}", {R"({"v":1})", R"({"v":2})"},
             "promtail_custom_m{job=\"x\"} -2\n"},
        Case{"{type: Histogram, source: v, config: {buckets: [1, 2.5]}}", {R"({"v":1})", R"({"v":2})", R"({"v":"3s"})"},
             "promtail_custom_m_count{job=\"x\"} 3\npromtail_custom_m_sum{job=\"x\"} 6\n"
             "promtail_custom_m_bucket{job=\"x\",le=\"1\"} 1\npromtail_custom_m_bucket{job=\"x\",le=\"2.5\"} 2\n"
             "promtail_custom_m_bucket{job=\"x\",le=\"+Inf\"} 3\n"}));

TEST(MetricsStage, HasPrefixDescriptionAndDefaultBuckets) {
  StageHarness run(std::string(kJson) + "- metrics: {m: {type: Histogram, description: how much, source: v, prefix: my_}}\n");
  ASSERT_EQ(run.problems(), "");
  run.SetWall(SystemClock().Wall());
  run.Push({R"({"v":0.3})"});
  const std::string text = run.metrics().Text();
  EXPECT_THAT(text, HasSubstr("# HELP my_m how much"));
  EXPECT_THAT(text, HasSubstr("my_m_bucket{le=\"0.25\"} 0"));
  EXPECT_THAT(text, HasSubstr("my_m_bucket{le=\"0.5\"} 1"));
}

TEST(MetricsStage, HasOneSeriesForEachSetOfLabels) {
  StageHarness run(std::string(kJson) + "- labels: {s: }\n- metrics: {m: {type: Counter, config: {action: inc, match_all: true}}}\n");
  run.SetWall(SystemClock().Wall());
  run.Push({R"({"s":"a"})", R"({"s":"b"})", R"({"s":"a"})"});
  run.SweepLabels();
  run.Push({R"({"s":"a"})", "none"});
  EXPECT_EQ(Shown(run, "promtail_custom_m"),
            "promtail_custom_m 1\npromtail_custom_m{s=\"a\"} 3\npromtail_custom_m{s=\"b\"} 1\n");
}

TEST(MetricsStage, ForgetsIdleSeriesAfterTheScrapeThatShowsThem) {
  StageHarness run(std::string(kJson) + "- labels: {s: }\n"
                   "- metrics: {m: {type: Counter, max_idle_duration: 1m, config: {action: inc, match_all: true}}}\n");
  const WallNanos now = SystemClock().Wall();
  run.SetWall(now - 61 * kSecond);
  run.Push({R"({"s":"old"})"});
  run.SetWall(now - 20 * kSecond);
  run.Push({R"({"s":"young"})"});
  EXPECT_EQ(Shown(run, "promtail_custom_m"), "promtail_custom_m{s=\"old\"} 1\npromtail_custom_m{s=\"young\"} 1\n");
  EXPECT_EQ(Shown(run, "promtail_custom_m"), "promtail_custom_m{s=\"young\"} 1\n");
  run.Push({R"({"s":"old"})", R"({"s":"young"})"});  // a new series, from zero
  EXPECT_EQ(Shown(run, "promtail_custom_m"), "promtail_custom_m{s=\"old\"} 1\npromtail_custom_m{s=\"young\"} 2\n");
}

TEST(MetricsStage, SharesSeriesOfOneName) {
  const std::string metric = "{m: {type: Counter, config: {action: inc, match_all: true}}}";
  StageHarness run("- metrics: " + metric + "\n- metrics: " + metric + "\n- match: {selector: '{job=\"x\"}', stages: [metrics: " +
                       metric + "]}\n", {{"job", "x"}});
  ASSERT_EQ(run.problems(), "");
  run.SetWall(SystemClock().Wall() - 600 * kSecond);
  run.Push({"a", "b"});
  EXPECT_EQ(Shown(run, "promtail_custom_m"), "promtail_custom_m{job=\"x\"} 6\n");
  EXPECT_EQ(Shown(run, "promtail_custom_m"), "");
  run.Push({"a"});
  EXPECT_EQ(Shown(run, "promtail_custom_m"), "promtail_custom_m{job=\"x\"} 3\n");
}

TEST(MetricsStage, TakesItsSeriesWithIt) {
  metrics::Registry registry;
  Diagnostics diagnostics;
  const config::Node list = config::ParseYaml("- metrics: {m: {type: Gauge, config: {action: set}}}\n", "t", diagnostics);
  auto plan = stage::BuildPipeline(&list, "p", "job", diagnostics, registry);
  auto again = stage::BuildPipeline(&list, "p", "job", diagnostics, registry);
  ASSERT_TRUE(diagnostics.ok());
  LabelInterner interner;
  RecordBatch batch;
  stage::StageContext context{batch.arena(), interner, SystemClock().Wall(), MonoTime(), MonoTime()};
  const auto run = [&](const stage::PipelinePlan& p) {
    stage::StageChain chain(p.stages);
    Record* record = batch.Append();
    record->labels = interner.Intern(LabelMap{{"m", "7"}});
    chain.Process(batch.records(), context);
    batch.Reset();
  };
  run(*plan);
  run(*again);
  again.reset();
  EXPECT_THAT(registry.Text(), HasSubstr("promtail_custom_m{m=\"7\"} 7"));
  plan.reset();
  EXPECT_THAT(registry.Text(), Not(HasSubstr("promtail_custom_m")));
}

TEST(MetricsStage, MayBeScrapedWhileLanesCount) {
  metrics::Registry registry;
  Diagnostics diagnostics;
  const config::Node list = config::ParseYaml(
      "- metrics: {m: {type: Counter, max_idle_duration: 1s, config: {action: inc, match_all: true}}}\n", "t", diagnostics);
  const auto plan = stage::BuildPipeline(&list, "p", "job", diagnostics, registry);
  ASSERT_TRUE(diagnostics.ok());
  std::vector<std::jthread> lanes;
  for (int lane = 0; lane < 3; ++lane) {
    lanes.emplace_back([&plan, lane] {
      LabelInterner interner;
      RecordBatch batch;
      stage::StageChain chain(plan->stages);
      for (int i = 0; i < 200; ++i) {
        stage::StageContext context{batch.arena(), interner, i * kSecond, MonoTime(), MonoTime()};  // idle at once
        Record* record = batch.Append();
        record->labels = interner.Intern(LabelMap{{"lane", std::to_string(lane % 2)}, {"i", std::to_string(i % 5)}});
        chain.Process(batch.records(), context);
        batch.Reset();
      }
    });
  }
  for (int i = 0; i < 50; ++i) registry.Text();
  lanes.clear();
  registry.Text();
  EXPECT_THAT(registry.Text(), Not(HasSubstr("promtail_custom_m{")));
}

TEST(MetricsStage, CountsValuesThatAreNoNumbers) {
  StageHarness run(std::string(kJson) + "- metrics: {m: {type: Counter, source: v, config: {action: add}}}\n");
  run.Push({R"({"v":"x"})", R"({"v":null})", R"({"v":-1})", R"({"v":1})"});
  EXPECT_THAT(run.metrics().Text(), HasSubstr("sluice_stage_failures_total{stage=\"metrics\"} 3"));
}

TEST(MetricsStage, RefusesBadOptions) {
  for (const char* options :
       {"{m: {type: x}}", "{m: }", "{m: {type: Counter}}", "{m: {type: Counter, config: {action: del}}}", "{m: {type: gauge}}",
        "{m: {type: Counter, config: {action: inc, count_entry_bytes: true}}}",
        "{m: {type: Counter, config: {action: inc, match_all: true, count_entry_bytes: true}}}",
        "{m: {type: Counter, config: {action: inc, match_all: true, value: x}}}",
        "{m: {type: Counter, max_idle_duration: 100ms, config: {action: inc}}}",
        "{m: {type: Counter, max_idle_duration: 1, config: {action: inc}}}",
        "{m: {type: Counter, config: {action: inc, value: 5}}}", "{m: {type: Histogram, config: {buckets: ['1']}}}",
        "{m: {type: Histogram, config: {buckets: [2, 1]}}}", "{m: {type: Counter, source: 5, config: {action: inc}}}", "[a]"}) {
    EXPECT_THAT(PipelineProblems(std::string("- metrics: ") + options + "\n"), HasSubstr("error: pipeline_stages[0].metrics"))
        << options;
  }
  for (const char* options : {"", "{}", "{m: {type: histogram}}", "{m: {type: Histogram, config: {buckets: []}}}",
                              "{m: {type: Histogram, config: {buckets: [.5, 1, 2.5, 1e3]}}}"}) {
    EXPECT_EQ(PipelineProblems(std::string("- metrics: ") + options + "\n"), "") << options;
  }
  EXPECT_THAT(PipelineProblems("- metrics: {m-x: {type: Counter, config: {action: inc}}}\n"), HasSubstr("warning"));
}

}  // namespace
}  // namespace agent::test
