// SPDX-License-Identifier: Apache-2.0
// The batcher against the protobuf classes: what it writes by hand must be byte for
// byte what they write, and what it groups, cuts and counts must follow Promtail.
#include "agent/batch/batcher.h"

#include <gtest/gtest.h>
#include <snappy.h>

#include <map>
#include <random>

#include "push.pb.h"

namespace agent::batch {
namespace {

class Collector final : public PushSink {
 public:
  void Send(std::unique_ptr<PushBatch> batch) override { batches.push_back(std::move(batch)); }

  sluice::push::PushRequest Decode(size_t index) const {
    std::string raw;
    const Bytes& body = batches[index]->body;
    EXPECT_TRUE(snappy::Uncompress(body.data.get(), body.size, &raw));
    EXPECT_EQ(raw.size(), batches[index]->raw_bytes);
    sluice::push::PushRequest request;
    EXPECT_TRUE(request.ParseFromString(raw));
    EXPECT_EQ(request.SerializeAsString(), raw) << "not the bytes that protobuf writes";
    return request;
  }

  std::vector<std::unique_ptr<PushBatch>> batches;
};

class BatcherTest : public ::testing::Test {
 protected:
  BatcherTest() { file_ = MakeFile(); }
  ~BatcherTest() override { batcher_.reset(); EXPECT_EQ(budget_.used(), InFlight()); }

  static std::shared_ptr<TailedFile> MakeFile() { return std::make_shared<TailedFile>(); }

  Batcher& Make(BatcherOptions options) {
    BatchEvents events;
    events.on_limit = [this](BatchEvents::Kind kind, const Record&, uint64_t bytes) {
      limits_.emplace_back(kind, bytes);
    };
    batcher_ = std::make_unique<Batcher>(std::move(options), budget_, sink_, std::move(events),
                                         [this] { return ++last_id_; });
    return *batcher_;
  }

  Record* Line(const LabelMap& labels, std::string_view line, WallNanos time = 1, uint64_t begin = 0) {
    Record* record = records_.Append();
    record->labels = interner_.Intern(labels);
    record->line = line;
    record->time = time;
    record->origin = {file_.get(), begin, nullptr};
    return record;
  }

  void Add(MonoTime now = {}) {
    batcher_->Add(records_.records(), now);
    records_.Reset();
  }

  uint64_t InFlight() const {
    uint64_t bytes = 0;
    for (const auto& batch : sink_.batches) bytes += batch->leased;
    return bytes;
  }

