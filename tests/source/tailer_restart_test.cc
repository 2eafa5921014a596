// SPDX-License-Identifier: Apache-2.0
// Rotation while the agent was down.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/source/tailer_world.h"

namespace agent::source {
namespace {

using namespace std::chrono_literals;

class TailerRestart : public ::testing::Test, protected TailerWorld {
 protected:
  static constexpr const char* kLog = "/logs/0.log";
  static constexpr const char* kFirst = "/logs/0.log.20240101-000000";
  static constexpr const char* kSecond = "/logs/0.log.20240102-000000";

  // "1" is stored, "2" is written and read, but not stored.
  void StopBehind() {
    mem.Append(kLog, "1\n");
    AddTarget("/logs/*.log");
    Start();
    Pass(2s);
    mem.Append(kLog, "2\n");
    tailer->HandleEvents(clock.Now());
    tailer->Save(clock.Now());
    Kill();
    clock.Advance(1s);
  }
  void Rotate(const std::string& to) { mem.Move(kLog, to); }
  void Compress(const std::string& path) {
    mem.Append(path + ".gz", Gzip(mem.Content(path)));
    mem.Unlink(path);
  }
  void Resume() {
    Start();
    Pass(1s);
  }
};

// Killed a second after it had started for the first time ever, on a busy machine, before it had
// looked at anything: what was rotated in that second was taken for history by the next start.
TEST_F(TailerRestart, WhatIsRotatedAfterAFirstStartThatCameToNothingIsNotHistory) {
  mem.Append(kLog, "1\n");
  {
    auto opened = Positions::Open(faulty, positions_options);
    ASSERT_TRUE(opened.has_value());
    StandInLane nobody;
    Tailer(options, TailerParts{faulty, nullptr, clock, **opened, nobody, losses, {}, labels_of}, clock.Now());
  }
  clock.Advance(1s);
  mem.Append(kLog, "2\n");
  Rotate(kFirst);
  clock.Advance(1s);
  mem.Append(kLog, "3\n");
  AddTarget("/logs/*.log");
  Resume();
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

TEST_F(TailerRestart, TheRotatedFileIsFoundByIdentity) {
  StopBehind();
  Rotate(kFirst);
  mem.Append(kLog, "3\n");
  Resume();
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

TEST_F(TailerRestart, TheRotatedFileIsFoundThoughNoNewOneIsThere) {
  StopBehind();
  Rotate(kFirst);
  Resume();
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
  mem.Append(kLog, "3\n");
  Pass(1s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

TEST_F(TailerRestart, TheArchiveIsReadOnWhereTheFileWasLeft) {
  StopBehind();
  Rotate(kFirst);
  mem.Append(kLog, "3\n");
  Compress(kFirst);
  Resume();
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
  Pass(30s);
  Restart();
  Pass(2s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

TEST_F(TailerRestart, ALargeArchiveIsReadOnInTheMiddle) {
  std::string text;
  for (int i = 0; i < 50000; ++i) text += "line number " + std::to_string(i) + "\n";
  mem.Append(kLog, text);
  AddTarget("/logs/*.log");
  Start();
  tailer->HandleEvents(clock.Now());
  lane->Read(clock.Now());
  lane->AcknowledgeAll();
  tailer->Save(clock.Now());
  Kill();
  EXPECT_EQ(arrived.size(), 50000U);
  clock.Advance(1s);
  mem.Append(kLog, "the end\n");
  Rotate(kFirst);
  Compress(kFirst);
  Resume();
  EXPECT_EQ(Lines().size(), 50001U);
  EXPECT_EQ(Lines().back(), "the end");
}

TEST_F(TailerRestart, FilesThatCameAndWentInBetweenAreReadToo) {
  StopBehind();
  Rotate(kFirst);
  mem.Append(kLog, "3\n");
  Rotate(kSecond);
  Compress(kFirst);
  mem.Append(kLog, "4\n");
  Resume();
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));
}

TEST_F(TailerRestart, OlderArchivesAreHistory) {
  mem.Append(std::string(kFirst) + ".gz", Gzip("old\n"));
  mem.Append(kSecond, "older\n");
  clock.Advance(1s);
  mem.Append(kLog, "1\n");
  AddTarget("/logs/*.log");
  Start();
  Pass(2s);
  Restart();
  Pass(2s);
  Rotate("/logs/0.log.20240103-000000");
  mem.Append(kLog, "2\n");
  Pass(20s);
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
}

// Kubelet packs the newest rotated file when it rotates the next time: an archive that is younger
// than the agent, of lines that are older.
TEST_F(TailerRestart, HistoryThatIsPackedLaterStaysHistory) {
  for (const int when : {0, 1, 2}) {  // while the agent runs; after it was started again; in between
    const std::string log = fmt::format("/logs/{}.log", when), old = log + ".20240101-000000";
    targets.clear();
    mem.Append(old, "older\nold\n");
    clock.Advance(1s);
    mem.Append(log, "1\n");
    AddTarget("/logs/*.log");
    Start();
    Pass(2s);
    if (when == 1) Restart();
    if (when == 2) Stop();
    mem.Move(log, log + ".20240102-000000");
    Compress(old);
    mem.Append(log, "2\n");
    if (when == 2) Start();
    Pass(120s);
    Restart();
    Pass(20s);
    EXPECT_EQ(Lines(), (Strings{"1", "2"})) << when;
    mem.Unlink(old + ".gz");
    Pass(120s);
    tailer->Save(clock.Now());
    EXPECT_EQ(mem.Content(kPositions).find(old), std::string::npos) << "what is gone is forgotten";
    Kill();
    arrived.clear();
    mem.RemoveAll("/logs");
    mem.Unlink(kPositions);
    mem.MakeDirectories("/logs");
    clock.Advance(1s);
  }
}

// Where the pattern matches rotated names they are files like any other; what is written to a
// rotated file after the start is new.
TEST_F(TailerRestart, HistoryIsOnlyWhatNobodyAsksForAndNobodyWritesTo) {
  mem.Append("/logs/a.log.1", "1\n");
  mem.Append("/logs/b.log.1", "old\n");
  clock.Advance(1s);
  mem.Append("/logs/a.log", "2\n");
  mem.Append("/logs/b.log", "3\n");
  AddTarget("/logs/a.log*");
  AddTarget("/logs/b.log");
  Start();
  Pass(2s);
  EXPECT_EQ(Lines().size(), 3U);
  mem.Append("/logs/b.log.1", "4\n");
  Pass(120s);
  EXPECT_EQ(Lines().size(), 4U);
  EXPECT_EQ(Lines().back(), "4");
}

TEST_F(TailerRestart, AnArchiveOfAStoredFileIsNotReadAgain) {
  mem.Append(kLog, "1\n");
  AddTarget("/logs/*.log");
  Start();
  Pass(2s);
  Rotate(kFirst);
  mem.Append(kLog, "2\n");
  Pass(30s);
  Stop();
  Compress(kFirst);
  Rotate(kSecond);
  mem.Append(kLog, "3\n");
  Resume();
  Pass(30s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

TEST_F(TailerRestart, AFileWhoseBeginningOnlyTheLaneCouldReadIsKnownInItsArchive) {
  AddTarget("/logs/*.log");
  Start();
  bool fail = true;
  faulty.set_before([&](testing::FsCall, const std::string&) {
    if (fail) faulty.FailAlways(testing::FsCall::kRead, EIO);
    else faulty.Heal();
  });
  mem.Append(kLog, "1\n");
  tailer->HandleEvents(clock.Now());  // found, and nothing of it can be read
  fail = false;
  lane->Read(clock.Now());
  lane->AcknowledgeAll();
  fail = true;
  tailer->Save(clock.Now());
  Kill();
  fail = false;
  clock.Advance(1s);
  Rotate(kFirst);
  Compress(kFirst);
  Resume();
  EXPECT_EQ(Lines(), (Strings{"1"}));
}

TEST_F(TailerRestart, AnArchiveOfAStoredFileThatCannotBeReadForAWhile) {
  mem.Append(kLog, "1\n");
  AddTarget("/logs/*.log");
  Start();
  Pass(2s);
  Rotate(kFirst);
  mem.Append(kLog, "2\n");
  Pass(30s);
  Compress(kFirst);
  faulty.FailAlways(testing::FsCall::kRead, EIO);
  Pass(3s);
  faulty.Heal();
  Pass(100s);
  Restart();
  Pass(100s);
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
}

TEST_F(TailerRestart, AFileThatIsGoneIsCountedAsLost) {
  StopBehind();
  mem.Unlink(kLog);
  mem.Append(kLog, "3\n");
  Resume();
  EXPECT_EQ(Lines(), (Strings{"1", "3"}));
  ASSERT_EQ(losses.losses.size(), 1U);
  EXPECT_EQ(losses.losses[0].reason, LossReason::kDeletedWhileDown);
  EXPECT_EQ(losses.losses[0].bytes, 2U);
}

TEST_F(TailerRestart, AReusedInodeWithTheSameBeginningIsAnotherFile) {
  const std::string banner(2000, 'x');
  mem.set_has_birth_times(false);  // the hardest case
  mem.Append(kLog, banner + "\n1\n");
  AddTarget("/logs/*.log");
  Start();
  Pass(2s);
  const uint64_t inode = mem.InodeOf(kLog);
  Stop();
  mem.Unlink(kLog);
  mem.Append(kLog, banner + "\nA\nB\n");
  ASSERT_EQ(mem.InodeOf(kLog), inode);
  Resume();
  EXPECT_EQ(Lines(), (Strings{banner, "1", banner, "A", "B"}));
}

TEST_F(TailerRestart, ATruncatedFileIsReadFromItsBeginning) {
  StopBehind();
  mem.Overwrite(kLog, "x\n");
  Resume();
  EXPECT_EQ(Lines(), (Strings{"1", "x"}));
  EXPECT_EQ(losses.bytes(), 2U);
}

TEST_F(TailerRestart, CopytruncateWhileDown) {
  StopBehind();
  mem.Append("/logs/0.log.1", mem.Content(kLog));
  mem.Overwrite(kLog, "3\n");
  Resume();
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
  EXPECT_EQ(losses.bytes(), 0U);
}

TEST_F(TailerRestart, APodThatCameAndRotatedWhileDownIsReadCompletely) {
  StopBehind();
  mem.Append("/logs/9.log", "a\n");
  mem.Move("/logs/9.log", "/logs/9.log.20240101-000000");
  mem.Append("/logs/9.log", "b\n");
  Resume();
  EXPECT_EQ(Lines(), (Strings{"1", "2", "a", "b"}));
}

TEST_F(TailerRestart, AFileThatCouldNotBeOpenedIsReadUnderItsRotatedName) {
  AddTarget("/logs/*.log");
  Start();
  Pass(2s);
  faulty.FailAlways(testing::FsCall::kOpenRead, EMFILE);
  mem.Append(kLog, "1\n");
  Pass(5s);
  tailer->Save(clock.Now());
  Kill();
  faulty.Heal();
  clock.Advance(1s);
  Rotate(kFirst);
  mem.Append(kLog, "2\n");
  Resume();
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
}

TEST_F(TailerRestart, ARenamedJobGoesOnWhereItWas) {
  mem.Append(kLog, "1\n");
  AddTarget("/logs/*.log", "old-name");
  Start();
  Pass(2s);
  Stop();
  targets.clear();
  AddTarget("/logs/*.log", "new-name");
  mem.Append(kLog, "2\n");
  Resume();
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
}

TEST_F(TailerRestart, PromtailsPositionBelongsToTheFileThatWasThere) {
  mem.Append(kLog, "1\n2\n");
  clock.Advance(1s);
  mem.Append(kPositions, "positions:\n  /logs/0.log: \"2\"\n");
  clock.Advance(1s);
  mem.Append(kLog, "3\n");
  Rotate(kFirst);
  mem.Append(kLog, "4\n5\n");
  AddTarget("/logs/*.log");
  Resume();
  EXPECT_EQ(Lines(), (Strings{"2", "3", "4", "5"}));
}

// Promtail reads them with strconv.ParseInt: a sign and leading zeros are part of a number.
TEST_F(TailerRestart, PromtailsPositionsAreNumbersAsGoSpellsThem) {
  const std::vector<std::pair<std::string, Strings>> spelled = {
      {"+2", {"2", "3"}},      {"002", {"2", "3"}},      {"4", {"3"}}, {"-2", {"1", "2", "3"}}, {" 2", {"1", "2", "3"}},
      {"2x", {"1", "2", "3"}}, {"0x2", {"1", "2", "3"}}, {"", {"1", "2", "3"}}};
  std::string file = "positions:\n";
  std::map<std::string, Strings> wanted;
  for (const auto& [text, lines] : spelled) {
    const std::string path = fmt::format("/logs/{}.log", wanted.size());
    mem.Append(path, "1\n2\n3\n");
    file += fmt::format("  {}: \"{}\"\n", path, text);
    wanted[path] = lines;
  }
  clock.Advance(1s);
  mem.Append(kPositions, file);
  AddTarget("/logs/*.log");
  Resume();
  std::map<std::string, Strings> read;
  for (const auto& line : lane->lines()) read[line.path].push_back(line.text);
  EXPECT_EQ(read, wanted);
}

// An agent that is killed every second may come to the first directories only, whatever their order.
// Those with the most files to be read on are begun with: else rotation deletes them unread.
TEST_F(TailerRestart, WhoeverIsFurthestBehindIsReadFirst) {
  const std::string pods = "/var/log/pods/";
  const auto log_of = [&](const std::string& pod) { return pods + pod + "/app/0.log"; };
  for (const std::string pod : {"a", "b", "c", "d"}) {
    mem.MakeDirectories(pods + pod + "/app");
    mem.Append(log_of(pod), pod + "0\n");
  }
  AddTarget(pods + "*/*/*.log");
  Start();
  Step();  // all is stored so far
  acknowledge = false;
  mem.Append(log_of("a"), "more\n");
  for (const std::string date : {"01", "02", "03"}) {
    mem.Move(log_of("c"), log_of("c") + ".202401" + date + "-000000");
    mem.Append(log_of("c"), date + "\n");
    Step();
  }
  mem.Append(log_of("d"), "more\n");
  Step();
  tailer->Save(clock.Now());
  Kill();
  Start();
  Strings paths;
  for (const auto& file : lane->files()) {
    if (paths.empty() || paths.back() != file->path) paths.push_back(file->path);
  }
  EXPECT_EQ(paths, (Strings{log_of("c"), log_of("a"), log_of("d"), log_of("b")}));
}

}  // namespace
}  // namespace agent::source
