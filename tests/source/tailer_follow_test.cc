// SPDX-License-Identifier: Apache-2.0
// Files are found, read as they grow, and read on after a restart.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>

#include "tests/source/tailer_world.h"

namespace agent::source {
namespace {

using namespace std::chrono_literals;

class TailerFollow : public ::testing::Test, protected TailerWorld {};

TEST_F(TailerFollow, AFileThatIsThereIsReadFromItsBeginning) {
  mem.Append("/logs/a.log", "one\ntwo\n");
  AddTarget("/logs/*.log");
  Start();
  Step();
  EXPECT_EQ(Lines(), (Strings{"one", "two"}));
  EXPECT_EQ(lane->lines()[0].labels.at("filename"), "/logs/a.log");
}

TEST_F(TailerFollow, AnAppendedLineArrivesWithTheNextEvents) {
  mem.Append("/logs/a.log", "one\n");
  AddTarget("/logs/*.log");
  Start();
  Step();
  mem.Append("/logs/a.log", "tw");
  Step();
  mem.Append("/logs/a.log", "o\n");
  Step();
  EXPECT_EQ(Lines(), (Strings{"one", "two"}));
}

TEST_F(TailerFollow, ASilentNodeIsNotWokenToSaveWhatHasNotChanged) {
  mem.Append("/logs/a.log", "one\n");
  AddTarget("/logs/*.log");
  Start();
  Pass(1min);
  EXPECT_LE(Pass(10min), 61);  // the look at all files, every 10 s
  // And yet a new line's position is saved within the period.
  mem.Append("/logs/a.log", "two\n");
  Step();
  Pass(positions_options.sync_period);
  Kill();
  Start();
  Pass(1min);
  EXPECT_EQ(Lines(), (Strings{"one", "two"}));
}

TEST_F(TailerFollow, ANewFileIsSeenAtOnce) {
  AddTarget("/logs/*.log");
  Start();
  Step();
  mem.Append("/logs/b.log", "hello\n");
  mem.Append("/logs/b.txt", "not me\n");
  Step();
  EXPECT_EQ(Lines(), (Strings{"hello"}));
}

TEST_F(TailerFollow, NewPodDirectoriesAreSeenAtOnce) {
  AddTarget("/var/log/pods/*/*/*.log");
  Start();  // not even /var exists
  Step();
  mem.MakeDirectories("/var/log/pods");
  Step();
  mem.MakeDirectories("/var/log/pods/ns_pod_uid/app");
  mem.Append("/var/log/pods/ns_pod_uid/app/0.log", "first\n");
  Step();
  EXPECT_EQ(Lines(), (Strings{"first"}));
  mem.MakeDirectories("/var/log/pods/ns_other_uid/app");
  Step();
  mem.Append("/var/log/pods/ns_other_uid/app/0.log", "second\n");
  Step();
  EXPECT_EQ(Lines(), (Strings{"first", "second"}));
}

TEST_F(TailerFollow, OnlyTheDeepestExistingParentIsWatched) {
  mem.MakeDirectories("/var/log");
  AddTarget("/var/log/pods/*/*/*.log");
  Start();
  EXPECT_EQ(tailer->watches(), 1U);  // /var/log, where "pods" is awaited
  mem.MakeDirectories("/var/log/pods/ns_pod_uid/app");
  Step();
  EXPECT_EQ(tailer->watches(), 3U);  // pods, the pod, the container
}

// A folder was removed and came back with the same number while the queue of events was full. Its
// watch had gone with the old one, and the event that said so was lost: nothing told of writes.
TEST_F(TailerFollow, ADirectoryThatComesBackWithItsNumberWhileEventsAreLostIsWatched) {
  mem.set_reuse_inodes(true);
  mem.set_has_birth_times(false);
  mem.MakeDirectories("/app");
  mem.Append("/app/a.log", "1\n");
  const uint64_t number = mem.InodeOf("/app");
  AddTarget("/app/*.log");
  Start();
  Step();
  mem.set_max_queued_events(1);
  mem.Append("/app/a.log", "2\n");
  mem.Unlink("/app/a.log");
  mem.RemoveAll("/app");
  mem.MakeDirectories("/app");
  ASSERT_EQ(mem.InodeOf("/app"), number);
  mem.Append("/app/b.log", "3\n");
  Step();
  mem.set_max_queued_events(16384);
  mem.Append("/app/b.log", "4\n");
  Step();
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));
}

