// SPDX-License-Identifier: Apache-2.0
// Past the budget of deleted bytes while the disk cannot tell whether an archive has them. What
// was given up then, and was in an archive after all, was counted as lost, and later the whole
// archive was read as a new file.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "tests/source/tailer_world.h"

namespace agent::source {
namespace {

using namespace std::chrono_literals;

class TailerGivenUp : public ::testing::TestWithParam<bool>, protected TailerWorld {
 protected:
  static constexpr const char* kLog = "/logs/0.log";
  static constexpr const char* kOld = "/logs/0.log.20240101-000000";

  TailerGivenUp() { options.pinned_bytes = 1500; }

  void Write(int lines) {
    for (int i = 0; i < lines; ++i) {
      written.push_back("line " + std::to_string(1000 + written.size()));  // 10 bytes with its end
      mem.Append(kLog, written.back() + "\n");
    }
  }
  // 2,000 bytes, of which 500 were read if so wished, and rotated.
  void WriteAndRotate(bool begun) {
    AddTarget("/logs/*.log");
    if (begun) Write(50);
    Start();
    if (begun) Step();
    Write(begun ? 150 : 200);
    PassUnread(300ms);
    mem.Move(kLog, kOld);
    Write(1);
    PassUnread(1s);
  }
  void Pack() {
    mem.Append(std::string(kOld) + ".gz", Gzip(mem.Content(kOld)));
    mem.Unlink(kOld);
  }
  // Loki is away, and the memory is full: the lane reads nothing.
  void PassUnread(Duration time) {
    const MonoTime end = clock.Now() + time;
    while (clock.Now() < end) {
      tailer->HandleEvents(clock.Now());
      tailer->Tick(clock.Now());
      clock.Advance(250ms);
    }
  }
  void BreakTheDisk() {
    faulty.FailAlways(testing::FsCall::kList, EMFILE);
    faulty.FailAlways(testing::FsCall::kOpenRead, EMFILE);
  }

