// SPDX-License-Identifier: Apache-2.0
// Rotation as a story each: what the writer did, and that every line arrived once and
// in order.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/source/tailer_world.h"

namespace agent::source {
namespace {

using namespace std::chrono_literals;

class TailerRotation : public ::testing::Test, protected TailerWorld {
 protected:
  void Follow(const std::string& glob = "/logs/*.log") {
    AddTarget(glob);
    Start();
    Step();
  }
};

TEST_F(TailerRotation, RenameAndCreate) {
  mem.Append("/logs/0.log", "1\n2\n");
  Follow();
  mem.Move("/logs/0.log", "/logs/0.log.20240101-000000");
  mem.Append("/logs/0.log.20240101-000000", "3\n");  // the writer has not reopened yet
  mem.Append("/logs/0.log", "4\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));
  Pass(30s);
  EXPECT_EQ(lane->open_files(), 1U);
}

TEST_F(TailerRotation, TheWriterGoesOnInTheRenamedFileUntilTheNewOneHasBytes) {
  mem.Append("/logs/0.log", "1\n");
  Follow();
  const auto writer = mem.OpenToAppend("/logs/0.log");
  mem.Move("/logs/0.log", "/logs/0.log.20240101-000000");
  mem.Append("/logs/0.log", "");  // created, still empty
  Pass(3s);
  mem.Append(writer, "2\n");
  Pass(3s);
  mem.Append(writer, "3");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
  mem.Append("/logs/0.log", "4\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));  // the unterminated line came first
}

TEST_F(TailerRotation, SeveralGenerationsQueueUpWhileNothingIsStored) {
  mem.Append("/logs/0.log", "a\n");
  Follow();
  acknowledge = false;
  for (int i = 1; i <= 4; ++i) {
    mem.Move("/logs/0.log", "/logs/0.log.2024010" + std::to_string(i) + "-000000");
    mem.Append("/logs/0.log", std::string(1, static_cast<char>('a' + i)) + "\n");
    Pass(2s);
  }
  EXPECT_EQ(Lines(), (Strings{"a", "b", "c", "d", "e"}));
  tailer->Save(clock.Now());
  Kill();
  arrived.clear();
  Start();
  acknowledge = true;
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"b", "c", "d", "e"}));  // "a" was stored
}

TEST_F(TailerRotation, TwoRotationsBetweenTwoLooks) {
  mem.Append("/logs/0.log", "1\n");
  Follow();
  mem.Move("/logs/0.log", "/logs/0.log.20240101-000000");
  mem.Append("/logs/0.log", "2\n");
  mem.Move("/logs/0.log", "/logs/0.log.20240102-000000");
  mem.Append("/logs/0.log", "3\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

TEST_F(TailerRotation, TwoFilesThatCameAndWentBeforeTheFirstLookAtEither) {
  mem.Append("/logs/0.log", "1\n");
  Follow();
  mem.Unlink("/logs/0.log");
  mem.Append("/logs/0.log", "2\n");
  mem.Move("/logs/0.log", "/logs/0.log.1");
  tailer->HandleEvents(clock.Now());
  mem.Append("/logs/0.log", "3\n");
  mem.Move("/logs/0.log.1", "/logs/0.log.2");
  mem.Move("/logs/0.log", "/logs/0.log.1");
  mem.Append("/logs/0.log", "4\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));
}

TEST_F(TailerRotation, AFileThatWasRotatedInANewDirectoryBeforeTheFirstLookAtIt) {
  mem.MakeDirectories("/logs/app");
  mem.Append("/logs/app/x.log", "1\n");
  Follow("/logs/app/x.log");
  mem.RemoveAll("/logs/app");
  mem.MakeDirectories("/logs/app");
  mem.Append("/logs/app/x.log", "2\n");
  mem.Move("/logs/app/x.log", "/logs/app/x.log.1");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
}

TEST_F(TailerRotation, AnEmptyFileThatWasDeletedHasNoArchive) {
  Follow();
  mem.Append("/logs/0.log", "1\n");
  mem.Move("/logs/0.log", "/logs/0.log.20240101-000000");
  mem.Append("/logs/0.log", "");
  Pass(100ms);
  mem.Unlink("/logs/0.log");
  mem.Append("/logs/0.log.20240101-000000.gz", Gzip("1\n"));
  mem.Unlink("/logs/0.log.20240101-000000");
  Pass(100s);
  EXPECT_EQ(Lines(), (Strings{"1"}));
}

TEST_F(TailerRotation, TwoRotationsThatNoEventTold) {
  mem.Append("/logs/0.log", "1\n");
  Follow();
  mem.set_max_queued_events(1);
  mem.Move("/logs/0.log", "/logs/0.log.20240101-000000");
  mem.Append("/logs/0.log", "2\n");
  mem.Move("/logs/0.log", "/logs/0.log.20240102-000000");
  mem.Append("/logs/0.log", "3\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

TEST_F(TailerRotation, NumericRotationShiftsAllNames) {
  mem.Append("/logs/app.log", "1\n");
  Follow("/logs/app.log*");
  for (int round = 2; round <= 4; ++round) {
    for (int i = round; i >= 1; --i) {
      const std::string from = "/logs/app.log" + (i == 1 ? "" : "." + std::to_string(i - 1));
      if (mem.Exists(from)) mem.Move(from, "/logs/app.log." + std::to_string(i));
    }
    mem.Append("/logs/app.log", std::to_string(round) + "\n");
    Pass(15s);
  }
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));  // the glob matches them all
  Restart();
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));
}

TEST_F(TailerRotation, ARenameThatIsUndone) {
  mem.Append("/logs/0.log", "1\n");
  Follow();
  mem.Move("/logs/0.log", "/logs/0.log.20240101-000000");
  Pass(1s);
  mem.Append("/logs/0.log.20240101-000000", "2\n");
  Pass(1s);
  mem.Move("/logs/0.log.20240101-000000", "/logs/0.log");
  mem.Append("/logs/0.log", "3\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

TEST_F(TailerRotation, ARenameThatIsUndoneAfterTheFileWasGivenUp) {
  mem.Append("/logs/0.log", "1\n");
  Follow();
  mem.Move("/logs/0.log", "/logs/0.log.20240101-000000");
  Pass(60s);
  mem.Move("/logs/0.log.20240101-000000", "/logs/0.log");
  mem.Append("/logs/0.log", "2\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
  mem.Append("/logs/0.log", "3\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

TEST_F(TailerRotation, BytesThatComeAfterTheFileWasGivenUp) {
  mem.Append("/logs/0.log", "1\n");
  Follow();
  const auto writer = mem.OpenToAppend("/logs/0.log");
  mem.Move("/logs/0.log", "/logs/0.log.20240101-000000");
  mem.Append("/logs/0.log", "2\n");
  Pass(60s);
  mem.Append(writer, "late\n");
  Pass(60s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "late"}));
}

TEST_F(TailerRotation, Truncation) {
  mem.Append("/logs/a.log", "1\n2\n");
  Follow();
  mem.Truncate("/logs/a.log", 0);
  mem.Append("/logs/a.log", "3\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
  EXPECT_EQ(losses.bytes(), 0U);
}

TEST_F(TailerRotation, TruncationOfTheOnlyFileOfAPolledDirectory) {
  inotify = false;
  mem.Append("/logs/a.log", "1\n2\n");
  Follow();
  mem.Truncate("/logs/a.log", 0);
  Pass(1s);
  mem.Append("/logs/a.log", "3\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

TEST_F(TailerRotation, TruncationAndMoreBytesThanBefore) {
  mem.Append("/logs/a.log", "1\n2\n");
  Follow();
  mem.Overwrite("/logs/a.log", "a longer line than before\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "a longer line than before"}));
}

TEST_F(TailerRotation, TruncationLosesWhatWasNotReadAndSaysHowMuch) {
  mem.Append("/logs/a.log", "1\n");
  Follow();
  mem.Append("/logs/a.log", "2\n3");
  tailer->HandleEvents(clock.Now());  // seen, but the lane has not read it
  mem.Overwrite("/logs/a.log", "4\n");
  Pass(3s);
  EXPECT_EQ(Lines(), (Strings{"1", "4"}));
  ASSERT_EQ(losses.losses.size(), 1U);
  EXPECT_EQ(losses.losses[0].bytes, 3U);
  EXPECT_EQ(losses.losses[0].reason, LossReason::kTruncated);
  EXPECT_EQ(losses.losses[0].path, "/logs/a.log");
}

TEST_F(TailerRotation, CopytruncateLosesNothingWhereTheCopyIs) {
  mem.Append("/logs/a.log", "1\n");
  Follow();
  mem.Append("/logs/a.log", "2\n3\n");
  mem.Append("/logs/a.log.1", mem.Content("/logs/a.log"));
  mem.Overwrite("/logs/a.log", "4\n");
  Pass(3s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));
  EXPECT_EQ(losses.bytes(), 0U);
}

TEST_F(TailerRotation, TheCopyOfCopytruncateIsNoNewFile) {
  mem.Append("/logs/a.log", "1\n2\n");
  Follow("/logs/a.log*");
  mem.Append("/logs/a.log.1", "");
  Step();
  mem.Append("/logs/a.log.1", "1\n");
  Pass(1s);
  mem.Append("/logs/a.log.1", "2\n");
  Pass(1s);
  mem.Truncate("/logs/a.log", 0);
  Pass(1s);
  mem.Append("/logs/a.log", "3\n");
  Pass(120s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
  Restart();
  Pass(20s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

TEST_F(TailerRotation, ADeletedFileIsReadToItsEnd) {
  mem.Append("/logs/a.log", "1\n");
  Follow();
  mem.Append("/logs/a.log", "2\n3");
  mem.Unlink("/logs/a.log");
  Pass(3s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
  Pass(10s);
  EXPECT_EQ(mem.open_handles(), 1U);  // the positions' lock
  EXPECT_EQ(State("/logs/a.log"), "unknown");
  EXPECT_EQ(mem.Content(kPositions).find("/logs/a.log"), std::string::npos);
}

TEST_F(TailerRotation, DeletedAndCreatedAgainWithTheSameInode) {
  positions_options.filename = "";  // its saves would take the number
  mem.Append("/logs/a.log", "1\n");
  Follow();
  const uint64_t inode = mem.InodeOf("/logs/a.log");
  mem.Unlink("/logs/a.log");
  Pass(30s);
  mem.Append("/logs/a.log", "1\n2\n");
  ASSERT_EQ(mem.InodeOf("/logs/a.log"), inode);
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "1", "2"}));
}

TEST_F(TailerRotation, AFileIsDeletedWhileNothingIsStored) {
  mem.Append("/logs/a.log", "1\n");
  Follow();
  acknowledge = false;
  mem.Append("/logs/a.log", "2\n");
  mem.Unlink("/logs/a.log");
  Pass(60s);
  EXPECT_EQ(tailer->pinned_bytes(), 4U);
  acknowledge = true;
  Pass(10s);
  EXPECT_EQ(tailer->pinned_bytes(), 0U);
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
}

TEST_F(TailerRotation, PastThePinnedBudgetTheOldestGoesFirst) {
  options.pinned_bytes = 10;
  for (const char* name : {"a", "b", "c"}) mem.Append(std::string("/logs/") + name + ".log", "12345\n");
  AddTarget("/logs/*.log");
  Start();
  tailer->HandleEvents(clock.Now());  // found, not read
  for (const char* name : {"a", "b", "c"}) {
    mem.Unlink(std::string("/logs/") + name + ".log");
    tailer->HandleEvents(clock.Now());
    tailer->Tick(clock.Now());
    clock.Advance(300ms);
  }
  tailer->Tick(clock.Now());
  Pass(20s);
  EXPECT_EQ(Lines(), (Strings{"12345"}));  // c
  ASSERT_EQ(losses.losses.size(), 2U);
  EXPECT_EQ(losses.losses[0].path, "/logs/a.log");
  EXPECT_EQ(losses.losses[0].bytes, 6U);
  EXPECT_EQ(losses.losses[0].reason, LossReason::kPinnedBudget);
  EXPECT_EQ(losses.losses[1].path, "/logs/b.log");
  EXPECT_EQ(mem.open_handles(), 1U);
}

// Loki is away, and the kubelet packs what it has rotated: the agent held more deleted files
// than it may, and gave up bytes that stood in archives beside them.
class TailerPinned : public TailerRotation, public ::testing::WithParamInterface<bool> {};

TEST_P(TailerPinned, WhatThePinnedBudgetCannotHoldIsReadOnInItsArchive) {
  const bool killed = GetParam();
  options.pinned_bytes = 20000;
  const std::string log = "/logs/0.log";
  Strings written;
  const auto write = [&] {
    for (int i = 0; i < 100; ++i) {
      written.push_back("line " + std::to_string(written.size()) + std::string(60, '.'));
      mem.Append(log, written.back() + "\n");
    }
  };
  const auto look = [&] {
    tailer->HandleEvents(clock.Now());
    tailer->Tick(clock.Now());
    clock.Advance(1s);
  };
  write();
  Follow();
  write();
  mem.Append(log, "line 2");  // a part of the file is read, and not stored: up to the middle of a line
  acknowledge = false;
  Step();
  mem.Append(log, "00\n");
  written.push_back("line 200");
  std::vector<std::string> names;
  for (int i = 0; i < 8; ++i) {
    names.push_back(log + ".20240101-00000" + std::to_string(i));
    mem.Move(log, names.back());
    write();
    look();
    if (i == 0) continue;
    const std::string& older = names[names.size() - 2];
    mem.Append(older + ".gz", Gzip(mem.Content(older)));
    mem.Unlink(older);
    look();
  }
  for (int i = 0; i < 5; ++i) look();
  EXPECT_LE(tailer->pinned_bytes(), 20000U);
  EXPECT_EQ(losses.bytes(), 0U);
  tailer->Save(clock.Now());
  if (killed) {
    Kill();
    arrived.clear();
    written.erase(written.begin(), written.begin() + 100);  // they were stored
    Start();
  }
  acknowledge = true;
  Pass(30s);
  EXPECT_EQ(Lines(), written);
  EXPECT_EQ(losses.bytes(), 0U);
  Restart();
  Pass(15s);
  EXPECT_EQ(Lines(), written);
}

INSTANTIATE_TEST_SUITE_P(Stories, TailerPinned, ::testing::Bool());

// The archives are gone, too, but not before they were pinned themselves.
TEST_F(TailerRotation, ArchivesThatAreDeletedCountAsPinned) {
  options.pinned_bytes = 1500;
  const std::string log = "/logs/0.log", old = log + ".20240101-000000";
  for (int i = 0; i < 100; ++i) mem.Append(log, "line " + std::to_string(1000 + i) + "\n");  // 1000 bytes
  AddTarget("/logs/*.log");
  Start();
  tailer->HandleEvents(clock.Now());  // found, not read
  const std::string archive = Gzip(mem.Content(log));
  ASSERT_LT(archive.size(), 700U);
  mem.Move(log, old);
  mem.Append(log, "new\n");
  mem.Append(old + ".gz", archive);
  mem.Unlink(old);
  const auto look = [&] {
    for (int i = 0; i < 3; ++i) {
      tailer->HandleEvents(clock.Now());
      tailer->Tick(clock.Now());
      clock.Advance(1s);
    }
  };
  look();
  EXPECT_EQ(tailer->pinned_bytes(), 0U);
  mem.Unlink(old + ".gz");
  look();
  EXPECT_EQ(tailer->pinned_bytes(), archive.size());
  options.pinned_bytes = 10;
  tailer->Reconfigure(options);
  look();
  Pass(10s);
  EXPECT_EQ(Lines(), (Strings{"new"}));
  ASSERT_EQ(losses.losses.size(), 1U);
  EXPECT_EQ(losses.losses[0].bytes, 1000U);  // as they would have been unpacked
  EXPECT_EQ(mem.open_handles(), 2U);  // the new file, and the lock
}

TEST_F(TailerRotation, GzipWhileTheFileIsBeingRead) {
  mem.Append("/logs/0.log", "1\n2\n");
  Follow();
  acknowledge = false;
  mem.Append("/logs/0.log", "3\n");
  const std::string all = mem.Content("/logs/0.log");
  mem.Move("/logs/0.log", "/logs/0.log.20240101-000000");
  mem.Append("/logs/0.log", "4\n");
  tailer->HandleEvents(clock.Now());
  mem.Append("/logs/0.log.20240101-000000.tmp", Gzip(all));
  mem.Move("/logs/0.log.20240101-000000.tmp", "/logs/0.log.20240101-000000.gz");
  mem.Unlink("/logs/0.log.20240101-000000");
  Pass(3s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));
  acknowledge = true;
  Pass(30s);
  Restart();
  Pass(3s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));
}

TEST_F(TailerRotation, ALateLineInAStoredFileThatIsPackedAtOnce) {
  mem.Append("/logs/0.log", "1\n");
  const auto writer = mem.OpenToAppend("/logs/0.log");
  Follow();
  mem.Move("/logs/0.log", "/logs/0.log.20240101-000000");
  mem.Append("/logs/0.log", "2\n");
  Pass(30s);
  EXPECT_EQ(lane->open_files(), 1U);  // the rotated one is settled
  mem.Append(writer, "late\n");
  mem.Append("/logs/0.log.20240101-000000.tmp", Gzip(mem.Content("/logs/0.log.20240101-000000")));
  mem.Move("/logs/0.log.20240101-000000.tmp", "/logs/0.log.20240101-000000.gz");
  mem.Unlink("/logs/0.log.20240101-000000");
  Pass(30s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "late"}));
  Restart();
  Pass(30s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "late"}));
}

TEST_F(TailerRotation, SymlinksAreFollowedAndTheirFilesRotate) {
  mem.MakeDirectories("/var/log/pods/ns_pod_uid/app");
  mem.MakeDirectories("/var/log/containers");
  mem.Append("/var/log/pods/ns_pod_uid/app/0.log", "1\n");
  mem.Symlink("/var/log/pods/ns_pod_uid/app/0.log", "/var/log/containers/pod_ns_app-id.log");
  Follow("/var/log/containers/*.log");
  mem.Append("/var/log/pods/ns_pod_uid/app/0.log", "2\n");
  Step();
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
  EXPECT_EQ(lane->lines()[0].path, "/var/log/containers/pod_ns_app-id.log");
  mem.Move("/var/log/pods/ns_pod_uid/app/0.log", "/var/log/pods/ns_pod_uid/app/0.log.20240101-000000");
  mem.Append("/var/log/pods/ns_pod_uid/app/0.log.20240101-000000", "3\n");
  mem.Append("/var/log/pods/ns_pod_uid/app/0.log", "4\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));
}

TEST_F(TailerRotation, ADanglingSymlinkIsReportedOnceAndAwaited) {
  mem.Symlink("/elsewhere/real.log", "/logs/link.log");
  LogCapture log;
  Follow();
  Pass(300s);
  const std::string text = log.text();
  const size_t first = text.find("cannot read a file");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(text.find("cannot read a file", first + 1), std::string::npos);
  mem.MakeDirectories("/elsewhere");
  mem.Append("/elsewhere/real.log", "hello\n");
  Pass(300s);
  EXPECT_EQ(Lines(), (Strings{"hello"}));
}

TEST_F(TailerRotation, AContainerRestarts) {
  mem.MakeDirectories("/var/log/pods/ns_pod_uid/app");
  mem.Append("/var/log/pods/ns_pod_uid/app/0.log", "1\nlast words");
  Follow("/var/log/pods/*/*/*.log");
  mem.Append("/var/log/pods/ns_pod_uid/app/1.log", "2\n");
  Pass(3s);
  EXPECT_EQ(Lines(), (Strings{"1", "last words", "2"}));
  Restart();
  Pass(15s);
  mem.Append("/var/log/pods/ns_pod_uid/app/1.log", "3\n");
  Pass(1s);
  mem.Append("/var/log/pods/ns_pod_uid/app/2.log", "4\n");
  mem.Move("/var/log/pods/ns_pod_uid/app/2.log", "/var/log/pods/ns_pod_uid/app/2.log.20240101-000000");
  mem.Append("/var/log/pods/ns_pod_uid/app/2.log", "5\n");
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"1", "last words", "2", "3", "4", "5"}));
}

TEST_F(TailerRotation, ARunThatWasKilledWithAllItsLinesUnstoredComesBeforeTheNext) {
  const std::string folder = "/var/log/pods/ns_pod_uid/app/";
  mem.MakeDirectories("/var/log/pods/ns_pod_uid/app");
  mem.Append(folder + "0.log", "1\n");
  mem.Move(folder + "0.log", folder + "0.log.20240101-000000");
  mem.Append(folder + "0.log", "2\n");
  mem.Append(folder + "1.log", "3\n");
  Follow("/var/log/pods/*/*/*.log");
  Pass(3s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
  mem.Append(folder + "1.log", "4\n");
  mem.Append(folder + "2.log", "5\n");
  tailer->HandleEvents(clock.Now());
  tailer->Save(clock.Now());
  Kill();
  clock.Advance(1s);
  Start();
  Pass(5s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4", "5"}));
}

// While the agent was down: the next run's rotated files are found as archives.
TEST_F(TailerRotation, ArchivesOfARunComeAfterTheLastRun) {
  const std::string folder = "/var/log/pods/ns_pod_uid/app/";
  mem.MakeDirectories("/var/log/pods/ns_pod_uid/app");
  mem.Append(folder + "1.log", "1\nlast words");
  Follow("/var/log/pods/*/*/*.log");
  mem.Append(folder + "2.log", "2\n");
  mem.Move(folder + "2.log", folder + "2.log.20240101-000000");
  mem.Append(folder + "2.log", "3\n");
  tailer->HandleEvents(clock.Now());
  tailer->Save(clock.Now());
  Kill();
  clock.Advance(1s);
  mem.Append(folder + "2.log.20240101-000000.gz", Gzip("2\n"));  // known by its content
  mem.Unlink(folder + "2.log.20240101-000000");
  mem.Append(folder + "2.log.20240101-000001.gz", Gzip("3\n4\n"));
  mem.Unlink(folder + "2.log");
  mem.Append(folder + "2.log", "5\n");
  Start();
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"1", "last words", "2", "3", "4", "5"}));
  EXPECT_EQ(losses.bytes(), 0U);
}

