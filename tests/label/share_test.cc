// SPDX-License-Identifier: Apache-2.0
#include "agent/label/share.h"

#include <gmock/gmock.h>

#include <map>

namespace agent::label {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr MonoTime kStart{std::chrono::hours(1)};

std::shared_ptr<TailedFile> FileOf(LabelMap labels, LabelMap discovered = {}) {
  auto target = std::make_shared<Target>();
  target->discovered = std::move(discovered);
  auto file = std::make_shared<TailedFile>();
  file->labels = std::move(labels);
  file->target = std::move(target);
  return file;
}

struct Batch {
  Batch(TailedFile& file, size_t lines, std::string_view line = "0123456789") {
    for (size_t i = 0; i < lines; ++i) {
      Record* record = batch.Append();
      record->line = line;
      record->origin.file = &file;
    }
  }
  RecordBatch batch;
};

ShareOptions Rate(double rate, int64_t burst, bool drop) {
  ShareOptions options;
  options.readline_rate_enabled = true;
  options.readline_rate = rate;
  options.readline_burst = burst;
  options.readline_rate_drop = drop;
  return options;
}

TEST(TokenBucketTest, FillsUpToItsBurstAndMayBeOverdrawn) {
  TokenBucket bucket(100, 50);
  EXPECT_EQ(bucket.TakeUpTo(80, kStart), 50u);
  EXPECT_EQ(bucket.TakeUpTo(1, kStart), 0u);
  EXPECT_EQ(bucket.TakeUpTo(80, kStart + milliseconds(100)), 10u);
  EXPECT_EQ(bucket.TakeUpTo(80, kStart + seconds(100)), 50u);
  const MonoTime later = kStart + seconds(200);
  EXPECT_LE(bucket.Overdraw(50, later), later);
  const MonoTime recovered = bucket.Overdraw(100, later);
  EXPECT_NEAR(std::chrono::duration<double>(recovered - later).count(), 1.0, 0.001);
  EXPECT_EQ(bucket.ReadyAt(later), recovered);
  EXPECT_LE(bucket.ReadyAt(recovered), recovered);
  EXPECT_LE(bucket.ReadyAt(later - seconds(1)), recovered) << "a clock that another lane read earlier";
}

TEST(SharesTest, WithoutOptionsNothingIsLimited) {
  Shares shares{ShareOptions{}};
  EXPECT_FALSE(shares.limits_lines());
  EXPECT_FALSE(shares.limits_reading());
  const auto file = FileOf({{"namespace", "a"}});
  EXPECT_EQ(shares.IndexOf(*file), 0u);
  EXPECT_EQ(shares.WeightOf(0), 1u);
  Batch batch(*file, 1000);
  EXPECT_LE(shares.Apply(batch.batch.records(), kStart), kStart);
  EXPECT_EQ(batch.batch.records().size(), 1000u);
}

TEST(SharesTest, TheRateOfLinesDrops) {
  std::map<std::string, int> dropped;
  Shares shares(Rate(10, 20, true), [&](const Record&, std::string_view reason) { ++dropped[std::string(reason)]; });
  const auto file = FileOf({});
  Batch first(*file, 30);
  EXPECT_LE(shares.Apply(first.batch.records(), kStart), kStart);
  EXPECT_EQ(first.batch.records().size(), 20u);
  EXPECT_EQ(dropped["global_rate_limiter_drop"], 10);
  Batch second(*file, 30);
  shares.Apply(second.batch.records(), kStart + seconds(1));
  EXPECT_EQ(second.batch.records().size(), 10u);
}

TEST(SharesTest, TheRateOfLinesBlocksWithoutLoss) {
  Shares shares(Rate(10, 20, false));
  const auto file = FileOf({});
  MonoTime now = kStart;
  size_t lines = 0;
  while (now < kStart + seconds(100)) {
    Batch batch(*file, 7);
    const MonoTime pause = shares.Apply(batch.batch.records(), now);
    lines += batch.batch.records().size();
    now = std::max(now + milliseconds(1), pause);
  }
  EXPECT_NEAR(static_cast<double>(lines), 1020, 10);
}

ShareOptions Namespaces() {
  ShareOptions options;
  options.namespaces["slow"] = {.weight = 2, .bytes_per_second = 1000};
  options.namespaces["shed"] = {.bytes_per_second = 1000, .burst_bytes = 100, .action = NamespaceShare::Action::kDrop};
  options.namespaces["heavy"] = {.weight = 5};
  return options;
}

TEST(SharesTest, NamespacesAreFoundByLabelOrByDiscovery) {
  Shares shares(Namespaces());
  EXPECT_EQ(shares.WeightOf(shares.IndexOf(*FileOf({{"namespace", "heavy"}}))), 5u);
  EXPECT_EQ(shares.WeightOf(shares.IndexOf(*FileOf({{"ns", "x"}}, {{"__meta_kubernetes_namespace", "slow"}}))), 2u);
  EXPECT_EQ(shares.IndexOf(*FileOf({{"namespace", "other"}})), 0u);
  EXPECT_EQ(shares.IndexOf(*FileOf({})), 0u);
}

TEST(SharesTest, ASlowedNamespaceIsReadAtItsRateAndItsNeighboursAreNot) {
  Shares shares(Namespaces());
  EXPECT_TRUE(shares.limits_reading());
  const auto slow = shares.IndexOf(*FileOf({{"namespace", "slow"}}));
  uint64_t bytes = 0;
  MonoTime now = kStart;
  while (now < kStart + seconds(100)) {
    const MonoTime at = shares.ReadableAt(slow, now);
    if (at > now) {
      EXPECT_TRUE(shares.Snapshot(now)[2].slowed);
      now = at;
      continue;
    }
    shares.Charge(slow, 4000, now);
    bytes += 4000;
    now += milliseconds(1);
  }
  EXPECT_NEAR(static_cast<double>(bytes), 101'000, 5000);
  const auto heavy = shares.IndexOf(*FileOf({{"namespace", "heavy"}}));
  shares.Charge(heavy, 1'000'000'000, now);
  EXPECT_LE(shares.ReadableAt(heavy, now), now);
  EXPECT_LE(shares.ReadableAt(0, now), now);
}

TEST(SharesTest, AShedNamespaceLosesWhatIsTooMuchAndOthersNothing) {
  int dropped = 0;
  Shares shares(Namespaces(), [&](const Record& record, std::string_view reason) {
    EXPECT_EQ(reason, "namespace_budget");
    EXPECT_EQ(record.origin.file->labels.at("namespace"), "shed");
    ++dropped;
  });
  const auto shed = FileOf({{"namespace", "shed"}});
  const auto slow = FileOf({{"namespace", "slow"}});
  Batch batch(*shed, 100);
  for (int i = 0; i < 100; ++i) {
    Record* record = batch.batch.Append();
    record->line = "x";
    record->origin.file = slow.get();
  }
  shares.Apply(batch.batch.records(), kStart);
  EXPECT_NEAR(dropped, 89, 1);
  EXPECT_EQ(batch.batch.records().size() + static_cast<size_t>(dropped), 200u);
  EXPECT_EQ(shares.Snapshot(kStart)[1].dropped_lines, static_cast<uint64_t>(dropped));
  Batch later(*shed, 5);
  shares.Apply(later.batch.records(), kStart + seconds(1));
  EXPECT_EQ(later.batch.records().size(), 5u);
}

}  // namespace
}  // namespace agent::label
