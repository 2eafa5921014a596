// SPDX-License-Identifier: Apache-2.0
// The lane, cranked by hand: files in memory, a sink that keeps batches until the test
// answers them. Stories of order, receipts, rotation, budget and shutdown.
#include "agent/flow/lane.h"

#include <gtest/gtest.h>
#include <snappy.h>

#include <random>

#include "push.pb.h"

namespace agent::flow {
namespace {

class MemBytes final : public ByteSource {
 public:
  Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override {
    ++reads;
    if (fail || offset >= fail_at) return Fail(Code::kIo, "broken disk");
    if (offset >= text.size()) return size_t{0};
    const size_t n = std::min({into.size(), text.size() - offset, most});
    std::copy_n(text.data() + offset, n, into.data());
    return n;
  }
  std::string text;
  size_t most = SIZE_MAX;
  bool fail = false;
  uint64_t fail_at = UINT64_MAX;
  int reads = 0;
};

class Sink final : public PushSink {
 public:
  void Send(std::unique_ptr<PushBatch> batch) override { batches.push_back(std::move(batch)); }
  std::deque<std::unique_ptr<PushBatch>> batches;
};

class Watcher final : public Observer {
 public:
  void Abandoned(const TailedFile&, uint64_t unread) override { lost += unread; }
  void Refused(const PushBatch&, const Refusal& refusal) override { refused += refusal.entries; }
  uint64_t lost = 0;
  uint64_t refused = 0;
};

class LaneTest : public ::testing::Test {
 protected:
  struct File {
    std::shared_ptr<TailedFile> tailed;
    MemBytes* bytes;
  };

  static std::shared_ptr<const stage::PipelinePlan> Plan(const std::string& yaml, metrics::Registry& registry) {
    Diagnostics diagnostics;
    const config::Node node = config::ParseYaml(yaml, "p.yaml", diagnostics);
    auto plan = stage::BuildPipeline(&node, "pipeline_stages", "job", diagnostics, registry);
    EXPECT_TRUE(diagnostics.ok()) << diagnostics.Text();
    return plan;
  }

  Lane& Make(const std::string& stages = "[cri: {}]", batch::BatcherOptions client = {}, size_t clients = 1) {
    LaneOptions options;
    options.read_size = read_size_;
    options.max_physical_line = 4096;
    options.most_unsent = most_unsent_;
    options.pipelines.push_back(Plan(stages, registry_));
    for (size_t i = 0; i < clients; ++i) {
      client.client = static_cast<uint32_t>(i);
      options.clients.push_back(client);
    }
    lane_ = std::make_unique<Lane>(std::move(options), budget_, sink_, observer_, [this] { ++wakes_; });
    return *lane_;
  }

  File NewFile(uint64_t chain, std::string text, uint64_t start = 0) {
    File file{std::make_shared<TailedFile>(), nullptr};
    auto bytes = std::make_unique<MemBytes>();
    file.bytes = bytes.get();
    bytes->text = std::move(text);
    file.tailed->id = ++next_id_;
    file.tailed->chain = chain;
    file.tailed->path = "/f" + std::to_string(chain);
    file.tailed->target = target_;
    file.tailed->labels = {{"chain", std::to_string(chain)}};
    file.tailed->bytes = std::move(bytes);
    file.tailed->start_offset = start;
    return file;
  }
  File Add(uint64_t chain, std::string text, uint64_t start = 0) {
    File file = NewFile(chain, std::move(text), start);
    lane_->Add(file.tailed);
    return file;
  }
  void Finish(File& file) {
    file.tailed->finished = true;
    lane_->Readable(file.tailed);
  }