// The wait for the last run's last words does not begin anew with every life of the agent.
TEST_F(TailerRotation, ANewRunIsReadThoughTheAgentIsKilledTwiceASecond) {
  const std::string folder = "/var/log/pods/ns_pod_uid/app/";
  mem.MakeDirectories("/var/log/pods/ns_pod_uid/app");
  mem.Append(folder + "0.log", "1\n");
  Follow("/var/log/pods/*/*/*.log");
  mem.Append(folder + "1.log", "2\n");
  for (int life = 0; life < 4; ++life) {
    Pass(500ms);
    tailer->Save(clock.Now());
    Kill();
    Start();
  }
  Step();
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
}

TEST_F(TailerRotation, WhatALastRunLeftUnderARotatedNameOnlyComesBeforeTheNextRun) {
  const std::string folder = "/var/log/pods/ns_pod_uid/app/";
  mem.MakeDirectories("/var/log/pods/ns_pod_uid/app");
  mem.Append(folder + "9.log", "1\nlast words");
  Follow("/var/log/pods/*/*/*.log");
  tailer->Save(clock.Now());
  Kill();
  clock.Advance(1s);
  mem.Move(folder + "9.log", folder + "9.log.20240101-000000");  // and the container ended
  mem.Append(folder + "10.log", "2\n");
  Start();
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"1", "last words", "2"}));
}

