// SPDX-License-Identifier: Apache-2.0
// A lane that gets other pipelines while it reads: every byte once, in order, and what a
// pipeline holds stays with it if it did not change.
#include <gtest/gtest.h>

#include <algorithm>

#include "agent/flow/lane.h"

namespace agent::flow {
namespace {

class Text final : public ByteSource {
 public:
  Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override {
    if (offset >= text.size()) return size_t{0};
    const size_t n = std::min(into.size(), text.size() - static_cast<size_t>(offset));
    std::copy_n(text.data() + offset, n, into.data());
    return n;
  }
  std::string text;
};

class Keeper final : public Observer {
 public:
  void Out(uint32_t, const std::vector<Record*>& records, MonoTime) override {
    for (const Record* record : records) {
      const std::string* step = record->labels->Find("step");
      lines.push_back((step == nullptr ? std::string() : *step + ":") + std::string(record->line));
    }
  }
  std::vector<std::string> lines;
};

class Batches final : public PushSink {
 public:
  void Send(std::unique_ptr<PushBatch> batch) override { all.push_back(std::move(batch)); }
  std::vector<std::unique_ptr<PushBatch>> all;
};

using Plan = std::shared_ptr<const stage::PipelinePlan>;

class ReconfigureTest : public ::testing::Test {
 protected:
  Plan MakePlan(const std::string& yaml) {
    Diagnostics diagnostics;
    const config::Node node = config::ParseYaml(yaml, "p.yaml", diagnostics);
    Plan plan = stage::BuildPipeline(&node, "pipeline_stages", "job", diagnostics, registry_);
    EXPECT_TRUE(diagnostics.ok()) << diagnostics.Text();
    return plan;
  }
  static LaneOptions Options(std::vector<Plan> plans) {
    LaneOptions options;
    options.pipelines = std::move(plans);
    options.clients.emplace_back();
    return options;
  }
  void Start(const Plan& plan) {
    lane_ = std::make_unique<Lane>(Options({plan}), budget_, batches_, keeper_, [] {});
    Add(1, 0);
  }
  void Add(uint64_t id, uint32_t pipeline) {
    auto target = std::make_shared<Target>();
    target->pipeline = pipeline;
    auto file = std::make_shared<TailedFile>();
    auto text = std::make_unique<Text>();
    file->id = file->chain = id;
    file->target = std::move(target);
    texts_.push_back(text.get());
    file->bytes = std::move(text);
    files_.push_back(file);
    lane_->Add(file);
    Run();
  }
  void Write(const std::string& text, size_t file = 0) {
    texts_[file]->text += text;
    lane_->Readable(files_[file]);
    Run();
  }
  void Use(std::vector<Plan> plans) {
    lane_->Reconfigure(Options(std::move(plans)));
    Run();
  }
  void Run() {
    while (lane_->RunOnce(MonoTime{} + std::chrono::hours(1), 5'000'000'000)) {
    }
  }
  // Everything ends and is stored; then the position is behind the last byte.
  void ExpectAllCommitted() {
    lane_->Stop(true);
    Run();
    for (auto& batch : batches_.all) lane_->Settled({.batch = std::move(batch), .refused = {}, .cancelled = false});
    Run();
    for (size_t i = 0; i < files_.size(); ++i) EXPECT_EQ(files_[i]->committed_offset.load(), texts_[i]->text.size());
  }

  metrics::Registry registry_;
  ByteBudget budget_{64 * 1024 * 1024};
  Batches batches_;
  Keeper keeper_;
  std::vector<std::shared_ptr<TailedFile>> files_;
  std::vector<Text*> texts_;
  std::unique_ptr<Lane> lane_;
};

using Lines = std::vector<std::string>;

TEST_F(ReconfigureTest, FilesGoOnWithTheNewPipelineFromTheNextReadOn) {
  Start(MakePlan("[static_labels: {step: one}]"));
  Write("a\nb\nhal");
  Use({MakePlan("[static_labels: {step: two}]")});
  Write("f\nc\n");
  ExpectAllCommitted();
  EXPECT_EQ(keeper_.lines, (Lines{"one:a", "one:b", "two:half", "two:c"}));
  EXPECT_EQ(lane_->stats().configurations.load(), 1u);
}

TEST_F(ReconfigureTest, AGroupStaysOpenInAPipelineThatDidNotChange) {
  const Plan plan = MakePlan("[multiline: {firstline: '^-'}]");
  Start(plan);
  Write("-a\n b\n");
  Use({plan});
  Write(" c\n-d\n");
  ExpectAllCommitted();
  EXPECT_EQ(keeper_.lines, (Lines{"-a\n b\n c", "-d"}));
}

TEST_F(ReconfigureTest, AGroupIsGivenUpByAPipelineThatDid) {
  Start(MakePlan("[multiline: {firstline: '^-'}, static_labels: {step: one}]"));
  Write("-a\n b\n");
  EXPECT_TRUE(keeper_.lines.empty());
  Use({MakePlan("[static_labels: {step: two}]")});
  EXPECT_EQ(keeper_.lines, (Lines{"one:-a\n b"}));
  Write(" c\n");
  ExpectAllCommitted();
  EXPECT_EQ(keeper_.lines, (Lines{"one:-a\n b", "two: c"}));
}

TEST_F(ReconfigureTest, APartialLineIsJoinedAcrossIfTheFormatStays) {
  Start(MakePlan("[cri: {}]"));
  Write("2026-01-01T00:00:00Z stdout P be\n");
  Use({MakePlan("[cri: {}, static_labels: {step: two}]")});
  Write("2026-01-01T00:00:01Z stdout F fore\n");
  ExpectAllCommitted();
  EXPECT_EQ(keeper_.lines, (Lines{"two:before"}));
}

TEST_F(ReconfigureTest, APartialLineComesOutIfTheFormatChanges) {
  Start(MakePlan("[cri: {}, static_labels: {step: one}]"));
  Write("2026-01-01T00:00:00Z stdout P be\n");
  Use({MakePlan("[static_labels: {step: two}]")});
  Write("plain\n");
  ExpectAllCommitted();
  EXPECT_EQ(keeper_.lines, (Lines{"one:be", "two:plain"}));
}

TEST_F(ReconfigureTest, ANewPipelineStandsBehindTheOthers) {
  const Plan first = MakePlan("[static_labels: {step: one}]");
  Start(first);
  Write("a\n");
  Use({first, MakePlan("[static_labels: {step: two}]")});
  Add(2, 1);
  Write("b\n", 1);
  Write("c\n", 0);
  ExpectAllCommitted();
  EXPECT_EQ(keeper_.lines, (Lines{"one:a", "two:b", "one:c"}));
}

TEST_F(ReconfigureTest, WhatIsOpenLeavesForTheClientsItWasMadeFor) {
  const Plan plan = MakePlan("[]");
  Start(plan);
  Write("a\n");
  EXPECT_TRUE(batches_.all.empty());
  LaneOptions options = Options({plan});
  options.clients.front().client = 256;
  lane_->Reconfigure(std::move(options));
  Run();
  ASSERT_EQ(batches_.all.size(), 1u);
  EXPECT_EQ(batches_.all.front()->client, 0u);
  Write("b\n");
  lane_->Stop(true);
  Run();
  ASSERT_EQ(batches_.all.size(), 2u);
  EXPECT_EQ(batches_.all.back()->client, 256u);
}

TEST_F(ReconfigureTest, TalliesCountLinesAndBytesOfAPod) {
  Start(MakePlan("[drop: {expression: noise}]"));
  auto tally = std::make_shared<Tally>();
  auto file = std::make_shared<TailedFile>();
  auto text = std::make_unique<Text>();
  text->text = "one\nnoise\nthree\n";
  file->id = file->chain = 7;
  file->target = files_.front()->target;
  file->bytes = std::move(text);
  file->tally = tally;
  lane_->Add(file);
  Run();
  EXPECT_EQ(tally->bytes_read.load(), 16u);
  EXPECT_EQ(tally->lines_read.load(), 3u);
  EXPECT_EQ(tally->entries_out.load(), 2u);
  EXPECT_EQ(tally->bytes_out.load(), 8u);
  EXPECT_EQ(tally->lines_dropped.load(), 1u);
  EXPECT_EQ(tally->last_read.load(), 5'000'000'000);
  EXPECT_EQ(tally->last_stored.load(), 0);
  lane_->Stop(true);
  Run();
  ASSERT_EQ(batches_.all.size(), 1u);
  lane_->Settled({.batch = std::move(batches_.all.front()), .refused = {}, .cancelled = false});
  Run();
  EXPECT_EQ(tally->last_stored.load(), 5'000'000'000);
}

}  // namespace
}  // namespace agent::flow
