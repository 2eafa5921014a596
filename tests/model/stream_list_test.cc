// SPDX-License-Identifier: Apache-2.0
#include "agent/model/stream_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace agent {
namespace {

constexpr MonoTime kStart = MonoTime(std::chrono::hours(100));

std::shared_ptr<StreamUse> Use(int number) { return std::make_shared<StreamUse>("{n=\"" + std::to_string(number) + "\"}"); }

std::vector<std::string> Names(const StreamList& list, MonoTime now) {
  uint64_t others = 0;
  std::vector<std::string> names;
  for (const StreamList::Row& row : list.Named(now, others)) names.push_back(row.use->labels);
  std::ranges::sort(names);
  return names;
}

TEST(StreamList, TheSameLabelsAreCountedTogether) {
  StreamList list;
  const auto first = list.Join(Use(1), kStart);
  first->lines += 3;
  const auto again = list.Join(Use(1), kStart);  // another lane's
  EXPECT_EQ(first, again);
  EXPECT_NE(first, list.Join(Use(2), kStart));
  EXPECT_EQ(Names(list, kStart), (std::vector<std::string>{"{n=\"1\"}", "{n=\"2\"}"}));
}

TEST(StreamList, AStreamOfTwoPodsStandsInBothLists) {
  StreamList one;
  StreamList two;
  const auto use = one.Join(Use(1), kStart);
  EXPECT_EQ(two.Join(use, kStart), use);
  EXPECT_EQ(Names(two, kStart).size(), 1u);
}

TEST(StreamList, WhatIsOlderThanTheWindowIsNotShown) {
  StreamList list;
  list.Join(Use(1), kStart);
  list.Join(Use(2), kStart + std::chrono::minutes(59));
  EXPECT_EQ(list.Count(kStart + std::chrono::minutes(60)), 2u);
  EXPECT_EQ(Names(list, kStart + std::chrono::minutes(61)), (std::vector<std::string>{"{n=\"2\"}"}));
  list.Join(Use(1), kStart + std::chrono::minutes(61));
  EXPECT_EQ(list.Count(kStart + std::chrono::minutes(62)), 2u);
}

TEST(StreamList, ItsSizeIsBoundedAndTheRestIsCounted) {
  StreamList list;
  for (int i = 0; i < 5000; ++i) list.Join(Use(i), kStart);
  uint64_t others = 0;
  EXPECT_EQ(list.Named(kStart, others).size(), StreamList::kMostNamed);
  EXPECT_EQ(others, StreamList::kMostCounted);
  EXPECT_EQ(list.Count(kStart), StreamList::kMostNamed + StreamList::kMostCounted);
  // Those of an hour ago make room.
  const MonoTime later = kStart + std::chrono::hours(2);
  for (int i = 10'000; i < 10'003; ++i) list.Join(Use(i), later);
  EXPECT_EQ(Names(list, later), (std::vector<std::string>{"{n=\"10000\"}", "{n=\"10001\"}", "{n=\"10002\"}"}));
  EXPECT_EQ(list.Count(later), 3u);
}

TEST(StreamList, OneThatWasOnlyCountedGetsANameWhenThereIsRoom) {
  StreamList list;
  for (int i = 0; i < 60; ++i) list.Join(Use(i), kStart);
  uint64_t others = 0;
  (void)list.Named(kStart, others);
  EXPECT_EQ(others, 10u);
  const MonoTime later = kStart + std::chrono::minutes(50);
  for (int i = 50; i < 60; ++i) list.Join(Use(i), later);  // still no room
  const MonoTime last = kStart + std::chrono::minutes(70);
  list.Join(Use(100), last);
  for (int i = 50; i < 60; ++i) list.Join(Use(i), last);
  EXPECT_EQ(list.Named(last, others).size(), 11u);
  EXPECT_EQ(others, 0u);
}

}  // namespace
}  // namespace agent
