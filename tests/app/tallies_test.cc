// SPDX-License-Identifier: Apache-2.0
#include "agent/app/tallies.h"

#include <gtest/gtest.h>

namespace agent::app {
namespace {

std::shared_ptr<TailedFile> File(const std::string& path, LabelMap labels, const std::string& glob = "/g/*") {
  auto target = std::make_shared<Target>();
  target->job = "j";
  target->path = glob;
  auto file = std::make_shared<TailedFile>();
  file->path = path;
  file->labels = std::move(labels);
  file->target = std::move(target);
  return file;
}

TEST(TalliesTest, OnePerPodOneGroupPerNamespace) {
  Tallies tallies;
  const auto a = File("/var/log/pods/shop_a_u1/c/0.log", {{"namespace", "shop"}, {"pod", "a"}});
  const auto a2 = File("/var/log/pods/shop_a_u1/d/0.log", {{"namespace", "shop"}, {"pod", "a"}});
  const auto b = File("/var/log/pods/shop_b_u2/c/0.log", {{"namespace", "shop"}, {"pod", "b"}});
  const auto other = File("/srv/x.log", {{"job", "x"}}, "/srv/*.log");
  a->tally = tallies.Of(*a);
  EXPECT_EQ(tallies.Of(*a2), a->tally);
  b->tally = tallies.Of(*b);
  EXPECT_NE(b->tally, a->tally);
  other->tally = tallies.Of(*other);
  a->tally->bytes_read = 10;
  b->tally->bytes_read = 5;
  b->tally->lines_read = 2;
  const auto groups = tallies.Groups();
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups.at("/var/log/pods/shop_*").bytes_read, 15u);
  EXPECT_EQ(groups.at("/var/log/pods/shop_*").lines_read, 2u);
  EXPECT_EQ(groups.at("/srv/*.log").bytes_read, 0u);
  EXPECT_EQ(tallies.Find("shop/a"), a->tally);
  EXPECT_EQ(tallies.Find("job:j"), other->tally);
  EXPECT_EQ(tallies.Find("shop/z"), nullptr);
}

TEST(TalliesTest, AGroupOnlyGrowsWhenItsPodsGo) {
  Tallies tallies;
  for (int i = 0; i < 300; ++i) {
    const std::string pod = "p" + std::to_string(i);
    const auto file = File("/p/shop_" + pod + "_u/c/0.log", {{"namespace", "shop"}, {"pod", pod}});
    file->tally = tallies.Of(*file);
    file->tally->bytes_read = 1;
  }
  EXPECT_EQ(tallies.Groups().at("/p/shop_*").bytes_read, 300u);
  tallies.Sweep();
  EXPECT_EQ(tallies.Groups().at("/p/shop_*").bytes_read, 300u);
  EXPECT_EQ(tallies.Find("shop/p1"), nullptr);
}

TEST(TalliesTest, GroupsHaveABound) {
  Tallies tallies;
  for (size_t i = 0; i < Tallies::kMostGroups + 50; ++i) {
    const auto file = File("/x", {{"namespace", "n"}, {"pod", std::to_string(i)}}, "/g" + std::to_string(i));
    file->tally = tallies.Of(*file);
  }
  EXPECT_EQ(tallies.Groups().size(), Tallies::kMostGroups + 1);
  EXPECT_TRUE(tallies.Groups().contains("other"));
}

TEST(LagClockTest, SaysHowLongTheOldestByteHasWaitedAtLeast) {
  LagClock clock;
  MonoTime now = MonoTime{} + std::chrono::hours(1);
  source::FileView file;
  file.path = "/x";
  file.generations.push_back({.location = "/x", .inode = 1, .read = 10, .committed = 10, .size = 10});
  const auto look = [&](uint64_t committed, uint64_t size) {
    file.generations.front().committed = committed;
    file.generations.front().size = size;
    const LagClock::Lag lag = clock.Look(file, now);
    clock.EndOfRound();
    now += std::chrono::seconds(10);
    return std::pair(lag.bytes, lag.seconds);
  };
  EXPECT_EQ(look(10, 10), std::pair(uint64_t{0}, 0.0));
  EXPECT_EQ(look(10, 20), std::pair(uint64_t{10}, 0.0));
  EXPECT_EQ(look(10, 30), std::pair(uint64_t{20}, 10.0));
  EXPECT_EQ(look(15, 40), std::pair(uint64_t{25}, 20.0));
  EXPECT_EQ(look(25, 40), std::pair(uint64_t{15}, 0.0));  // what was there first is settled
  EXPECT_EQ(look(25, 40), std::pair(uint64_t{15}, 10.0));
  EXPECT_EQ(look(40, 40), std::pair(uint64_t{0}, 0.0));
}

}  // namespace
}  // namespace agent::app