  LabelInterner interner_;
  RecordBatch records_;
  ByteBudget budget_{64 << 20};
  Collector sink_;
  std::vector<std::pair<BatchEvents::Kind, uint64_t>> limits_;
  std::shared_ptr<TailedFile> file_;
  BatchId last_id_ = 0;
  std::unique_ptr<Batcher> batcher_;
};

TEST_F(BatcherTest, WritesTheBytesOfProtobuf) {
  Make({});
  Line({{"a", "x"}, {"b", "q\"\n"}}, "one", 1'700'000'000'123'456'789);
  Line({{"a", "x"}, {"b", "q\"\n"}}, "", 0);  // every field zero
  const std::string large(70'000, 'z');  // records are views
  const std::string bytes("\xff\0bytes", 7);
  Line({{"a", "y"}}, large, -1);
  Record* record = Line({}, bytes, 2'000'000'000);
  AppendMetadata(records_.arena(), *record, "trace_id", "abc");
  AppendMetadata(records_.arena(), *record, "empty", "");
  Add();
  batcher_->Tick({}, true);
  ASSERT_EQ(sink_.batches.size(), 1u);
  const auto request = sink_.Decode(0);
  ASSERT_EQ(request.streams_size(), 3);
  EXPECT_EQ(request.streams(0).labels(), "{a=\"x\", b=\"q\\\"\\n\"}");
  ASSERT_EQ(request.streams(0).entries_size(), 2);
  EXPECT_EQ(request.streams(0).entries(0).timestamp().seconds(), 1'700'000'000);
  EXPECT_EQ(request.streams(0).entries(0).timestamp().nanos(), 123'456'789);
  EXPECT_EQ(request.streams(0).entries(1).line(), "");
  EXPECT_EQ(request.streams(1).entries(0).timestamp().seconds(), -1);
  EXPECT_EQ(request.streams(1).entries(0).timestamp().nanos(), 999'999'999);
  EXPECT_EQ(request.streams(2).labels(), "{}");
  EXPECT_EQ(request.streams(2).entries(0).line(), std::string("\xff\0bytes", 7));
  ASSERT_EQ(request.streams(2).entries(0).structured_metadata_size(), 2);
  EXPECT_EQ(request.streams(2).entries(0).structured_metadata(0).value(), "abc");
  EXPECT_EQ(sink_.batches[0]->entries, 4u);
}

TEST_F(BatcherTest, RandomBatchesAreProtobufsBytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Make({.batch_size = 20'000});
  std::vector<std::string> lines;
  lines.reserve(3000);
  for (int i = 0; i < 3000; ++i) {
    std::string& line = lines.emplace_back(random() % (i % 100 == 0 ? 30'000 : 300), '\0');
    for (char& c : line) c = static_cast<char>(random());
    Line({{"s", std::to_string(random() % 40)}}, line, static_cast<WallNanos>(random() >> (random() % 64)));
    if (i % 300 == 299) Add();
  }
  batcher_->Tick({}, true);
  size_t entries = 0;
  for (size_t i = 0; i < sink_.batches.size(); ++i) {
    const auto request = sink_.Decode(i);
    for (const auto& stream : request.streams()) entries += static_cast<size_t>(stream.entries_size());
  }
  EXPECT_EQ(entries, 3000u);
}

TEST_F(BatcherTest, ClosesBeforeTheEntryThatWouldPassTheSize) {
  Make({.batch_size = 10});
  for (const char* line : {"12345", "12345", "1", "123456789012345", "1"}) Line({{"a", "x"}}, line);
  Add();
  batcher_->Tick({}, true);
  std::vector<uint64_t> sizes;
  for (const auto& batch : sink_.batches) sizes.push_back(batch->line_bytes);
  EXPECT_EQ(sizes, (std::vector<uint64_t>{10, 1, 15, 1}));
}

TEST_F(BatcherTest, ClosesByAgeOnly) {
  Make({.batch_wait = std::chrono::seconds(1)});
  const MonoTime start{std::chrono::seconds(100)};
  EXPECT_EQ(batcher_->NextDeadline(), kNever);
  Line({{"a", "x"}}, "line");
  Add(start);
  EXPECT_EQ(batcher_->NextDeadline(), start + std::chrono::seconds(1));
  batcher_->Tick(start + std::chrono::milliseconds(999), false);
  EXPECT_TRUE(sink_.batches.empty());
  batcher_->Tick(start + std::chrono::seconds(1), false);
  EXPECT_EQ(sink_.batches.size(), 1u);
  EXPECT_EQ(batcher_->NextDeadline(), kNever);
}

TEST_F(BatcherTest, TenantsGoApartAndTheTenantLabelIsNotSent) {
  Make({.tenant = "main", .external_labels = {{"cluster", "c1"}, {"a", "loses"}}});
  Line({{"a", "x"}}, "one");
  Line({{"a", "x"}, {"__tenant_id__", "other"}}, "two");
  Add();
  batcher_->Tick({}, true);
  ASSERT_EQ(sink_.batches.size(), 2u);
  EXPECT_EQ(sink_.batches[0]->tenant, "main");
  EXPECT_EQ(sink_.batches[1]->tenant, "other");
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(sink_.Decode(i).streams(0).labels(), "{a=\"x\", cluster=\"c1\"}");
}

TEST_F(BatcherTest, LongLinesAreDroppedOrCutAndCounted) {
  Make({.max_line_size = 4});
  Line({{"a", "x"}}, "12345");
  Line({{"a", "x"}}, "1234");
  Add();
  batcher_->Tick({}, true);
  ASSERT_EQ(sink_.batches.size(), 1u);
  EXPECT_EQ(sink_.batches[0]->entries, 1u);
  EXPECT_EQ(limits_, (std::vector<std::pair<BatchEvents::Kind, uint64_t>>{{BatchEvents::Kind::kLineTooLong, 5}}));
  Make({.max_line_size = 4, .max_line_size_truncate = true});
  Line({{"a", "x"}}, "12345");
  Add();
  batcher_->Tick({}, true);
  EXPECT_EQ(sink_.Decode(1).streams(0).entries(0).line(), "1234");
  EXPECT_EQ(limits_.back(), std::make_pair(BatchEvents::Kind::kLineTruncated, uint64_t{1}));
}

TEST_F(BatcherTest, StreamLimitDropsOnlyTheNewStreams) {
  Make({.max_streams = 1});
  Line({{"a", "1"}}, "kept");
  Line({{"a", "2"}}, "dropped");
  Line({{"a", "1"}}, "kept");
  Add();
  batcher_->Tick({}, true);
  EXPECT_EQ(sink_.batches[0]->entries, 2u);
  EXPECT_EQ(limits_.size(), 1u);
}

TEST_F(BatcherTest, ReceiptsFollowTheLinesIntoTheirBatches) {
  Make({.batch_size = 10});
  Line({{"a", "x"}}, "1234567890", 1, 0);
  Line({{"a", "x"}}, "1234567890", 1, 20);
  Add();
  file_->receipts.SetProcessed(40);
  batcher_->Tick({}, true);
  ASSERT_EQ(sink_.batches.size(), 2u);
  EXPECT_EQ(file_->receipts.Committed(), 0u);
  file_->receipts.Acknowledge(sink_.batches[1]->id);
  EXPECT_EQ(file_->receipts.Committed(), 0u) << "the first batch is a hole";
  file_->receipts.Acknowledge(sink_.batches[0]->id);
  EXPECT_EQ(file_->receipts.Committed(), 40u);
  EXPECT_EQ(sink_.batches[0]->files.size(), 1u);
}

TEST_F(BatcherTest, ShardsKeepAStreamInOneSequence) {
  Make({.batch_size = 1000, .shards = 4});
  for (int i = 0; i < 200; ++i) Line({{"s", std::to_string(i % 20)}}, "line");
  Add();
  batcher_->Tick({}, true);
  std::map<std::string, std::set<uint32_t>> shards;
  for (size_t i = 0; i < sink_.batches.size(); ++i) {
    const auto request = sink_.Decode(i);
    for (const auto& stream : request.streams()) shards[stream.labels()].insert(sink_.batches[i]->shard);
  }
  EXPECT_EQ(shards.size(), 20u);
  for (const auto& [labels, used] : shards) EXPECT_EQ(used.size(), 1u) << labels;
  EXPECT_EQ(sink_.batches.size(), 4u);
}

TEST_F(BatcherTest, IdleStreamsAreForgottenAndComeBack) {
  Make({});
  Line({{"a", "x"}}, "line");
  Add();
  batcher_->Tick({}, true);
  batcher_->ForgetIdleStreams();
  EXPECT_EQ(batcher_->streams(), 1u) << "used since the last call";
  batcher_->ForgetIdleStreams();
  EXPECT_EQ(batcher_->streams(), 0u);
  interner_.Sweep();
  Line({{"a", "x"}}, "again");
  Add();
  batcher_->Tick({}, true);
  EXPECT_EQ(sink_.Decode(1).streams(0).entries(0).line(), "again");
}

// A pod's list of streams is for people at night; it used to be empty.
TEST_F(BatcherTest, ThePodOfAFileKnowsWhichStreamsItFeeds) {
  file_->tally = std::make_shared<Tally>();
  Batcher& batcher = Make({.list_streams = true});
  const auto rows = [&](MonoTime now) {
    uint64_t others = 0;
    std::map<std::string, std::pair<uint64_t, MonoTime>> out;
    for (const auto& row : file_->tally->streams.Named(now, others)) out[row.use->labels] = {row.use->lines.load(), row.last};
    EXPECT_EQ(others, 0u);
    return out;
  };
  const MonoTime one{std::chrono::seconds(1)};
  const MonoTime two{std::chrono::seconds(2)};
  for (const char* level : {"a", "a", "b", "a", "b"}) Line({{"level", level}}, "x");
  Add(one);
  batcher.Tick(one, true);
  EXPECT_EQ(rows(one), (std::map<std::string, std::pair<uint64_t, MonoTime>>{{"{level=\"a\"}", {3, one}}, {"{level=\"b\"}", {2, one}}}));
  batcher.ForgetIdleStreams();
  batcher.ForgetIdleStreams();  // "a" begins anew, and goes on counting
  Line({{"level", "a"}}, "x");
  Add(two);
  batcher.Tick(two, true);
  EXPECT_EQ(rows(two)["{level=\"a\"}"], (std::pair<uint64_t, MonoTime>{4, two}));
  EXPECT_EQ(rows(two)["{level=\"b\"}"], (std::pair<uint64_t, MonoTime>{2, one}));
}

TEST_F(BatcherTest, AStreamOfTwoPodsIsListedByBoth) {
  file_->tally = std::make_shared<Tally>();
  const auto other = MakeFile();
  other->tally = std::make_shared<Tally>();
  Batcher& batcher = Make({.list_streams = true});
  for (const auto& file : {file_, other}) {
    Line({{"app", "x"}}, "line")->origin.file = file.get();
    Add();
  }
  batcher.Tick({}, true);
  for (const auto& file : {file_, other}) EXPECT_EQ(file->tally->streams.Count({}), 1u);
}

TEST_F(BatcherTest, WithoutTheWishNoStreamIsListed) {
  file_->tally = std::make_shared<Tally>();
  Batcher& batcher = Make({});
  Line({{"app", "x"}}, "line");
  Add();
  batcher.Tick({}, true);
  EXPECT_EQ(file_->tally->streams.Count({}), 0u);
}

}  // namespace
}  // namespace agent::batch
