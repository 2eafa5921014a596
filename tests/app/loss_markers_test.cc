// SPDX-License-Identifier: Apache-2.0
#include "agent/app/loss_markers.h"

#include <gtest/gtest.h>

#include "agent/model/tailed_file.h"

namespace agent::app {
namespace {

using namespace std::chrono_literals;

class LossMarkersTest : public ::testing::Test {
 protected:
  LossMarkersTest() {
    for (const char* pod : {"a", "b"}) {
      auto file = std::make_shared<TailedFile>();
      file->labels = {{"namespace", "shop"}, {"pod", pod}};
      batch.files.push_back(std::move(file));
    }
  }
  static std::string StreamOf(const std::string& pod, const std::string& more = "") {
    return "{namespace=\"shop\", pod=\"" + pod + "\"" + more + "}";
  }
  void Refuse(const std::string& stream, uint64_t lines, const std::string& tenant = "") {
    markers.Refused(batch, {"too_far_behind", stream, "Loki's sentence", lines, lines * 10}, tenant, now);
  }

  struct Said {
    LabelMap labels;
    std::string line;
  };
  std::vector<Said> said;
  LossMarkers markers{[this](LabelMap labels, std::string line) { said.push_back({std::move(labels), std::move(line)}); }};
  PushBatch batch;
  MonoTime now{1h};
};

TEST_F(LossMarkersTest, UnreadBytesAndRefusedLinesAreSaidOnceAMinute) {
  const LabelMap labels = batch.files[0]->labels;
  markers.Unread(labels, "/p/0.log", "pinned_budget", 100, now);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0].line, "sluice: 100 bytes of /p/0.log were lost before they were read (pinned_budget)");
  EXPECT_EQ(said[0].labels, (LabelMap{{"namespace", "shop"}, {"pod", "a"}, {"sluice_marker", "loss"}}));
  Refuse(StreamOf("a", ", stream=\"stdout\""), 2);
  Refuse(StreamOf("a", ", stream=\"stdout\""), 1);
  markers.Unread(labels, "/p/0.log", "pinned_budget", 50, now);
  now += 59s;
  markers.Tick(now);
  EXPECT_EQ(said.size(), 1U);
  now += 1s;
  markers.Tick(now);
  ASSERT_EQ(said.size(), 2U);
  EXPECT_EQ(said[1].line,
            "sluice: 50 bytes of /p/0.log were lost before they were read (pinned_budget); 3 lines (30 bytes) of "
            "{namespace=\"shop\", pod=\"a\", stream=\"stdout\"} were refused for good (too_far_behind)");
  now += 10min;
  markers.Tick(now);
  EXPECT_EQ(said.size(), 2U);
  Refuse(StreamOf("a", ", stream=\"stdout\""), 1);
  EXPECT_EQ(said.size(), 3U);
}

TEST_F(LossMarkersTest, TheMarkerGoesToThePodWhoseLinesWereRefused) {
  Refuse(StreamOf("b", ", level=\"warn\""), 1);
  Refuse(StreamOf("a"), 1);
  ASSERT_EQ(said.size(), 2U);
  EXPECT_EQ(said[0].labels.at("pod"), "b");
  EXPECT_EQ(said[1].labels.at("pod"), "a");
  EXPECT_EQ(said[0].labels.count("level"), 0U);
}

TEST_F(LossMarkersTest, NeverAMarkerAboutAMarker) {
  Refuse(StreamOf("a"), 1);
  ASSERT_EQ(said.size(), 1U);
  const std::string own = FormatLabels(said[0].labels);
  for (int i = 0; i < 100; ++i) {
    now += 1min;
    Refuse(own, 1);
    markers.Tick(now);
  }
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(LossMarkersTest, AWholeBatchIsMarkedOnlyIfItIsOfOneFile) {
  Refuse("", 5);
  EXPECT_TRUE(said.empty());
  batch.files.pop_back();
  Refuse("", 5);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0].line, "sluice: 5 lines (50 bytes) were refused for good (too_far_behind)");
}

TEST_F(LossMarkersTest, ATenantOfTheLinesOwnIsTheMarkersToo) {
  Refuse(StreamOf("a"), 1, "team-a");
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0].labels.at("__tenant_id__"), "team-a");
}

TEST_F(LossMarkersTest, ManyKindsOfLossesAndManyPodsStayBounded) {
  const LabelMap labels = batch.files[0]->labels;
  for (int i = 0; i < 100; ++i) markers.Unread(labels, "/p/" + std::to_string(i), "pinned_budget", 1, now);
  now += 1min;
  markers.Tick(now);
  ASSERT_EQ(said.size(), 2U);
  EXPECT_NE(said[1].line.find("91 bytes were lost otherwise (see /api/ledger)"), std::string::npos) << said[1].line;
  said.clear();
  now += 1min;
  for (size_t i = 0; i < 2 * LossMarkers::kMostMarkers; ++i) {
    markers.Unread({{"pod", std::to_string(i)}}, "/p", "pinned_budget", 1, now);
  }
  EXPECT_LE(said.size(), LossMarkers::kMostMarkers);
  EXPECT_GT(said.size(), LossMarkers::kMostMarkers - 10);
  said.clear();
  now += 1min;  // others get their turn
  markers.Unread({{"pod", "late"}}, "/p", "pinned_budget", 1, now);
  EXPECT_EQ(said.size(), 1U);
}

}  // namespace
}  // namespace agent::app
