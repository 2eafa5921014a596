// SPDX-License-Identifier: Apache-2.0
// The cardinality guard and the cap on streams, as a lane sees them.
#include "agent/label/policy.h"

#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "agent/core/log.h"
#include "tests/label/policy_harness.h"

namespace agent::label {
namespace {

using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

PolicyOptions Budget(uint64_t values, GuardAction action = GuardAction::kStructuredMetadata) {
  PolicyOptions options;
  options.cardinality.max_values_per_label = values;
  options.cardinality.action = action;
  return options;
}

TEST(PolicyTest, LabelsUnderTheirBudgetPassUntouched) {
  PolicyHarness harness(Budget(3));
  const auto file = harness.Pod("a");
  for (int round = 0; round < 3; ++round) {
    for (const char* level : {"debug", "info", "warn"}) {
      const Out out = harness.SendOne(*file, {{"level", level}});
      EXPECT_EQ(out.labels, (LabelMap{{"level", level}, {"namespace", "shop"}, {"pod", "a"}}));
      EXPECT_THAT(out.metadata, IsEmpty());
    }
  }
  EXPECT_EQ(harness.Use("level").values, 3u);
  EXPECT_FALSE(harness.Use("level").demoted);
  EXPECT_EQ(harness.policy->Snapshot().streams, 3u);
}

TEST(PolicyTest, OneValueMoreThanTheBudgetMovesTheLabelOfEveryLineToMetadata) {
  LogCapture log;
  PolicyHarness harness(Budget(3));
  const auto busy = harness.Pod("busy");
  const auto quiet = harness.Pod("quiet");
  harness.SendOne(*quiet, {{"request_id", "q"}});
  harness.SendValues(*busy, "request_id", 2);
  EXPECT_EQ(harness.policy->decisions(), 0u);
  const Out out = harness.SendOne(*busy, {{"request_id", "v2"}, {"level", "info"}});
  EXPECT_EQ(out.labels, (LabelMap{{"level", "info"}, {"namespace", "shop"}, {"pod", "busy"}}));
  EXPECT_THAT(out.metadata, ElementsAre(Pair("request_id", "v2")));
  EXPECT_EQ(harness.policy->decisions(), 1u);
  // Values from before, and other pods, too: the decision is the label's.
  EXPECT_THAT(harness.SendOne(*quiet, {{"request_id", "q"}}).metadata, ElementsAre(Pair("request_id", "q")));
  EXPECT_THAT(harness.SendOne(*quiet, {{"request_id", "q"}}, 1).metadata, ElementsAre(Pair("request_id", "q")));
  EXPECT_TRUE(harness.Use("request_id").demoted);
  EXPECT_EQ(harness.Use("request_id").demoted_lines, 3u);
  const std::string text = log.text();
  for (const char* part : {"label=request_id", "values=4", "budget=3", "v0, v1, v2", "pod=shop/busy", "values_of_pod=3",
                           "action=structured_metadata"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(PolicyTest, ActionsOtherThanMetadata) {
  const auto third = [](PolicyOptions options) {
    auto harness = std::make_unique<PolicyHarness>(std::move(options));
    const auto file = harness->Pod("a");
    harness->SendValues(*file, "id", 2);
    return std::pair(harness->Send(*file, {{{"id", "x"}, {"level", "info"}}}), harness->dropped);
  };
  const auto overflow = third(Budget(2, GuardAction::kOverflow)).first;
  ASSERT_EQ(overflow.size(), 1u);
  EXPECT_EQ(overflow[0].labels.at("id"), "__overflow__");
  EXPECT_THAT(overflow[0].metadata, IsEmpty());
  const auto dropped_label = third(Budget(2, GuardAction::kDropLabel)).first;
  ASSERT_EQ(dropped_label.size(), 1u);
  EXPECT_FALSE(dropped_label[0].labels.contains("id"));
  EXPECT_EQ(dropped_label[0].labels.at("level"), "info");
  EXPECT_THAT(dropped_label[0].metadata, IsEmpty());
  const auto [entries, dropped] = third(Budget(2, GuardAction::kDropEntry));
  EXPECT_TRUE(entries.empty());
  EXPECT_EQ(dropped.at("label_cardinality"), 1);
}

TEST(PolicyTest, LabelsOfTheTargetAndExemptOnesAreNeverDemoted) {
  PolicyOptions options = Budget(2);
  options.cardinality.exempt = {"cluster"};
  PolicyHarness harness(options);
  for (int i = 0; i < 10; ++i) {
    const auto file = harness.Pod("pod-" + std::to_string(i));
    const Out out = harness.SendOne(
        *file, {{"cluster", std::to_string(i)}, {"stream", i % 2 == 0 ? "stdout" : "stderr"}, {"__tenant_id__", "t" + std::to_string(i)}});
    EXPECT_EQ(out.labels.at("pod"), "pod-" + std::to_string(i));
    EXPECT_EQ(out.labels.at("cluster"), std::to_string(i));
    EXPECT_EQ(out.labels.at("__tenant_id__"), "t" + std::to_string(i));
    EXPECT_TRUE(out.labels.contains("stream"));
  }
  EXPECT_TRUE(harness.policy->Snapshot().labels.empty());
}

TEST(PolicyTest, ATargetsLabelThatAPipelineOverwritesIsGuarded) {
  PolicyHarness harness(Budget(2));
  const auto file = harness.Pod("a");
  const auto overwrite = [&](const std::string& pod) {
    RecordBatch batch;
    Record* record = batch.Append();
    record->labels = harness.interner().Intern(LabelMap{{"namespace", "shop"}, {"pod", pod}});
    record->origin.file = file.get();
    harness.policy->Apply(0, batch.records(), batch.arena(), harness.interner(), harness.wall, harness.now);
    return record->labels->ToMap().contains("pod");
  };
  EXPECT_TRUE(overwrite("x"));
  EXPECT_TRUE(overwrite("y"));
  EXPECT_FALSE(overwrite("z"));
  EXPECT_TRUE(overwrite("a")) << "its own";
  // The same label set is the other pod's own identity.
  const auto other = harness.Pod("z");
  EXPECT_EQ(harness.SendOne(*other, {}).labels.at("pod"), "z");
  EXPECT_FALSE(overwrite("z"));
}

TEST(PolicyTest, OwnBudgetsAndNeverALabel) {
  PolicyOptions options = Budget(2);
  options.cardinality.labels = {{"trace_id", 0}, {"customer", 4}};
  PolicyHarness harness(options);
  const auto file = harness.Pod("a");
  const Out first = harness.SendOne(*file, {{"trace_id", "t"}, {"customer", "c"}});
  EXPECT_FALSE(first.labels.contains("trace_id"));
  EXPECT_THAT(first.metadata, ElementsAre(Pair("trace_id", "t")));
  harness.SendValues(*file, "customer", 3);
  EXPECT_FALSE(harness.Use("customer").demoted);
  harness.SendOne(*file, {{"customer", "fifth"}});
  EXPECT_TRUE(harness.Use("customer").demoted);
  EXPECT_EQ(harness.policy->decisions(), 1u) << "what the configuration says is no decision";
}

TEST(PolicyTest, ALabelComesBackOnlyWhenTheWindowIsWellUnderBudget) {
  PolicyOptions options = Budget(10);
  options.cardinality.window = minutes(50);
  PolicyHarness harness(options);
  const auto file = harness.Pod("a");
  harness.SendValues(*file, "id", 11);
  ASSERT_TRUE(harness.Use("id").demoted);
  // Six values an interval: under the budget, but over half of it.
  for (int part = 0; part < 12; ++part) {
    harness.Advance(minutes(10));
    harness.SendValues(*file, "id", 6);
    EXPECT_TRUE(harness.Use("id").demoted) << part;
  }
  int parts = 0;
  for (; harness.Use("id").demoted && parts < 20; ++parts) {
    harness.Advance(minutes(10));
    harness.SendValues(*file, "id", 5);
  }
  EXPECT_GE(parts, 5) << "a whole window";
  EXPECT_LE(parts, 7);
  EXPECT_EQ(harness.SendOne(*file, {{"id", "v1"}}).labels.at("id"), "v1");
  EXPECT_EQ(harness.policy->decisions(), 2u);
}

TEST(PolicyTest, TheWindowSlidesWithoutRecordsToo) {
  PolicyOptions options = Budget(10);
  options.cardinality.window = minutes(50);
  PolicyHarness harness(options);
  const auto file = harness.Pod("a");
  harness.SendValues(*file, "id", 11);
  for (int i = 0; i < 7; ++i) {
    harness.Advance(minutes(10));
    EXPECT_LE(harness.policy->NextDeadline(), harness.now);
    harness.policy->Tick(harness.wall, harness.now);
  }
  EXPECT_FALSE(harness.Use("id").demoted);
  EXPECT_EQ(harness.policy->Snapshot().streams, 0u);
}

TEST(PolicyTest, SlowlyChangingValuesStayWithinASlidingWindow) {
  PolicyOptions options = Budget(10);
  options.cardinality.window = minutes(50);
  PolicyHarness harness(options);
  const auto file = harness.Pod("a");
  for (int i = 0; i < 200; ++i) {  // one new value in ten minutes, 200 in all
    EXPECT_TRUE(harness.SendOne(*file, {{"version", "r" + std::to_string(i)}}).labels.contains("version"));
    EXPECT_TRUE(harness.SendOne(*file, {{"version", "stable"}}).labels.contains("version"));
    harness.Advance(minutes(10));
  }
  EXPECT_LE(harness.Use("version").values, 7u);
}

TEST(PolicyTest, AStormLeavesBudgetStreamsAndTheSameLinesGiveTheSameStreamsAfterARestart) {
  PolicyOptions options = Budget(200);
  PolicyHarness harness(options);
  std::vector<std::shared_ptr<TailedFile>> pods;
  for (int i = 0; i < 50; ++i) pods.push_back(harness.Pod("pod-" + std::to_string(i)));
  std::set<LabelMap> streams;
  std::map<int, LabelMap> late;  // of the second half, by line
  const auto run = [&](int from, int to, bool check) {
    for (int i = from; i < to; ++i) {
      const Out out = harness.SendOne(*pods[static_cast<size_t>(i) % 50], {{"request_id", "r" + std::to_string(i)}});
      ASSERT_TRUE(out.labels.contains("request_id") || !out.metadata.empty()) << "no value is lost";
      streams.insert(out.labels);
      if (check) {
        ASSERT_EQ(out.labels, late[i]) << "line " << i;
      } else {
        late[i] = out.labels;
      }
    }
  };
  run(0, 10000, false);
  EXPECT_LE(streams.size(), 250u);
  harness.Restart(options, minutes(2));
  run(5000, 10000, true);  // what was not acknowledged
  run(10000, 20000, false);
  EXPECT_LE(streams.size(), 250u);
  EXPECT_TRUE(harness.Use("request_id").demoted);
}

TEST(PolicyTest, CountsOfLabelsThatAreNotDemotedSurviveARestart) {
  PolicyHarness harness(Budget(10));
  const auto file = harness.Pod("a");
  harness.SendValues(*file, "id", 8);
  harness.Restart(Budget(10), minutes(10));
  EXPECT_EQ(harness.Use("id").values, 8u);
  EXPECT_EQ(harness.policy->Snapshot().streams, 8u);
  harness.SendValues(*file, "id", 10);
  EXPECT_EQ(harness.Use("id").values, 10u);
  EXPECT_FALSE(harness.Use("id").demoted);
  harness.Restart(Budget(10), minutes(80));
  EXPECT_EQ(harness.Use("id").values, 0u) << "older than the window";
}

TEST(PolicyTest, MalformedStateIsRefusedWithItsLineAndChangesNothing) {
  const struct { std::string text; const char* says; } cases[] = {
      {"", "it ends too early"},
      {"something", "line 1 of the labels' state: it does not begin with"},
      {"sluice-labels 1\ntime never\n", "line 2"},
      {"sluice-labels 1\ntime 5\nlabel a 0 exact 9:1\n", "the count of label \"a\" is malformed"},
      {"sluice-labels 1\ntime 5\nlabel a 0 sketch 123\n", "the count of label \"a\" is malformed"},
      {"sluice-labels 1\ntime 5\nlabel a% 0 exact\n", "line 3"},
      {"sluice-labels 1\ntime 5\nlabel a -4 exact\n", "line 3"},
      {"sluice-labels 1\ntime 5\nstreams 2 exact\n", "the count of streams is malformed"},
      {"sluice-labels 1\ntime 5\nwhat is this\n", "it is neither"},
  };
  for (const auto& c : cases) {
    PolicyHarness harness;
    const Status loaded = harness.policy->LoadState(c.text, harness.wall, harness.now);
    ASSERT_FALSE(loaded) << c.text;
    EXPECT_THAT(loaded.error().what, HasSubstr(c.says));
    EXPECT_TRUE(harness.policy->Snapshot().labels.empty());
  }
}

TEST(PolicyTest, NamesOfEveryKindSurviveInTheState) {
  PolicyHarness harness(Budget(1));
  const auto file = harness.Pod("a");
  harness.SendValues(*file, "od d%\n\"x", 2);
  harness.Restart(Budget(1));
  EXPECT_TRUE(harness.Use("od d%\n\"x").demoted);
}

TEST(PolicyTest, TheCapOnStreamsTakesOnlyPipelineLabelsAndOnlyFromNewStreams) {
  LogCapture log;
  PolicyOptions options;
  options.max_active_streams = 4;
  PolicyHarness harness(options);
  const auto a = harness.Pod("a");
  harness.SendValues(*a, "path", 4, "/p");
  const Out fifth = harness.SendOne(*a, {{"path", "/new"}});
  EXPECT_EQ(fifth.labels, (LabelMap{{"namespace", "shop"}, {"pod", "a"}}));
  EXPECT_THAT(fifth.metadata, ElementsAre(Pair("path", "/new")));
  EXPECT_EQ(harness.SendOne(*a, {{"path", "/p2"}}).labels.at("path"), "/p2") << "an active stream goes on";
  const auto b = harness.Pod("b");
  EXPECT_EQ(harness.SendOne(*b, {}).labels.at("pod"), "b") << "a pod's own stream is never refused";
  EXPECT_TRUE(harness.policy->Snapshot().streams_capped);
  EXPECT_EQ(harness.policy->Snapshot().streams, 6u);
  EXPECT_THAT(log.text(), HasSubstr("max_active_streams=4"));
  harness.Restart(options);
  EXPECT_FALSE(harness.SendOne(*a, {{"path", "/new"}}).labels.contains("path"));
  EXPECT_EQ(harness.SendOne(*a, {{"path", "/p2"}}).labels.at("path"), "/p2");
  harness.Advance(minutes(90));
  EXPECT_EQ(harness.SendOne(*a, {{"path", "/new"}}).labels.at("path"), "/new") << "the others have ended";
}

TEST(PolicyTest, TheCapDropsEntriesOnlyIfToldToAndIfAPipelineMadeTheStream) {
  PolicyOptions options;
  options.max_active_streams = 1;
  options.cardinality.action = GuardAction::kDropEntry;
  PolicyHarness harness(options);
  const auto a = harness.Pod("a");
  harness.SendOne(*a, {{"path", "/"}});
  EXPECT_TRUE(harness.Send(*a, {{{"path", "/x"}}}).empty());
  EXPECT_EQ(harness.dropped["stream_limited"], 1);
  EXPECT_EQ(harness.Send(*a, {{}}).size(), 1u);
}

TEST(PolicyTest, ASweepOfTheLabelSetsInvalidatesWhatIsRemembered) {
  PolicyHarness harness(Budget(2, GuardAction::kDropLabel));
  const auto file = harness.Pod("a");
  harness.SendValues(*file, "id", 3);
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(harness.SendOne(*file, {{"id", "v" + std::to_string(i)}}).labels.contains("id"));
    harness.interner().Sweep();
  }
}

TEST(PolicyTest, ANewConfigurationTakesEffectAtOnce) {
  PolicyHarness harness(Budget(10));
  const auto file = harness.Pod("a");
  harness.SendValues(*file, "id", 8);
  harness.policy->Reconfigure(Budget(5), harness.wall, harness.now);
  EXPECT_FALSE(harness.SendOne(*file, {{"id", "v1"}}).labels.contains("id"));
  harness.policy->Reconfigure(Budget(100), harness.wall, harness.now);
  EXPECT_TRUE(harness.SendOne(*file, {{"id", "v1"}}).labels.contains("id"));
  PolicyOptions off = Budget(1);
  off.cardinality.enabled = false;
  harness.policy->Reconfigure(off, harness.wall, harness.now);
  harness.SendValues(*file, "id", 8);
  EXPECT_TRUE(harness.SendOne(*file, {{"id", "v1"}}).labels.contains("id"));
}

TEST(PolicyTest, MetricsSayWhatIsCountedAndDemoted) {
  PolicyHarness harness(Budget(2));
  const auto file = harness.Pod("a");
  harness.SendValues(*file, "id", 4);
  const std::string text = harness.registry.Text();
  EXPECT_THAT(text, HasSubstr("sluice_label_demoted{label=\"id\"} 1"));
  EXPECT_THAT(text, HasSubstr("sluice_label_distinct_values{label=\"id\"} 4"));
  EXPECT_THAT(text, HasSubstr("sluice_streams_active 3"));
  EXPECT_THAT(text, HasSubstr("sluice_label_guarded_lines_total 2"));
}

TEST(PolicyTest, LanesMayWorkAtTheSameTime) {
  PolicyHarness harness(Budget(100));
  std::vector<std::thread> threads;
  for (uint32_t lane = 0; lane < PolicyHarness::kLanes; ++lane) {
    const auto file = harness.Pod("pod-" + std::to_string(lane));
    threads.emplace_back([&harness, file, lane] {
      for (int i = 0; i < 3000; ++i) harness.Send(*file, {{{"id", std::to_string(i)}}, {{"level", "info"}}}, lane);
    });
  }
  for (int i = 0; i < 20; ++i) harness.registry.Text();
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(harness.Use("id").demoted);
  EXPECT_NEAR(static_cast<double>(harness.Use("id").values), 3000, 60);
}

}  // namespace
}  // namespace agent::label
