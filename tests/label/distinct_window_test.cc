// SPDX-License-Identifier: Apache-2.0
#include "agent/label/internal/distinct_window.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "agent/label/internal/hash64.h"

namespace agent::label {
namespace {

uint64_t HashOf(uint64_t i, const std::string& prefix = "value-") { return Hash64(prefix + std::to_string(i)); }

TEST(HyperLogLogTest, TheErrorIsUnderTwoPercent) {
  double worst = 0;
  for (const uint64_t count : {1u, 10u, 100u, 1000u, 5000u, 20000u, 100000u, 1000000u}) {
    HyperLogLog sketch;
    for (uint64_t i = 0; i < count; ++i) sketch.Add(HashOf(i));
    const double error = std::abs(sketch.Estimate() - static_cast<double>(count)) / static_cast<double>(count);
    worst = std::max(worst, error);
    EXPECT_LT(error, 0.02) << count;
  }
  RecordProperty("worst_error", std::to_string(worst));
}

TEST(HyperLogLogTest, TheStandardErrorOverManySetsIsWhatTheorySays) {
  constexpr int kSets = 40;
  constexpr int kCount = 20000;
  double sum = 0;
  double squares = 0;
  for (int set = 0; set < kSets; ++set) {
    HyperLogLog sketch;
    for (int i = 0; i < kCount; ++i) sketch.Add(HashOf(static_cast<uint64_t>(i), std::to_string(set) + "/"));
    const double error = sketch.Estimate() / kCount - 1;
    sum += error;
    squares += error * error;
  }
  EXPECT_LT(std::abs(sum / kSets), 0.004) << "no bias";
  EXPECT_LT(std::sqrt(squares / kSets), 0.011) << "1.04 / sqrt(16384) = 0.0081";
}

TEST(HyperLogLogTest, AnEmptyOneCountsNothingAndTextKeepsEverything) {
  HyperLogLog sketch;
  EXPECT_EQ(sketch.Estimate(), 0);
  for (uint64_t i = 0; i < 30000; ++i) sketch.Add(HashOf(i));
  const auto copy = HyperLogLog::FromText(sketch.ToText());
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->Estimate(), sketch.Estimate());
  EXPECT_FALSE(HyperLogLog::FromText("12"));
  EXPECT_FALSE(HyperLogLog::FromText(std::string(HyperLogLog::kRegisters, 'x')));
}

TEST(HyperLogLogTest, MergingIsCountingTogether) {
  HyperLogLog a, b, both;
  for (uint64_t i = 0; i < 5000; ++i) {
    (i % 3 == 0 ? a : b).Add(HashOf(i));
    both.Add(HashOf(i));
  }
  a.Merge(b);
  EXPECT_EQ(a.Estimate(), both.Estimate());
}

TEST(DistinctWindowTest, CountsExactlyUpToTheLimitAndAboutBeyond) {
  DistinctWindow window(1000);
  for (uint64_t i = 0; i < 1000; ++i) {
    EXPECT_TRUE(window.Add(HashOf(i)));
    EXPECT_FALSE(window.Add(HashOf(i)));
  }
  EXPECT_TRUE(window.exact());
  EXPECT_EQ(window.Count(), 1000u);
  EXPECT_TRUE(window.Contains(HashOf(999)));
  EXPECT_FALSE(window.Contains(HashOf(1000)));
  for (uint64_t i = 0; i < 100000; ++i) window.Add(HashOf(i));
  EXPECT_FALSE(window.exact());
  EXPECT_NEAR(static_cast<double>(window.Count()), 100000, 2000);
}

TEST(DistinctWindowTest, MemoryStaysUnderSixtyFourKiB) {
  DistinctWindow window(DistinctWindow::kMaxExact);
  size_t most = 0;
  for (uint64_t part = 0; part < 12; ++part) {
    const uint64_t count = part < 6 ? 250 : 3000;  // 1500 in six parts, still exact
    for (uint64_t i = 0; i < count; ++i) {
      window.Add(HashOf(part * 3000 + i));
      most = std::max(most, window.MemoryBytes());
    }
    window.Turn(1);
  }
  EXPECT_FALSE(window.exact());
  EXPECT_LT(most, 64u * 1024);
}

// Against a list of everything that was ever seen.
TEST(DistinctWindowTest, ForgetsWhatIsOlderThanTheWindowAndNothingElse) {
  for (const size_t limit : {size_t{100000}, size_t{50}}) {
    const auto seed = static_cast<unsigned>(limit * 7 + 1);
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    DistinctWindow window(limit);
    std::map<uint64_t, uint64_t> seen;  // by value: the last part
    for (uint64_t part = 0; part < 40; ++part) {
      for (int i = 0; i < 500; ++i) {
        const uint64_t value = random() % 4000;
        window.Add(HashOf(value));
        seen[value] = part;
      }
      uint64_t expected = 0;
      for (const auto& [value, last] : seen) expected += part - last < DistinctWindow::kParts ? 1 : 0;
      if (window.exact()) {
        ASSERT_EQ(window.Count(), expected) << part;
      } else {
        ASSERT_NEAR(static_cast<double>(window.Count()), static_cast<double>(expected), static_cast<double>(expected) * 0.03);
      }
      window.Turn(1);
    }
    window.Turn(1000);
    EXPECT_EQ(window.Count(), 0u);
  }
}

TEST(DistinctWindowTest, TextKeepsValuesWithTheirAge) {
  DistinctWindow window(100);
  window.Add(HashOf(1));
  window.Turn(3);
  window.Add(HashOf(2));
  const std::string text = window.ToText();
  for (uint64_t later = 0; later < 8; ++later) {
    DistinctWindow copy(100);
    ASSERT_TRUE(copy.FromText(text, later));
    EXPECT_EQ(copy.Contains(HashOf(1)), later + 3 < DistinctWindow::kParts) << later;
    EXPECT_EQ(copy.Contains(HashOf(2)), later < DistinctWindow::kParts) << later;
  }
}

}  // namespace
}  // namespace agent::label