// With another number the folder was forgotten: the folder above had been listed just before, while
// this one was still known, and a pattern with `*` is not tried again. Its files waited for the next
// look at everything, and were history if the agent was restarted before that.
TEST_F(TailerFollow, ADirectoryThatIsAnotherOneWhenEventsAreLostIsGoneThrough) {
  mem.set_reuse_inodes(false);
  mem.MakeDirectories("/logs/pod/app");
  AddTarget("/logs/*/*/*.log");
  Start();
  mem.set_max_queued_events(1);
  mem.Append("/logs/other", "");
  mem.RemoveAll("/logs/pod/app");
  mem.MakeDirectories("/logs/pod/app");
  mem.Append("/logs/pod/app/0.log", "1\n");
  Step();
  EXPECT_EQ(Lines(), (Strings{"1"}));
}

// A folder that is removed while a file of it is still open, and comes back: nobody looked
// for it again until the next look at everything, a minute later.
TEST_F(TailerFollow, ADirectoryThatComesBackWhileADeletedFileOfItIsOpenIsSeen) {
  for (const bool events : {true, false}) {
    inotify = events;
    targets.clear();
    const std::string folder = events ? "/watched" : "/polled", log = folder + "/app.log";
    mem.MakeDirectories(folder);
    mem.Append(log, "1\n");
    AddTarget(log);
    acknowledge = false;
    Start();
    Step();
    mem.Unlink(log);
    mem.RemoveAll(folder);
    Pass(3s);
    mem.MakeDirectories(folder);
    mem.Append(log, "2\n");
    Pass(3s);
    EXPECT_EQ(lane->texts(), (Strings{"1", "2"})) << events;
    Kill();
  }
}

TEST_F(TailerFollow, ExcludedFilesAreLeftAlone) {
  mem.Append("/logs/a.log", "a\n");
  mem.Append("/logs/secret.log", "s\n");
  AddTarget("/logs/*.log")->exclude = "/logs/{secret,other}.log";
  Start();
  Step();
  mem.Append("/logs/other.log", "o\n");
  Step();
  EXPECT_EQ(Lines(), (Strings{"a"}));
  EXPECT_NE(tailer->Explain("/logs/secret.log")[0].find("__path_exclude__"), std::string::npos);
}

TEST_F(TailerFollow, AFileThatARuleExcludesIsNeverOpened) {
  labels_of = [](const Target& target, const std::string& path, std::string& why) -> std::optional<LabelMap> {
    if (path.find("secret") == std::string::npos) return LabelsOf(target, path);
    why = "dropped by the relabelling rule at line 7";
    return std::nullopt;
  };
  size_t opened = 0;
  faulty.set_before([&](testing::FsCall call, const std::string& path) {
    if (call == testing::FsCall::kOpenRead && path.find("secret") != std::string::npos) ++opened;
  });
  mem.Append("/logs/open.log", "1\n");
  mem.Append("/logs/secret.log", "2\n");
  AddTarget("/logs/*.log");
  Start();
  Pass(1s);
  mem.Append("/logs/secret.log", "3\n");
  mem.Move("/logs/secret.log", "/logs/secret.log.1");
  mem.Append("/logs/secret.log", "4\n");
  Pass(100s);
  EXPECT_EQ(Lines(), (Strings{"1"}));
  EXPECT_EQ(opened, 0U);
  EXPECT_EQ(tailer->Explain("/logs/secret.log"),
            (Strings{"/logs/secret.log (job \"job\", pattern /logs/*.log) is excluded: dropped by the relabelling rule "
                     "at line 7."}));
  for (const FileView& view : tailer->Files()) {
    EXPECT_EQ(view.state, view.path == "/logs/secret.log" ? FileState::kExcluded : FileState::kFollowed);
  }
  mem.Unlink("/logs/secret.log");
  mem.Unlink("/logs/secret.log.1");
  Pass(100s);
  EXPECT_EQ(State("/logs/secret.log"), "unknown");
}

TEST_F(TailerFollow, AFileThatIsExcludedAfterARestartIsLeftAlone) {
  mem.Append("/logs/a.log", "1\n");
  AddTarget("/logs/*.log");
  Start();
  Step();
  mem.Append("/logs/a.log", "2\n");
  tailer->HandleEvents(clock.Now());
  tailer->Save(clock.Now());
  Kill();
  labels_of = [](const Target&, const std::string&, std::string& why) -> std::optional<LabelMap> {
    why = "a new rule";
    return std::nullopt;
  };
  Start();
  Pass(100s);
  EXPECT_EQ(Lines(), (Strings{"1"}));
  EXPECT_EQ(State("/logs/a.log"), "a new rule");
  EXPECT_EQ(mem.open_handles(), 1U);  // the lock
}