// A container that crashes before it writes: its run must not hide the one after it.
TEST_F(TailerRotation, ARunBetweenTwoOthersMayBeSilent) {
  const std::string folder = "/var/log/pods/ns_pod_uid/app/";
  mem.MakeDirectories("/var/log/pods/ns_pod_uid/app");
  mem.Append(folder + "0.log", "1\nlast words");
  Follow("/var/log/pods/*/*/*.log");
  mem.Append(folder + "1.log", "");
  Pass(3s);
  EXPECT_EQ(Lines(), (Strings{"1"}));
  mem.Append(folder + "2.log", "2\n");
  Pass(3s);
  EXPECT_EQ(Lines(), (Strings{"1", "last words", "2"}));
}

TEST_F(TailerRotation, ARunBetweenTwoOthersMayHaveComeAndGoneUnseen) {
  mem.MakeDirectories("/var/log/pods/ns_pod_uid/app");
  const std::string directory = "/var/log/pods/ns_pod_uid/app/";
  mem.Append(directory + "0.log", "1\n");
  AddTarget("/var/log/pods/*/*/*.log");
  Start();
  mem.Append(directory + "1.log", "");
  mem.Unlink(directory + "1.log");
  mem.Unlink(directory + "0.log");
  mem.Append(directory + "2.log", "3\n");
  tailer->HandleEvents(clock.Now());
  lane->Read(clock.Now());
  EXPECT_EQ(Lines(), (Strings{"1"}));  // the second run waits for the end of the first
  Pass(30s);
  EXPECT_EQ(Lines(), (Strings{"1", "3"}));
}

