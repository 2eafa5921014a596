// SPDX-License-Identifier: Apache-2.0
// The positions file: whole after a crash at any moment, never silently emptied, never
// shared, and no disk trouble stops more than itself.
#include "agent/source/positions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

#include "agent/core/log.h"
#include "tests/support/faulty_fs.h"
#include "tests/support/manual_clock.h"
#include "tests/support/mem_fs.h"

namespace agent::source {
namespace {

using namespace std::chrono_literals;
using testing::FaultyFs;
using testing::FsCall;
using testing::MemFs;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kFile = "/state/positions.yaml";
constexpr const char* kAside = "/state/positions.yaml.bad-1";

std::vector<SavedPosition> Files(uint64_t offset, int count = 3) {
  std::vector<SavedPosition> files;
  for (int i = 0; i < count; ++i) {
    SavedPosition saved;
    saved.job = "pods";
    saved.follows = saved.path = "/logs/" + std::to_string(i) + ".log";
    saved.identity = {1, static_cast<uint64_t>(100 + i), 5, FingerprintOf("begin")};
    saved.offset = offset;
    saved.size = offset + 7;
    saved.mark = {5, 77};
    files.push_back(saved);
  }
  return files;
}

// For one call: they do not outlive `files`.
std::vector<PositionView> Views(const std::vector<SavedPosition>& files) { return {files.begin(), files.end()}; }

class PositionsTest : public ::testing::Test {
 protected:
  PositionsTest() { mem_.MakeDirectories("/state"); }

  std::unique_ptr<Positions> Open(platform::Fs& fs) {
    auto opened = Positions::Open(fs, options_);
    if (!opened) ADD_FAILURE() << opened.error().what;
    return opened ? std::move(*opened) : nullptr;
  }
  // What a fresh start finds; UINT64_MAX: nothing.
  uint64_t Offset() {
    const auto positions = Open(mem_);
    if (positions == nullptr || positions->files().empty()) return UINT64_MAX;
    EXPECT_EQ(positions->files().size(), 3U);
    for (const SavedPosition& saved : positions->files()) EXPECT_EQ(saved.offset, positions->files()[0].offset);
    return positions->files()[0].offset;
  }