  Strings written;
};

// The kubelet was at it, or there were no descriptors for a moment.
TEST_P(TailerGivenUp, NotBeforeTheDiskCanTell) {
  WriteAndRotate(GetParam());
  LogCapture quiet;
  BreakTheDisk();
  Pack();
  PassUnread(3s);
  EXPECT_EQ(tailer->pinned_bytes(), 2000U);
  faulty.Heal();
  PassUnread(2s);
  EXPECT_EQ(tailer->pinned_bytes(), 0U);
  Pass(120s);
  EXPECT_EQ(Lines(), written);
  EXPECT_EQ(losses.bytes(), 0U);
}

TEST_P(TailerGivenUp, WhatAnArchiveHasAfterAllIsReadOnThere) {
  const bool killed = GetParam();
  WriteAndRotate(true);
  LogCapture quiet;
  BreakTheDisk();
  Pack();
  PassUnread(10s);
  EXPECT_EQ(tailer->pinned_bytes(), 0U);
  EXPECT_EQ(losses.bytes(), 0U);  // nobody knows yet
  if (killed) {
    tailer->Save(clock.Now());
    Kill();
    faulty.Heal();
    Start();
  }
  faulty.Heal();
  PassUnread(2s);
  Pass(120s);
  Strings lines = Lines();
  if (!killed) {  // the new file did not wait
    std::sort(lines.begin(), lines.end());
    EXPECT_EQ(Lines().back(), written[written.size() - 2]);
  }
  EXPECT_EQ(lines, written);
  EXPECT_EQ(losses.bytes(), 0U);
  Restart();
  Pass(120s);
  EXPECT_EQ(Lines().size(), written.size());
}

// All of it had been read when it was given up; only the answer was missing.
TEST_P(TailerGivenUp, AnArchiveOfWhatWasReadIsKnown) {
  const bool killed = GetParam();
  AddTarget("/logs/*.log");
  Write(200);
  Start();
  acknowledge = false;
  Step();
  mem.Move(kLog, kOld);
  Write(1);
  PassUnread(1s);
  LogCapture quiet;
  BreakTheDisk();
  Pack();
  PassUnread(10s);
  EXPECT_EQ(tailer->pinned_bytes(), 0U);
  faulty.Heal();
  if (killed) {
    tailer->Save(clock.Now());
    Kill();
    arrived.clear();
    acknowledge = true;
    Start();
  }
  acknowledge = true;
  Pass(120s);
  EXPECT_EQ(Lines(), written);
  EXPECT_EQ(losses.bytes(), 0U);
}

TEST_P(TailerGivenUp, WhatNoArchiveHasIsCountedWhenTheDiskCanTell) {
  WriteAndRotate(GetParam());
  LogCapture quiet;
  BreakTheDisk();
  mem.Unlink(kOld);
  PassUnread(10s);
  EXPECT_EQ(tailer->pinned_bytes(), 0U);
  EXPECT_EQ(losses.bytes(), 0U);
  faulty.Heal();
  Pass(30s);
  EXPECT_EQ(losses.bytes(), GetParam() ? 1500U : 2000U);
  ASSERT_EQ(losses.losses.size(), 1U);
  EXPECT_EQ(losses.losses[0].reason, LossReason::kPinnedBudget);
  EXPECT_EQ(Lines().size(), GetParam() ? 51U : 1U);
}

INSTANTIATE_TEST_SUITE_P(Stories, TailerGivenUp, ::testing::Bool());

class TailerOutage : public ::testing::Test, protected TailerWorld {};

// An hour without Loki leaves thousands of deleted files behind. All of them were looked at once a
// second, four times after each rotation; events tell what changes.
TEST_F(TailerOutage, OldFilesThatWaitAreLookedAtSeldom) {
  constexpr int kFiles = 200;
  const std::string log = "/logs/0.log";
  AddTarget("/logs/*.log");
  Start();
  std::shared_ptr<testing::MemFs::Handle> writer;
  Strings written;
  for (int i = 0; i < kFiles; ++i) {
    written.push_back(std::to_string(i));
    mem.Append(log, written.back() + "\n");
    tailer->HandleEvents(clock.Now());
    const std::string old = log + ".20240101-" + std::to_string(100000 + i);
    mem.Move(log, old);
    tailer->HandleEvents(clock.Now());
    if (i + 1 < kFiles) mem.Unlink(old);
    else writer = mem.OpenToAppend(old);
  }
  mem.Append(log, "new\n");
  PassUnread(30s);
  int looks = 0;
  faulty.set_before([&](testing::FsCall call, const std::string&) { looks += call == testing::FsCall::kFileStat ? 1 : 0; });
  PassUnread(60s);
  EXPECT_LT(looks, 60 / 5 * (kFiles + 2) + 100);
  EXPECT_GT(looks, 60 / 5 * (kFiles + 2) / 2);
  faulty.set_before(nullptr);
  mem.Append(writer, "late\n");  // in a file that counts as complete, and is seen at once
  mem.Unlink(log + ".20240101-" + std::to_string(100000 + kFiles - 1));
  PassUnread(1s);
  EXPECT_GT(tailer->pinned_bytes(), 0U);
  Pass(30s);
  written.push_back("late");
  written.push_back("new");
  EXPECT_EQ(Lines(), written);
}

// They were settled between two of these looks, and closed without what had come meanwhile.
TEST_F(TailerOutage, NothingIsClosedWithoutALastLook) {
  constexpr int kFiles = 8;
  const auto log = [](int i) { return "/logs/" + std::to_string(i) + ".log"; };
  const auto wait = [&](int ticks) {
    for (int i = 0; i < ticks; ++i) {
      clock.Advance(500ms);
      tailer->Tick(clock.Now());
    }
  };
  AddTarget("/logs/*.log");
  Start();
  std::vector<std::shared_ptr<testing::MemFs::Handle>> writers;
  for (int i = 0; i < kFiles; ++i) {  // not all are due at once
    mem.Append(log(i), "1\n");
    writers.push_back(mem.OpenToAppend(log(i)));
    tailer->HandleEvents(clock.Now());
    mem.Move(log(i), log(i) + ".1");
    mem.Append(log(i), "2\n");
    tailer->HandleEvents(clock.Now());
    wait(3);
  }
  wait(60);
  lane->Read(clock.Now());
  for (int i = 0; i < kFiles; ++i) {
    mem.Append(writers[static_cast<size_t>(i)], "late\n");
    mem.Unlink(log(i) + ".1");
  }
  lane->AcknowledgeAll();
  wait(2);  // before the events
  Pass(10s);
  const Strings lines = Lines();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "late"), kFiles);
}

}  // namespace
}  // namespace agent::source