TEST_F(TailerRotation, TheLastRunMayStillHaveSomethingToSay) {
  const std::string folder = "/var/log/pods/ns_pod_uid/app/";
  mem.MakeDirectories("/var/log/pods/ns_pod_uid/app");
  mem.Append(folder + "0.log", "1\n");
  Follow("/var/log/pods/*/*/*.log");
  mem.Append(folder + "1.log", "2\n");
  for (int i = 0; i < 30; ++i) {  // it never comes to rest; the new run does not wait for ever
    mem.Append(folder + "0.log", "late\n");
    Pass(500ms);
  }
  Pass(15s);
  const Strings lines = Lines();
  EXPECT_EQ(lines.size(), 32U);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "2"), 1);
  EXPECT_LT(std::find(lines.begin(), lines.end(), "2") - lines.begin(), 26);
}

TEST_F(TailerRotation, NumberedFilesOfOtherProgramsDoNotWaitForOneAnother) {
  for (const char* name : {"0", "1", "2"}) mem.Append(std::string("/logs/") + name + ".log", std::string(name) + "\n");
  Follow();
  EXPECT_EQ(Lines(), (Strings{"0", "1", "2"}));
  mem.Append("/logs/2.log", "two\n");
  Step();
  EXPECT_EQ(Lines().back(), "two");
}