  testing::ManualClock clock_;
  MemFs mem_{clock_};
  FaultyFs faulty_{mem_};
  PositionsOptions options_{kFile, 1s, false};
};

TEST_F(PositionsTest, WhatWasSavedIsLoaded) {
  {
    const auto positions = Open(mem_);
    positions->SetCursor("cursor-journal", "s=1;i=2");
    ASSERT_TRUE(positions->Save(Views(Files(10)), {{"/old.log", "33"}}, 123, clock_.Now()));
  }
  const auto positions = Open(mem_);
  ASSERT_EQ(positions->files().size(), 3U);
  const SavedPosition& saved = positions->files()[1];
  EXPECT_EQ(saved.job, "pods");
  EXPECT_EQ(saved.path, "/logs/1.log");
  EXPECT_EQ(saved.identity.inode, 101U);
  EXPECT_EQ(saved.identity.born_ns, 5);
  EXPECT_EQ(saved.identity.head, FingerprintOf("begin"));
  EXPECT_EQ(saved.offset, 10U);
  EXPECT_EQ(saved.size, 17U);
  EXPECT_EQ(saved.mark.hash, 77U);
  EXPECT_EQ(positions->by_path().at("/old.log"), "33");
  EXPECT_EQ(positions->Cursor("cursor-journal"), "s=1;i=2");
  EXPECT_EQ(positions->seen_until_ns(), 123);
}

class PositionsCrash : public PositionsTest, public ::testing::WithParamInterface<MemFs::Lost> {};

// The machine or the process ends at every operation in turn.
TEST_P(PositionsCrash, LeavesTheOldFileOrTheNewOne) {
  LogCapture quiet;
  int crashes = 0;
  for (uint64_t at = 0;; ++at) {
    SCOPED_TRACE("operation " + std::to_string(at));
    MemFs mem(clock_);
    mem.MakeDirectories("/state");
    mem.SyncAll();
    FaultyFs faulty(mem);
    bool saved = false;
    {
      const auto positions = Open(faulty);
      ASSERT_TRUE(positions->Save(Views(Files(10)), {}, 1, clock_.Now()));
      faulty.CrashAt(faulty.calls() + at);
      saved = positions->Save(Views(Files(20)), {}, 2, clock_.Now());
    }
    const bool crashed = faulty.crashed();
    mem.Crash(GetParam());
    const auto after = Positions::Open(mem, options_);
    ASSERT_TRUE(after.has_value()) << after.error().what;
    ASSERT_EQ((*after)->files().size(), 3U);
    const uint64_t found = (*after)->files()[0].offset;
    EXPECT_TRUE(found == 10 || found == 20) << found;
    EXPECT_TRUE(!saved || found == 20) << "it was said to be saved";
    EXPECT_EQ((*after)->seen_until_ns(), found / 10);
    EXPECT_FALSE(mem.Exists(kAside));
    // And life goes on.
    EXPECT_TRUE((*after)->Save(Views(Files(30)), {}, 3, clock_.Now()));
    if (!crashed) break;
    ++crashes;
  }
  EXPECT_GE(crashes, 5);  // open, write, sync, rename, sync of the directory
}

INSTANTIATE_TEST_SUITE_P(Of, PositionsCrash,
                         ::testing::Values(MemFs::Lost::kNothing, MemFs::Lost::kUnsyncedContent,
                                           MemFs::Lost::kUnsynced));

TEST_F(PositionsTest, TornAnywhereItIsSetAsideAndReported) {
  ASSERT_TRUE(Open(mem_)->Save(Views(Files(10)), {}, 1, clock_.Now()));
  const std::string whole = mem_.Content(kFile);
  for (size_t length = 1; length + 1 < whole.size(); ++length) {
    SCOPED_TRACE(whole.substr(0, length));
    mem_.Overwrite(kFile, whole.substr(0, length));
    LogCapture log;
    const auto positions = Open(mem_);
    EXPECT_TRUE(positions->files().empty());
    EXPECT_TRUE(positions->by_path().empty());
    ASSERT_TRUE(mem_.Exists(kAside));
    EXPECT_EQ(mem_.Content(kAside), whole.substr(0, length));
    EXPECT_THAT(log.text(), HasSubstr("set aside"));
    mem_.Unlink(kAside);
  }
}

// One failed call at the start set the whole file aside, and every line was sent again.
TEST_F(PositionsTest, AnErrorThatPassesIsNoDamage) {
  ASSERT_TRUE(Open(mem_)->Save(Views(Files(10)), {}, 1, clock_.Now()));
  for (const FsCall call : {FsCall::kStat, FsCall::kOpenRead, FsCall::kRead}) {
    bool failed = false;
    faulty_.set_before([&](FsCall made, const std::string& path) {
      if (made != call) return;
      faulty_.Heal();
      if (path == kFile && !std::exchange(failed, true)) faulty_.FailAlways(call, EIO);
    });
    EXPECT_EQ(Open(faulty_)->files().size(), 3U) << static_cast<int>(call);
    EXPECT_TRUE(failed);
    EXPECT_FALSE(mem_.Exists(kAside));
  }
}

TEST_F(PositionsTest, ADamagedByteIsFound) {
  ASSERT_TRUE(Open(mem_)->Save(Views(Files(10)), {}, 1, clock_.Now()));
  std::string text = mem_.Content(kFile);
  const size_t digit = text.find("at=10");
  ASSERT_NE(digit, std::string::npos);
  text[digit + 3] = '9';
  mem_.Overwrite(kFile, text);
  LogCapture log;
  const auto positions = Open(mem_);
  EXPECT_THAT(log.text(), HasSubstr("positions.yaml"));
  for (const SavedPosition& saved : positions->files()) EXPECT_EQ(saved.offset, 10U);
}

TEST_F(PositionsTest, AFileFromTheFutureIsLeftAlone) {
  mem_.Append(kFile, "# Sluice positions 2: what may this be?\npositions: {}\n#@ end 0\n");
  const std::string before = mem_.Content(kFile);
  const auto opened = Positions::Open(mem_, options_);
  ASSERT_FALSE(opened.has_value());
  EXPECT_THAT(opened.error().what, HasSubstr("newer"));
  EXPECT_EQ(mem_.Content(kFile), before);
}

TEST_F(PositionsTest, ASecondAgentIsRefused) {
  auto first = Open(mem_);
  const auto second = Positions::Open(mem_, options_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Code::kConfig);
  EXPECT_THAT(second.error().what, HasSubstr("another agent is using the positions file /state/positions.yaml"));
  EXPECT_THAT(second.error().what, HasSubstr("positions.filename"));
  first.reset();
  EXPECT_NE(Open(mem_), nullptr);
}

TEST_F(PositionsTest, ADamagedFileThatCannotBeMovedIsNotOverwritten) {
  mem_.Append(kFile, "{ this is no positions file");
  const std::string before = mem_.Content(kFile);
  LogCapture log;
  faulty_.FailAlways(FsCall::kRename, EROFS);
  const auto positions = Open(faulty_);
  EXPECT_FALSE(positions->Save(Views(Files(10)), {}, 1, clock_.Now()));
  EXPECT_EQ(mem_.Content(kFile), before);
  faulty_.Heal();
  EXPECT_TRUE(positions->Save(Views(Files(10)), {}, 1, clock_.Now() + 1h));
  EXPECT_EQ(mem_.Content(kAside), before);
}

struct Trouble {
  FsCall call;
  int sys_errno;
};
class PositionsTrouble : public PositionsTest, public ::testing::WithParamInterface<Trouble> {};

TEST_P(PositionsTrouble, IsReportedOnceAndTriedAgain) {
  auto positions = Open(faulty_);
  ASSERT_TRUE(positions->Save(Views(Files(10)), {}, 1, clock_.Now()));
  const MonoTime saved_at = positions->saved_at();
  LogCapture log;
  faulty_.FailAlways(GetParam().call, GetParam().sys_errno);
  uint64_t tries = 0;
  for (int second = 0; second < 300; ++second) {
    clock_.Advance(1s);
    const uint64_t calls = faulty_.calls();
    EXPECT_FALSE(positions->Save(Views(Files(20)), {}, 2, clock_.Now()));
    tries += faulty_.calls() != calls;
  }
  EXPECT_GE(tries, 10U);
  EXPECT_LE(tries, 20U);  // less and less often
  EXPECT_FALSE(positions->trouble().empty());
  EXPECT_EQ(positions->saved_at(), saved_at);
  const size_t first = log.text().find("cannot write the positions file");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(log.text().find("cannot write the positions file", first + 1), std::string::npos);
  EXPECT_FALSE(mem_.Exists("/state/.positions.yaml.tmp"));  // it might hold the space that is missing
  faulty_.Heal();
  clock_.Advance(31s);
  EXPECT_TRUE(positions->Save(Views(Files(30)), {}, 3, clock_.Now()));
  EXPECT_THAT(log.text(), HasSubstr("can be written again"));
  positions.reset();
  EXPECT_EQ(Offset(), 30U);
}

INSTANTIATE_TEST_SUITE_P(Of, PositionsTrouble,
                         ::testing::Values(Trouble{FsCall::kOpenWrite, EROFS}, Trouble{FsCall::kOpenWrite, ENOSPC},
                                           Trouble{FsCall::kWrite, ENOSPC}, Trouble{FsCall::kWrite, EIO},
                                           Trouble{FsCall::kSync, EIO}, Trouble{FsCall::kRename, EROFS},
                                           Trouble{FsCall::kSyncDirectory, EIO}));

TEST_F(PositionsTest, AWriteThatStopsInTheMiddleLeavesTheOldFile) {
  auto positions = Open(faulty_);
  ASSERT_TRUE(positions->Save(Views(Files(10)), {}, 1, clock_.Now()));
  LogCapture quiet;
  faulty_.set_space(100);
  EXPECT_FALSE(positions->Save(Views(Files(20)), {}, 2, clock_.Now() + 1h));
  positions.reset();
  EXPECT_EQ(Offset(), 10U);
}

}  // namespace
}  // namespace agent::source
