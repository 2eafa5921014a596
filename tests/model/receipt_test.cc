// SPDX-License-Identifier: Apache-2.0
#include "agent/model/receipt.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace agent {
namespace {

TEST(ReceiptTest, TheCommittedOffsetNeverPassesAHole) {
  ReceiptTracker tracker(100);
  EXPECT_EQ(tracker.Committed(), 100u);
  EXPECT_TRUE(tracker.AddToBatch(1, 100));
  EXPECT_FALSE(tracker.AddToBatch(1, 150));
  EXPECT_TRUE(tracker.AddToBatch(2, 200));
  EXPECT_TRUE(tracker.AddToBatch(3, 300));
  tracker.SetProcessed(400);
  tracker.Acknowledge(3);
  tracker.Acknowledge(2);
  EXPECT_EQ(tracker.Committed(), 100u);
  tracker.Acknowledge(1);
  EXPECT_EQ(tracker.Committed(), 400u);
  EXPECT_TRUE(tracker.Settled());
}

TEST(ReceiptTest, HeldRecordsCountFromTheirFirstByte) {
  ReceiptTracker tracker(0);
  tracker.Hold(10);
  tracker.Hold(30);
  tracker.SetProcessed(50);
  EXPECT_EQ(tracker.Committed(), 10u);
  tracker.AddToBatch(1, 10);
  tracker.Release(10);
  EXPECT_EQ(tracker.Committed(), 10u);
  tracker.Acknowledge(1);
  EXPECT_EQ(tracker.Committed(), 30u);
}

// A record may join a batch after younger ones (a group that was held).
TEST(ReceiptTest, AnOlderRecordInALaterBatchHoldsItsByte) {
  ReceiptTracker tracker(0);
  tracker.AddToBatch(1, 40);
  tracker.AddToBatch(2, 60);
  tracker.AddToBatch(2, 20);
  tracker.SetProcessed(80);
  tracker.Acknowledge(1);
  EXPECT_EQ(tracker.Committed(), 20u);
  EXPECT_FALSE(tracker.AddToBatch(2, 5));
  EXPECT_EQ(tracker.Committed(), 20u) << "never falls";
}

// Random records in random batches with random acknowledgements, against a plain model.
TEST(ReceiptTest, AgreesWithAPlainModel) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    ReceiptTracker tracker(0);
    std::map<BatchId, std::set<uint64_t>> unacknowledged;
    uint64_t offset = 0;
    uint64_t floor = 0;
    BatchId next = 1;
    std::vector<BatchId> open = {next++, next++};
    for (int step = 0; step < 100; ++step) {
      const size_t which = random() % open.size();
      if (random() % 3 != 0) {
        tracker.AddToBatch(open[which], offset);
        unacknowledged[open[which]].insert(offset);
        offset += 1 + random() % 50;
        tracker.SetProcessed(offset);
      } else if (random() % 2 == 0) {
        open[which] = next++;
      } else if (!unacknowledged.empty()) {
        auto victim = unacknowledged.begin();
        std::advance(victim, random() % unacknowledged.size());
        if (std::find(open.begin(), open.end(), victim->first) != open.end()) continue;
        tracker.Acknowledge(victim->first);
        unacknowledged.erase(victim);
      }
      uint64_t lowest = offset;
      for (const auto& [batch, begins] : unacknowledged) lowest = std::min(lowest, *begins.begin());
      floor = std::max(floor, lowest);
      ASSERT_EQ(tracker.Committed(), floor);
    }
  }
}

}  // namespace
}  // namespace agent