TEST_F(TailerRotation, APodComesAndGoesWithinASecond) {
  mem.MakeDirectories("/var/log/pods");
  Follow("/var/log/pods/*/*/*.log");
  mem.MakeDirectories("/var/log/pods/ns_short_uid/app");
  mem.Append("/var/log/pods/ns_short_uid/app/0.log", "hello\nbye");
  tailer->HandleEvents(clock.Now());
  mem.RemoveAll("/var/log/pods/ns_short_uid");
  Pass(10s);
  EXPECT_EQ(Lines(), (Strings{"hello", "bye"}));
  EXPECT_EQ(tailer->watches(), 1U);
  EXPECT_EQ(mem.open_handles(), 1U);
}

TEST_F(TailerRotation, ADirectoryIsReplacedByAnother) {
  mem.MakeDirectories("/logs/app");
  mem.Append("/logs/app/a.log", "1\n");
  Follow("/logs/*/*.log");
  mem.RemoveAll("/logs/app");
  mem.MakeDirectories("/logs/app");
  mem.Append("/logs/app/a.log", "2\n");
  Pass(2s);
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
  mem.Move("/logs/app", "/logs/old");
  mem.MakeDirectories("/logs/app");
  mem.Append("/logs/app/a.log", "3\n");
  Pass(20s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

}  // namespace
}  // namespace agent::source
