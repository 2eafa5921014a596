// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/tail.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <string>
#include <thread>

namespace agent::admin {
namespace {

// A lane's records of one batch, with what they point to.
class Lane {
 public:
  Record* Add(const LabelMap& labels, std::string_view line, WallNanos time = 1) {
    Record* record = batch_.Append();
    record->labels = interner_.Intern(labels);
    record->line = batch_.arena().Copy(line);
    record->time = time;
    return record;
  }
  void OfferTo(TailHub& hub) { hub.Offer(batch_.records()); }
  RecordBatch& batch() { return batch_; }

 private:
  LabelInterner interner_;
  RecordBatch batch_;
};

std::string Drained(TailHub::Watcher& watcher) {
  std::vector<TailLine> lines;
  uint64_t skipped = 0;
  watcher.Drain(lines, skipped);
  std::string out;
  for (const TailLine& line : lines) out += line.line + (line.cut ? "~" : "") + ";";
  return skipped == 0 ? out : out + " skipped " + std::to_string(skipped);
}

TEST(TailHub, FiltersByLabelsAndText) {
  const LabelMap web = {{"namespace", "shop"}, {"pod", "web-1"}, {"stream", "stdout"}};
  const LabelMap db = {{"namespace", "shop"}, {"pod", "db-0"}, {"stream", "stderr"}};
  const LabelMap file = {{"filename", "/var/log/x.log"}};
  const struct {
    TailFilter filter;
    const char* seen;
  } kRows[] = {
      {{}, "GET /;error: Disk;plain;"},
      {{.ns = "shop"}, "GET /;error: Disk;"},
      {{.ns = "other"}, ""},
      {{.ns = "shop", .pod = "db-0"}, "error: Disk;"},
      {{.pod = "web-1"}, "GET /;"},
      {{.labels = {{"stream", "stderr"}}}, "error: Disk;"},
      {{.labels = {{"stream", "stderr"}, {"pod", "web-1"}}}, ""},
      {{.labels = {{"missing", ""}}}, ""},
      {{.text = "dISK"}, "error: Disk;"},
      {{.text = "nowhere"}, ""},
      {{.grep = "^[A-Z]+ /"}, "GET /;"},
      {{.text = "get", .grep = "^e"}, ""},
  };
  for (const auto& row : kRows) {
    TailHub hub;
    Lane lane;
    lane.Add(web, "GET /");
    lane.Add(db, "error: Disk");
    lane.Add(file, "plain");
    const auto watcher = hub.Watch(row.filter);
    ASSERT_TRUE(watcher);
    lane.OfferTo(hub);
    EXPECT_EQ(Drained(**watcher), row.seen);
    EXPECT_EQ(Drained(**watcher), "") << "a line is handed over once";
  }
}

TEST(TailHub, HandsOverEverythingOfALine) {
  TailHub hub;
  Lane lane;
  Record* record = lane.Add({{"a", "x"}}, std::string(TailHub::kLongestLine + 1, 'l'), 42);
  AppendMetadata(lane.batch().arena(), *record, "trace_id", "t1");
  const auto watcher = hub.Watch({});
  lane.OfferTo(hub);
  std::vector<TailLine> lines;
  uint64_t skipped = 0;
  (*watcher)->Drain(lines, skipped);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].time, 42);
  EXPECT_EQ(lines[0].labels, (LabelMap{{"a", "x"}}));
  EXPECT_EQ(lines[0].metadata, (std::vector<std::pair<std::string, std::string>>{{"trace_id", "t1"}}));
  EXPECT_EQ(lines[0].line.size(), TailHub::kLongestLine);
  EXPECT_TRUE(lines[0].cut);
}

TEST(TailHub, KeepsABoundedNumberOfLinesAndCountsTheRest) {
  TailHub hub;
  Lane lane;
  for (size_t i = 0; i < TailHub::kKeptLines + 7; ++i) lane.Add({{"a", "x"}}, "l");
  const auto watcher = hub.Watch({});
  lane.OfferTo(hub);
  std::vector<TailLine> lines;
  uint64_t skipped = 0;
  (*watcher)->Drain(lines, skipped);
  EXPECT_EQ(lines.size(), TailHub::kKeptLines);
  EXPECT_EQ(skipped, 7U);
}