TEST_F(TailerFollow, ARestartGoesOnWhereItWas) {
  mem.Append("/logs/a.log", "one\n");
  AddTarget("/logs/*.log");
  Start();
  Step();
  Restart();
  Step();
  EXPECT_EQ(Lines(), (Strings{"one"}));
  mem.Append("/logs/a.log", "two\n");
  Step();
  EXPECT_EQ(Lines(), (Strings{"one", "two"}));
}

TEST_F(TailerFollow, WhatWasNotAcknowledgedIsReadAgain) {
  mem.Append("/logs/a.log", "one\n");
  AddTarget("/logs/*.log");
  Start();
  Step();
  acknowledge = false;
  mem.Append("/logs/a.log", "two\n");
  Pass(3s);
  tailer->Save(clock.Now());
  Kill();
  Start();
  Step();
  EXPECT_EQ(Lines(), (Strings{"one", "two", "two"}));
}

TEST_F(TailerFollow, PositionsAreSavedOnlyWhenSomethingChanged) {
  mem.Append("/logs/a.log", "one\n");
  AddTarget("/logs/*.log");
  Start();
  Pass(2s);
  const uint64_t inode = mem.InodeOf(kPositions);
  EXPECT_NE(inode, 0U);
  Pass(5s);
  EXPECT_EQ(mem.InodeOf(kPositions), inode);
  mem.Append("/logs/a.log", "two\n");
  Pass(2s);
  EXPECT_NE(mem.InodeOf(kPositions), inode);
}

TEST_F(TailerFollow, PromtailsPositionsAreTaken) {
  mem.Append("/logs/a.log", "one\ntwo\nthree\n");
  mem.Append("/logs/b.log", "short\n");
  mem.Append(kPositions, "positions:\n  /logs/a.log: \"8\"\n  /logs/b.log: \"999\"\n  cursor-journal: s=1;i=2\n");
  AddTarget("/logs/*.log");
  clock.Advance(1s);
  Start();
  Step();
  EXPECT_EQ(Lines(), (Strings{"three", "short"}));  // beyond the end: from the beginning
  Pass(2s);
  const std::string saved = mem.Content(kPositions);
  EXPECT_NE(saved.find("  /logs/a.log: \"14\"\n"), std::string::npos) << saved;
  EXPECT_NE(saved.find("  cursor-journal: \"s=1;i=2\"\n"), std::string::npos) << saved;
}

TEST_F(TailerFollow, TwoJobsReadOneFileEachOnItsOwn) {
  mem.Append("/logs/a.log", "one\n");
  AddTarget("/logs/*.log", "x", {{"job", "x"}});
  AddTarget("/logs/a.*", "y", {{"job", "y"}});
  Start();
  Step();
  EXPECT_EQ(Lines(), (Strings{"one", "one"}));
  Restart();
  mem.Append("/logs/a.log", "two\n");
  Step();
  EXPECT_EQ(Lines(), (Strings{"one", "one", "two", "two"}));
}

TEST_F(TailerFollow, AnUnreadableFileIsReportedOnceAndTriedAgain) {
  mem.Append("/logs/a.log", "one\n");
  mem.Chmod("/logs/a.log", 0);
  AddTarget("/logs/*.log");
  LogCapture log;
  Start();
  Pass(120s);
  EXPECT_EQ(Lines(), Strings{});
  EXPECT_NE(State("/logs/a.log").find("Permission denied"), std::string::npos);
  const std::string text = log.text();
  const size_t first = text.find("cannot read a file");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(text.find("cannot read a file", first + 1), std::string::npos) << text;
  mem.Chmod("/logs/a.log", 0644);
  Step();  // the change of mode is an event
  EXPECT_EQ(Lines(), (Strings{"one"}));
}

// A target for every container, made by hand, took a second of CPU per thousand, growing with
// their square: the directory above them all was gone through once for each.
TEST(TailerTargets, ManyOfThemCostWhatTheyAre) {
  const auto cost = [](int count) {
    double best = 1e9;
    for (int round = 0; round < 3; ++round) {
      TailerWorld world;
      for (int i = 0; i < count; ++i) {
        const std::string folder = "/logs/app" + std::to_string(i);
        world.mem.MakeDirectories(folder);
        world.AddTarget(folder + "/*.log");
      }
      const std::clock_t before = std::clock();
      world.Start();
      best = std::min(best, static_cast<double>(std::clock() - before));
    }
    return best;
  };
  EXPECT_LT(cost(2400) / cost(400), 20) << "of six times as many: 6 if each costs the same, 36 for the square";
}

}  // namespace
}  // namespace agent::source
