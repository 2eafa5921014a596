// SPDX-License-Identifier: Apache-2.0
// Archives that rotation makes unseen: of files that were read, or are being read, under
// whatever name; and numbers of inodes that are used again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "tests/source/tailer_world.h"

namespace agent::source {
namespace {

using namespace std::chrono_literals;

class TailerArchive : public ::testing::TestWithParam<std::tuple<bool, bool>>, protected TailerWorld {
 protected:
  TailerArchive() { inotify = std::get<0>(GetParam()); }
  static Strings Sorted(Strings lines) {
    std::sort(lines.begin(), lines.end());
    return lines;
  }
  bool stored() const { return std::get<1>(GetParam()); }
  void Compress(const std::string& path) {
    mem.Append(path + ".tmp", Gzip(mem.Content(path)));
    mem.Move(path + ".tmp", path + ".gz");
    mem.Unlink(path);
  }
};

// The path of the rotated file is one that the pattern matches, too; its archive has a
// third name. It was taken for one of a file that nobody had seen, and read again.
TEST_P(TailerArchive, TheArchiveOfAFileThatIsFollowedUnderItsRotatedName) {
  mem.Append("/logs/app.log.1", "1\n");
  mem.Append("/logs/app.log", "2\n");
  clock.Advance(5s);  // rotated before the agent's time: a file like any other
  AddTarget("/logs/app.log*");
  Start();
  acknowledge = stored();
  Pass(15s);
  mem.Move("/logs/app.log.1", "/logs/app.log.2");
  mem.Move("/logs/app.log", "/logs/app.log.1");
  mem.Append("/logs/app.log", "3\n");
  Compress("/logs/app.log.2");
  Pass(15s);
  acknowledge = true;
  Pass(120s);
  EXPECT_EQ(Sorted(Lines()), (Strings{"1", "2", "3"}));
  Restart();
  Pass(15s);
  EXPECT_EQ(Sorted(Lines()), (Strings{"1", "2", "3"}));
}

// Without inotify nothing tells that the settled file is gone, only that there is an archive.
TEST_P(TailerArchive, ALateLineInAFileThatIsPackedBeforeTheNextLook) {
  mem.Append("/logs/0.log", "1\n");
  const auto writer = mem.OpenToAppend("/logs/0.log");
  AddTarget("/logs/*.log");
  Start();
  Pass(1s);
  acknowledge = stored();
  mem.Move("/logs/0.log", "/logs/0.log.20240101-000000");
  mem.Append("/logs/0.log", "2\n");
  Pass(15s);
  mem.Append(writer, "late\n");
  Compress("/logs/0.log.20240101-000000");
  Pass(15s);
  acknowledge = true;
  Pass(120s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "late"}));
  Restart();
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "late"}));
}

// Nobody else's archive is a reason not to read the log.
TEST_P(TailerArchive, ARotatedFileThatMayNotBeReadHoldsNothingUp) {
  mem.Append("/logs/app.log", "1\n");
  AddTarget("/logs/app.log");
  Start();
  Pass(1s);
  mem.Append("/logs/app.log.2.gz", Gzip("secret\n"));
  mem.Chmod("/logs/app.log.2.gz", 0);
  mem.Append("/logs/app.log.3", "secret\n");
  mem.Chmod("/logs/app.log.3", 0);
  if (!stored()) Kill();
  mem.Move("/logs/app.log", "/logs/app.log.1");
  mem.Append("/logs/app.log", "2\n");
  if (!stored()) Start();
  Pass(15s);
  Strings lines = Lines();
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  EXPECT_EQ(lines, (Strings{"1", "2"}));
}

// The first poll came a second too late for what the positions file says to have been seen.
TEST_P(TailerArchive, AFileThatIsRotatedBeforeTheFirstPoll) {
  AddTarget("/later/app.log");
  Start();
  mem.MakeDirectories("/later");
  mem.Append("/later/app.log", "1\n");
  PassUnread(1990ms);
  mem.Move("/later/app.log", "/later/app.log.1");
  mem.Append("/later/app.log", "2\n");
  clock.Advance(15ms);
  tailer->Save(clock.Now());
  Kill();
  Start();
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
}