TEST(TailHub, KeepsABoundedNumberOfBytes) {
  TailHub hub;
  Lane lane;
  const size_t fit = TailHub::kKeptBytes / TailHub::kLongestLine;
  for (size_t i = 0; i < fit + 3; ++i) lane.Add({{"a", "x"}}, std::string(TailHub::kLongestLine, 'l'));
  const auto watcher = hub.Watch({});
  lane.OfferTo(hub);
  std::vector<TailLine> lines;
  uint64_t skipped = 0;
  (*watcher)->Drain(lines, skipped);
  EXPECT_EQ(lines.size(), fit);
  EXPECT_EQ(skipped, 3U);
}

TEST(TailHub, AWatcherThatIsNotDrainedStopsLooking) {
  TailHub hub;
  Lane lane;
  for (int i = 0; i < 100; ++i) lane.Add({{"a", "x"}}, "other");
  const auto watcher = hub.Watch({.text = "wanted"});
  for (int64_t i = 0; i < TailHub::kExaminedPerDrain / 100; ++i) lane.OfferTo(hub);
  EXPECT_EQ(Drained(**watcher), "");
  for (int64_t i = 0; i <= TailHub::kExaminedPerDrain / 100; ++i) lane.OfferTo(hub);
  EXPECT_EQ(Drained(**watcher), " skipped 100");
}

TEST(TailHub, CountsItsWatchers) {
  TailHub hub;
  EXPECT_FALSE(hub.Wanted());
  std::vector<std::shared_ptr<TailHub::Watcher>> watchers;
  for (size_t i = 0; i < TailHub::kMostWatchers; ++i) watchers.push_back(*hub.Watch({}));
  EXPECT_TRUE(hub.Wanted());
  const auto refused = hub.Watch({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kLimit);
  watchers.pop_back();
  EXPECT_TRUE(hub.Watch({})) << "a place has become free";
  watchers.clear();
  EXPECT_FALSE(hub.Wanted());
}

TEST(TailHub, RefusesABadExpression) {
  TailHub hub;
  const auto refused = hub.Watch({.grep = "a("});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConfig);
  EXPECT_TRUE(refused.error().what.starts_with("`a(` is not a regular expression: ")) << refused.error().what;
  EXPECT_FALSE(hub.Wanted());
}

TEST(TailHub, AWatcherMayOutliveTheHub) {
  auto hub = std::make_unique<TailHub>();
  const auto watcher = hub->Watch({});
  Lane lane;
  lane.Add({{"a", "x"}}, "last");
  lane.OfferTo(*hub);
  hub.reset();
  EXPECT_EQ(Drained(**watcher), "last;");
}

TEST(TailHub, LanesAndWatchersMayRunAtOnce) {
  constexpr uint64_t kLanes = 2;
  constexpr uint64_t kOffers = 300;
  constexpr uint64_t kRecords = 20;
  TailHub hub;
  const auto always = hub.Watch({});
  std::atomic<uint64_t> running{kLanes};
  std::vector<std::jthread> lanes;
  for (uint64_t t = 0; t < kLanes; ++t) {
    lanes.emplace_back([&hub, &running] {
      Lane lane;
      for (uint64_t i = 0; i < kRecords; ++i) lane.Add({{"a", "x"}}, "line");
      for (uint64_t i = 0; i < kOffers; ++i) lane.OfferTo(hub);
      --running;
    });
  }
  std::vector<TailLine> lines;
  uint64_t skipped = 0;
  uint64_t seen = 0;
  const auto drain = [&](TailHub::Watcher& watcher) {
    watcher.Drain(lines, skipped);
    return lines.size() + skipped;
  };
  while (running > 0) {
    const auto brief = hub.Watch({});  // comes and goes while lanes offer
    drain(**brief);
    seen += drain(**always);
  }
  lanes.clear();
  seen += drain(**always);
  EXPECT_EQ(seen, kLanes * kOffers * kRecords) << "every line is shown or counted as skipped";
}

}  // namespace
}  // namespace agent::admin