  void Run(int most = 100'000) {
    while (most-- > 0 && lane_->RunOnce(now_, 5'000'000'000)) {
    }
    EXPECT_GT(most, 0) << "the lane does not come to rest";
  }
  // What is there now is read first; then time passes.
  void Wait(Duration time) {
    Run();
    now_ += time;
    Run();
  }
  // Stores the oldest batch: its lines go to `stored`, and the lane hears of it.
  void Store(size_t index = 0) {
    std::unique_ptr<PushBatch> batch = std::move(sink_.batches[index]);
    sink_.batches.erase(sink_.batches.begin() + static_cast<ptrdiff_t>(index));
    std::string raw;
    ASSERT_TRUE(snappy::Uncompress(batch->body.data.get(), batch->body.size, &raw));
    sluice::push::PushRequest request;
    ASSERT_TRUE(request.ParseFromString(raw));
    for (const auto& stream : request.streams()) {
      for (const auto& entry : stream.entries()) stored_[stream.labels()].push_back(entry.line());
    }
    Answer({.batch = std::move(batch), .refused = {}});
  }
  void Answer(Delivery delivery) {
    lane_->Settled(std::move(delivery));
    Run();
  }
  void StoreAll() {
    Wait(std::chrono::seconds(2));
    Wait(std::chrono::seconds(2));
    while (!sink_.batches.empty()) {
      Store();
      Wait(std::chrono::seconds(2));
    }
  }
  static std::string Cri(std::string_view text, const char* flag = "F") {
    return "2016-10-06T00:17:09.1Z stdout " + std::string(flag) + " " + std::string(text) + "\n";
  }

  size_t read_size_ = 1024;
  uint64_t most_unsent_ = 1 << 20;
  metrics::Registry registry_;
  ByteBudget budget_{1 << 20};
  Sink sink_;
  Watcher observer_;
  std::shared_ptr<const Target> target_ = std::make_shared<Target>();
  std::unique_ptr<Lane> lane_;
  MonoTime now_{std::chrono::hours(1)};
  uint64_t next_id_ = 0;
  int wakes_ = 0;
  std::map<std::string, std::vector<std::string>> stored_;
};

using Lines = std::vector<std::string>;
const char* const kStream1 = "{chain=\"1\", stream=\"stdout\"}";

TEST_F(LaneTest, ALineIsCommittedWhenItIsStored) {
  Make();
  const std::string text = Cri("one") + Cri("two");
  File file = Add(1, text + "2016-10-06T00:17:09.1Z stdout F op");
  Run();
  EXPECT_EQ(file.tailed->read_offset, text.size());
  EXPECT_EQ(file.tailed->committed_offset, 0u);
  EXPECT_TRUE(file.tailed->at_end);
  Wait(std::chrono::seconds(1));
  ASSERT_EQ(sink_.batches.size(), 1u);
  EXPECT_EQ(file.tailed->committed_offset, 0u) << "sent is not stored";
  Store();
  EXPECT_EQ(file.tailed->committed_offset, text.size());
  EXPECT_EQ(stored_[kStream1], (Lines{"one", "two"}));
  file.bytes->text += "en\n";
  lane_->Readable(file.tailed);
  StoreAll();
  EXPECT_EQ(stored_[kStream1].back(), "open");
  EXPECT_EQ(file.tailed->committed_offset, file.bytes->text.size());
}

// A busy file is looked at every 200 ms: its lines may be as old as the last look when they
// are read, and must not wait another `batchwait` on top of that.
TEST_F(LaneTest, TheWaitOfABusyFileCountsFromItsLastLook) {
  using std::chrono::milliseconds;
  Make();
  File file = Add(1, Cri("one"));
  StoreAll();
  const auto write = [&] {
    file.bytes->text += Cri("more");
    lane_->Readable(file.tailed);
    Run();
  };
  write();  // after seconds of silence: announced when it was written
  Wait(milliseconds(999));
  EXPECT_TRUE(sink_.batches.empty());
  write();
  Wait(milliseconds(1));
  ASSERT_EQ(sink_.batches.size(), 1u);
  Wait(milliseconds(199));
  write();  // 200 ms after the last look
  Wait(milliseconds(799));
  EXPECT_EQ(sink_.batches.size(), 1u);
  Wait(milliseconds(1));
  EXPECT_EQ(sink_.batches.size(), 2u);
}

// Twenty pods that write all the time cost a system call less for every piece read.
TEST_F(LaneTest, AFileIsNotAskedAgainAtTheSizeThatIsKnown) {
  Make();
  File file = NewFile(1, Cri("one"), 0);
  file.tailed->size = file.bytes->text.size();
  lane_->Add(file.tailed);
  Run();
  EXPECT_EQ(file.bytes->reads, 1);
  EXPECT_TRUE(file.tailed->at_end);
  file.bytes->text += Cri("two");  // seen by nobody yet
  Run();
  EXPECT_EQ(file.bytes->reads, 1);
  file.bytes->text += Cri("three");
  file.tailed->size = file.bytes->text.size() - 1;  // the look came a little early
  lane_->Readable(file.tailed);
  StoreAll();
  EXPECT_EQ(file.bytes->reads, 2);
  EXPECT_EQ(stored_[kStream1], (Lines{"one", "two", "three"}));
  Finish(file);
  StoreAll();
  EXPECT_TRUE(file.tailed->drained) << "the last read must find the end";
}

// A short read, and then an error: what was read is not the last line of the file.
TEST_F(LaneTest, AnErrorInTheMiddleOfTheLastLineDoesNotEndIt) {
  Make();
  File file = NewFile(1, "2016-10-06T00:17:09.1Z stdout F whole", 0);
  file.tailed->finished = true;
  file.bytes->most = 33;
  file.bytes->fail_at = 33;
  lane_->Add(file.tailed);
  Wait(std::chrono::milliseconds(10));
  EXPECT_TRUE(file.tailed->read_failed);
  file.bytes->fail_at = UINT64_MAX;
  Wait(std::chrono::seconds(1));
  StoreAll();
  EXPECT_EQ(stored_[kStream1], Lines{"whole"});
  EXPECT_TRUE(file.tailed->drained);
}

TEST_F(LaneTest, AStartOffsetIsWhereReadingBegins) {
  Make();
  const std::string first = Cri("old");
  File file = Add(1, first + Cri("new"), first.size());
  StoreAll();
  EXPECT_EQ(stored_[kStream1], Lines{"new"});
}

TEST_F(LaneTest, OutOfOrderAnswersNeverPassAHole) {
  Make("[cri: {}]", {.batch_size = 3});
  File file = Add(1, Cri("one") + Cri("two") + Cri("thr"));
  Wait(std::chrono::seconds(2));
  ASSERT_EQ(sink_.batches.size(), 3u);
  Store(2);
  Store(1);
  EXPECT_EQ(file.tailed->committed_offset, 0u);
  Store(0);
  EXPECT_EQ(file.tailed->committed_offset, file.bytes->text.size());
}

TEST_F(LaneTest, EveryClientMustHaveStoredIt) {
  Make("[cri: {}]", {}, 2);
  File file = Add(1, Cri("one"));
  Wait(std::chrono::seconds(1));
  ASSERT_EQ(sink_.batches.size(), 2u);
  Store();
  EXPECT_EQ(file.tailed->committed_offset, 0u);
  Store();
  EXPECT_EQ(file.tailed->committed_offset, file.bytes->text.size());
}

TEST_F(LaneTest, ACancelledBatchCommitsNothingAndGivesItsMemoryBack) {
  Make();
  File file = Add(1, Cri("one"));
  Wait(std::chrono::seconds(1));
  const uint64_t before = budget_.used();
  auto batch = std::move(sink_.batches.front());
  sink_.batches.clear();
  const uint64_t leased = batch->leased;
  Answer({.batch = std::move(batch), .refused = {}, .cancelled = true});
  EXPECT_EQ(file.tailed->committed_offset, 0u);
  EXPECT_EQ(budget_.used(), before - leased);
}

TEST_F(LaneTest, RefusedLinesAreSettledAndReported) {
  Make();
  File file = Add(1, Cri("one"));
  Wait(std::chrono::seconds(1));
  auto batch = std::move(sink_.batches.front());
  sink_.batches.clear();
  Refusal refusal;
  refusal.entries = 1;
  Answer({.batch = std::move(batch), .refused = {refusal}});
  EXPECT_EQ(observer_.refused, 1u);
  EXPECT_EQ(file.tailed->committed_offset, file.bytes->text.size());
}

TEST_F(LaneTest, WhatTheAgentAnnouncesGoesToEveryClientPastThePipeline) {
  Make("[cri: {}, {drop: {expression: '.*'}}]", {}, 2);
  File file = Add(1, Cri("dropped"));
  Run();
  lane_->Announce({{"pod", "web"}}, "sluice: something was lost");
  StoreAll();
  EXPECT_EQ(stored_["{pod=\"web\"}"], (Lines{"sluice: something was lost", "sluice: something was lost"}));
  EXPECT_EQ(stored_.size(), 1u);
  EXPECT_EQ(file.tailed->committed_offset, file.bytes->text.size());
}

TEST_F(LaneTest, GenerationsOfAPathAreReadInOrder) {
  Make();
  File first = Add(1, Cri("1") + Cri("2"));
  File second = NewFile(1, Cri("4"));
  second.tailed->predecessor = first.tailed;
  lane_->Add(second.tailed);
  Run();
  EXPECT_EQ(second.bytes->reads, 0) << "the first generation may still grow";
  first.bytes->text += Cri("3");
  Finish(first);
  StoreAll();
  EXPECT_EQ(stored_[kStream1], (Lines{"1", "2", "3", "4"}));
  EXPECT_TRUE(first.tailed->drained);
  EXPECT_FALSE(second.tailed->drained);
  EXPECT_EQ(second.tailed->predecessor, nullptr);
}

TEST_F(LaneTest, APartialLineRunsOverARotation) {
  Make();
  File first = Add(1, Cri("a", "P"));
  File second = Add(1, Cri("b", "P") + Cri("c"));
  Finish(first);
  Wait(std::chrono::seconds(2));
  EXPECT_FALSE(first.tailed->drained);
  EXPECT_EQ(second.tailed->committed_offset, 0u);
  StoreAll();
  EXPECT_EQ(stored_[kStream1], Lines{"abc"});
  EXPECT_TRUE(first.tailed->drained);
  EXPECT_EQ(second.tailed->committed_offset, second.bytes->text.size());
}

TEST_F(LaneTest, AnOpenPartialEndsWithItsRunOfTheContainer) {
  Make();
  File first = NewFile(1, Cri("cut off", "P"));
  first.tailed->path = "/pods/a_b_c/app/0.log";
  lane_->Add(first.tailed);
  File second = NewFile(1, Cri("new run"));
  second.tailed->path = "/pods/a_b_c/app/1.log";
  lane_->Add(second.tailed);
  Finish(first);
  StoreAll();
  EXPECT_EQ(stored_[kStream1], (Lines{"cut off", "new run"}));
  EXPECT_EQ(first.tailed->committed_offset, first.bytes->text.size());
}

TEST_F(LaneTest, AFinishedFileShipsItsLastLineAndItsOpenPartial) {
  Make();
  File file = Add(1, Cri("half", "P") + "2016-10-06T00:17:09.1Z stderr F no newline");
  Finish(file);
  StoreAll();
  EXPECT_EQ(stored_[kStream1], Lines{"half"});
  EXPECT_EQ(stored_["{chain=\"1\", stream=\"stderr\"}"], Lines{"no newline"});
  EXPECT_TRUE(file.tailed->drained);
}

TEST_F(LaneTest, AnAbandonedFileCountsWhatWasNotRead) {
  Make();
  File file = NewFile(1, Cri("never read"));
  file.tailed->abandoned = true;
  file.tailed->size = 500;
  lane_->Add(file.tailed);
  Run();
  EXPECT_EQ(observer_.lost, 500u);
  EXPECT_TRUE(file.tailed->drained);
}

TEST_F(LaneTest, ABadDiskIsTriedAgain) {
  Make();
  File file = Add(1, Cri("one"));
  file.bytes->fail = true;
  Run();
  EXPECT_TRUE(file.tailed->read_failed);
  EXPECT_LE(lane_->NextDeadline(), now_ + std::chrono::seconds(1));
  file.bytes->fail = false;
  StoreAll();
  EXPECT_EQ(stored_[kStream1], Lines{"one"});
  EXPECT_FALSE(file.tailed->read_failed);
}

TEST_F(LaneTest, LinesLongerThanTheBufferAndThanTheLimit) {
  Make("[]");
  const std::string longer(3000, 'x');
  const std::string cut(10'000, 'y');
  File file = Add(1, longer + "\n" + cut + "\nshort\n");
  StoreAll();
  const Lines& lines = stored_["{chain=\"1\"}"];
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0], longer);
  EXPECT_EQ(lines[1] + lines[2] + lines[3], cut);
  EXPECT_EQ(lines[4], "short");
  EXPECT_EQ(file.tailed->committed_offset, file.bytes->text.size());
  EXPECT_EQ(budget_.used(), read_size_) << "the large buffer was given back";
}

TEST_F(LaneTest, NothingIsReadWhileTooMuchWaitsForAnswers) {
  most_unsent_ = 200;
  Make("[cri: {}]", {.batch_size = 100});
  std::string text;
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) text += Cri(std::to_string(random()) + std::to_string(random()));
  File file = Add(1, text);
  Wait(std::chrono::seconds(2));
  uint64_t waiting = 0;
  for (const auto& batch : sink_.batches) waiting += batch->leased;
  EXPECT_GE(waiting, 200u);
  EXPECT_LT(file.tailed->read_offset, text.size());
  const uint64_t before = file.tailed->read_offset;
  Wait(std::chrono::minutes(10));
  EXPECT_EQ(file.tailed->read_offset, before);
  StoreAll();
  EXPECT_EQ(file.tailed->committed_offset, text.size());
}

TEST_F(LaneTest, NothingIsReadWhileTheBudgetIsUsedUp) {
  Make();
  budget_.Take(budget_.limit());
  File file = Add(1, Cri("one"));
  Run();
  EXPECT_EQ(file.bytes->reads, 0);
  EXPECT_NE(lane_->NextDeadline(), kNever);
  budget_.Give(budget_.limit());
  StoreAll();
  EXPECT_EQ(stored_[kStream1], Lines{"one"});
}

TEST_F(LaneTest, FilesTakeTurns) {
  read_size_ = 64;
  Make("[]", {.batch_size = 64});
  std::string busy;
  for (int i = 0; i < 100; ++i) busy += "busy line number " + std::to_string(i) + "\n";
  Add(1, busy);
  Run(1'000);
  Add(2, busy + busy);
  Add(3, "quiet\n");
  for (int turn = 0; turn < 6; ++turn) lane_->RunOnce(now_, 0);
  lane_->Stop(false);
  Run();
  bool quiet = false;
  while (!sink_.batches.empty()) Store();
  for (const auto& [labels, lines] : stored_) quiet |= labels == "{chain=\"3\"}";
  EXPECT_TRUE(quiet) << "one turn each: the quiet file does not wait for the busy one";
}

TEST_F(LaneTest, StopSendsWhatIsReadAndLeavesWhatIsHeld) {
  Make("[multiline: {firstline: '^S'}]");
  File file = Add(1, "S one\n more\nS two\n open");
  Run();
  lane_->Stop(false);
  Run();
  ASSERT_EQ(sink_.batches.size(), 1u);
  Store();
  EXPECT_EQ(stored_["{chain=\"1\"}"], Lines{"S one\n more"});
  EXPECT_EQ(file.tailed->committed_offset, std::string("S one\n more\n").size());
  EXPECT_TRUE(lane_->Idle());
}

// Promtail sends every open block when it ends. One that nobody has added to for a moment
// is whole, so it goes too; one that is being written is read again by the next start.
TEST_F(LaneTest, StopSendsABlockThatIsSilent) {
  Make("[multiline: {firstline: '^S', max_wait_time: 60s}]");
  File file = Add(1, "S one\n more\n");
  Run();
  Wait(std::chrono::milliseconds(300));
  EXPECT_TRUE(sink_.batches.empty());
  lane_->Stop(false);
  Run();
  ASSERT_EQ(sink_.batches.size(), 1u);
  Store();
  EXPECT_EQ(stored_["{chain=\"1\"}"], Lines{"S one\n more"});
  EXPECT_EQ(file.tailed->committed_offset, file.bytes->text.size());
  EXPECT_TRUE(lane_->Idle());
}

TEST_F(LaneTest, StopWithFlushShipsWhatIsHeld) {
  Make("[multiline: {firstline: '^S'}]");
  Add(1, "S one\nS two\n");
  Run();
  lane_->Stop(true);
  Run();
  Store();
  EXPECT_EQ(stored_["{chain=\"1\"}"], (Lines{"S one", "S two"}));
}

TEST_F(LaneTest, GroupsOfMultilineEndByTime) {
  Make("[multiline: {firstline: '^S', max_wait_time: 3s}]");
  File file = Add(1, "S one\n more\n");
  Wait(std::chrono::seconds(2));
  EXPECT_TRUE(sink_.batches.empty());
  EXPECT_LE(lane_->NextDeadline(), now_ + std::chrono::seconds(1));
  Wait(std::chrono::seconds(1));
  Wait(std::chrono::seconds(1));
  ASSERT_EQ(sink_.batches.size(), 1u);
  Store();
  EXPECT_EQ(file.tailed->committed_offset, file.bytes->text.size());
}

TEST_F(LaneTest, DroppedLinesAreCommittedToo) {
  Make("[cri: {}, drop: {expression: noise}]");
  File file = Add(1, Cri("noise") + Cri("noise"));
  StoreAll();
  EXPECT_TRUE(stored_.empty());
  EXPECT_EQ(file.tailed->committed_offset, file.bytes->text.size());
}

// Random writes, rotations, answers in any order: all lines arrive once, in order, and
// at any moment a restart from the committed offsets would miss nothing.
TEST_F(LaneTest, RandomStoriesLoseAndReorderNothing) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int story = 0; story < 100; ++story) {
    stored_.clear();
    sink_.batches.clear();
    lane_.reset();
    Make("[cri: {}, multiline: {firstline: '^S', max_wait_time: 1s}]", {.batch_size = 200});
    Lines written;
    std::vector<File> files = {Add(1, "")};
    for (int step = 0; step < 150; ++step) {
      File& file = files.back();
      switch (random() % 8) {
        case 0:
        case 1:
        case 2: {
          const std::string line = "S" + std::to_string(written.size());
          written.push_back(line);
          if (random() % 4 == 0) {
            file.bytes->text += Cri(line.substr(0, 1), "P") + Cri(line.substr(1));
          } else {
            file.bytes->text += Cri(line);
          }
          file.bytes->most = 1 + random() % 200;
          break;
        }
        case 3: lane_->Readable(file.tailed); break;
        case 4: Run(); break;
        case 5: Wait(std::chrono::milliseconds(random() % 1500)); break;
        case 6:
          if (!sink_.batches.empty()) Store();
          break;
        default:
          if (random() % 4 == 0) {
            files.push_back(Add(1, ""));
            Finish(files[files.size() - 2]);
          }
      }
    }
    Finish(files.back());
    StoreAll();
    Lines got = stored_[kStream1];
    ASSERT_EQ(got, written);
    for (const File& file : files) {
      ASSERT_TRUE(file.tailed->drained);
      ASSERT_EQ(file.tailed->committed_offset, file.bytes->text.size());
    }
  }
}

// A quiet lane gives its memory back, in the middle of a line that has outgrown the buffer
// as well; the line then arrives whole.
TEST_F(LaneTest, ALaneThatRestedReadsOn) {
  Make();
  const std::string begun = Cri(std::string(3000, 'x'));
  File file = Add(1, Cri("before") + begun.substr(0, begun.size() - 1));
  StoreAll();
  ASSERT_TRUE(lane_->Idle());
  lane_->Rest();
  file.bytes->text += "\n" + Cri("after");
  lane_->Readable(file.tailed);
  StoreAll();
  lane_->Rest();
  lane_->Rest();
  EXPECT_EQ(stored_[kStream1], (Lines{"before", std::string(3000, 'x'), "after"}));
  EXPECT_EQ(file.tailed->committed_offset, file.bytes->text.size());
}

}  // namespace
}  // namespace agent::flow