// The same while the agent is down: the log's own path found the archive first, and read it again.
TEST_P(TailerArchive, TheArchiveOfAFileWhosePositionIsSavedUnderItsRotatedName) {
  mem.Append("/logs/app.log.1", "1\n");
  mem.Append("/logs/app.log", "2\n");
  clock.Advance(5s);
  AddTarget("/logs/app.log*");
  Start();
  acknowledge = stored();
  Pass(2s);
  tailer->Save(clock.Now());
  Kill();
  if (!stored()) arrived.clear();
  mem.Move("/logs/app.log.1", "/logs/app.log.2");
  mem.Move("/logs/app.log", "/logs/app.log.1");
  mem.Append("/logs/app.log", "3\n");
  Compress("/logs/app.log.2");
  acknowledge = true;
  Start();
  Pass(120s);
  EXPECT_EQ(Sorted(Lines()), (Strings{"1", "2", "3"}));
}

INSTANTIATE_TEST_SUITE_P(Stories, TailerArchive, ::testing::Combine(::testing::Bool(), ::testing::Bool()));

class TailerNumbers : public ::testing::Test, protected TailerWorld {
 protected:
  TailerNumbers() { mem.set_has_birth_times(false); }
};

// An archive was only asked for its number and its size: the new log file passed for it, and
// was never read.
TEST_F(TailerNumbers, ALogFileGetsTheNumberOfAnArchiveThatWasDropped) {
  const std::string log = "/logs/0.log", first = log + ".20240101-000000", second = log + ".20240102-000000";
  mem.Append(log, "1\n");
  AddTarget("/logs/*.log");
  Start();
  Pass(1s);
  mem.Move(log, first);
  mem.Append(log, "2\n");
  Pass(30s);
  mem.Append(first + ".gz", Gzip(mem.Content(first)));
  mem.Unlink(first);
  Pass(30s);
  const uint64_t archive = mem.InodeOf(first + ".gz");
  mem.Move(log, second);
  mem.Unlink(first + ".gz");
  const std::string line = "3 " + std::string(200, '.');
  mem.Append(log, line + "\n");
  ASSERT_EQ(mem.InodeOf(log), archive);
  Pass(30s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", line}));
}

// Between two calls of a start, too: the path led to a file that is unknown, and then to a new
// one with the number of an empty file of before, which was taken for settled.
TEST_F(TailerNumbers, ANewLogFileGetsTheNumberOfAnEmptyOneWhileTheAgentStarts) {
  mem.MakeDirectories("/c");
  mem.Append("/c/x.log", "");
  AddTarget("/c/x.log");
  Start();
  Pass(2s);
  const uint64_t inode = mem.InodeOf("/c/x.log");
  Kill();
  mem.Append("/c/other", "");
  mem.Unlink("/c/x.log");
  mem.Move("/c/other", "/c/x.log");
  mem.Append("/c/x.log", "1\n");
  clock.Advance(1s);
  bool done = false;
  faulty.set_before([&](testing::FsCall call, const std::string& path) {
    if (done || call != testing::FsCall::kOpenRead || path != "/c/x.log") return;
    done = true;
    mem.Move("/c/x.log", "/c/x.log.1");
    mem.Append("/c/x.log", "");
    ASSERT_EQ(mem.InodeOf("/c/x.log"), inode);
  });
  Start();
  ASSERT_TRUE(done);
  mem.Append("/c/x.log", "2\n");
  mem.Move("/c/x.log.1", "/c/x.log.2");
  mem.Move("/c/x.log", "/c/x.log.1");
  mem.Append("/c/x.log", "3\n");
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

// logrotate's numbers shift while the agent is down; all that is known of the file is its
// own number, as the disk gave none of its bytes.
TEST_F(TailerNumbers, AFileOfWhichNothingCouldBeReadHasTheNextNameAfterAKill) {
  const std::string log = "/logs/app.log";
  AddTarget(log);
  Start();
  faulty.FailAlways(testing::FsCall::kRead, EIO);
  mem.Append(log, "1\n");
  tailer->HandleEvents(clock.Now());
  mem.Move(log, log + ".1");
  mem.Append(log, "2\n");
  tailer->HandleEvents(clock.Now());
  tailer->Save(clock.Now());
  Kill();
  faulty.Heal();
  clock.Advance(1s);
  mem.Move(log + ".1", log + ".2");
  mem.Move(log, log + ".1");
  mem.Append(log, "3\n");
  Start();
  Pass(30s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
  EXPECT_EQ(losses.bytes(), 0U);
}

}  // namespace
}  // namespace agent::source
