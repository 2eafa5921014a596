// SPDX-License-Identifier: Apache-2.0
// Writers that come back to a rotated file: what they write is read behind what stands
// before it, and before whatever was not read yet.
#include <gtest/gtest.h>

#include "tests/source/tailer_world.h"

namespace agent::source {
namespace {

using namespace std::chrono_literals;

class TailerLate : public ::testing::TestWithParam<bool>, protected TailerWorld {
 protected:
  static constexpr const char* kLog = "/logs/0.log";
  static constexpr const char* kFirst = "/logs/0.log.20240101-000000";
  static constexpr const char* kSecond = "/logs/0.log.20240102-000000";

  // Loki is back; or the agent was killed meanwhile, and is started again.
  void ReadAll(bool killed) {
    if (killed) {
      tailer->Save(clock.Now());
      Kill();
      Start();
    }
    Pass(30s);
  }
};

// `create` of logrotate, and a program that takes long to open its new file.
TEST_P(TailerLate, InAnOutageTheLateLineComesBeforeTheNewFile) {
  AddTarget("/logs/*.log");
  mem.Append(kLog, "1\n");
  const auto writer = mem.OpenToAppend(kLog);
  Start();
  PassUnread(1s);
  mem.Append(writer, "2\n");
  mem.Move(kLog, kFirst);
  mem.Append(kLog, "");
  PassUnread(12s);  // the old file counts as complete
  mem.Append(writer, "3\n");
  PassUnread(12s);
  mem.Append(writer, "4\n");
  PassUnread(1s);
  mem.Append(kLog, "5\n");
  PassUnread(1s);
  ReadAll(GetParam());
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4", "5"}));
  Restart();
  Pass(30s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4", "5"}));
}

TEST_P(TailerLate, InAnOutageTheLateLineComesBeforeSeveralNewerFiles) {
  AddTarget("/logs/*.log");
  mem.Append(kLog, "1\n");
  const auto writer = mem.OpenToAppend(kLog);
  Start();
  PassUnread(1s);
  mem.Move(kLog, kFirst);
  mem.Append(kLog, "3\n");
  const auto second = mem.OpenToAppend(kLog);
  PassUnread(1s);
  mem.Move(kLog, kSecond);
  mem.Append(kLog, "5\n");
  PassUnread(1s);  // both rotated files count as complete
  mem.Append(writer, "2\n");
  PassUnread(1s);
  mem.Append(second, "4\n");
  PassUnread(1s);
  ReadAll(GetParam());
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4", "5"}));
  Restart();
  Pass(30s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4", "5"}));
}

// What was read cannot wait any more; the rest keeps its order.
TEST_P(TailerLate, ALateLineAfterANewerOneWasReadComesOnItsOwn) {
  AddTarget("/logs/*.log");
  mem.Append(kLog, "1\n");
  const auto writer = mem.OpenToAppend(kLog);
  Start();
  Pass(1s);
  mem.Move(kLog, kFirst);
  mem.Append(kLog, "2\n");
  Pass(1s);
  mem.Append(kLog, "3\n");
  mem.Append(writer, "late\n");
  PassUnread(1s);
  ReadAll(GetParam());
  Strings lines = Lines();
  EXPECT_EQ(std::erase(lines, "late"), 1U);
  EXPECT_EQ(lines, (Strings{"1", "2", "3"}));
}

// A rotated file, a late line in it, and then more deleted bytes than may be kept open as
// they are. The two parts of the file have one saved position: when only the late part was read
// on in the archive, the first was saved as that of a file that is gone, and after a kill it
// counted as lost. Both go into the archive.
TEST_P(TailerLate, AFileThatIsReadInTwoPartsIsPackedAndPastThePinnedBudget) {
  options.pinned_bytes = 3000;
  Strings written;
  std::shared_ptr<testing::MemFs::Handle> writer;
  const auto write = [&] {
    for (int i = 0; i < 100; ++i) {
      written.push_back("line " + std::to_string(1000 + written.size()));  // 10 bytes with its end
      mem.Append(writer, written.back() + "\n");
    }
  };
  AddTarget("/logs/*.log");
  writer = mem.OpenToAppend(kLog);
  write();
  Start();
  PassUnread(1s);
  mem.Move(kLog, kFirst);
  mem.Append(kLog, "new\n");
  PassUnread(1s);
  write();
  PassUnread(1s);
  mem.Append(std::string(kFirst) + ".gz", Gzip(mem.Content(kFirst)));
  mem.Unlink(kFirst);
  PassUnread(3s);
  EXPECT_EQ(tailer->pinned_bytes(), 0U);
  EXPECT_EQ(mem.open_handles(), 4U);  // the archive for each part, the new file, and the lock
  ReadAll(GetParam());
  written.push_back("new");
  EXPECT_EQ(Lines(), written);
  EXPECT_EQ(losses.bytes(), 0U);
}

// The late line was stored, and what stands before it was not: there were two positions of one file,
// and the settled one said that all of it was stored.
TEST_P(TailerLate, AFileOfTwoPartsHasOnePosition) {
  AddTarget("/logs/*.log");
  mem.Append(kLog, "1\n");
  const auto writer = mem.OpenToAppend(kLog);
  acknowledge = false;
  Start();
  Step();
  mem.Move(kLog, kFirst);
  mem.Append(kLog, "2\n");
  Pass(15s);
  mem.Append(writer, "late\n");
  Pass(2s);
  while (lane->open_batches() > 1) lane->Acknowledge(1);  // all but the first line's
  Pass(15s);
  tailer->Save(clock.Now());
  const std::string saved = mem.Content(kPositions), which = "ino=" + std::to_string(mem.InodeOf(kFirst)) + " ";
  const size_t position = saved.find(which);
  ASSERT_NE(position, std::string::npos) << saved;
  EXPECT_EQ(saved.find(which, position + 1), std::string::npos) << saved;
  lane->AcknowledgeAll();
  ReadAll(GetParam());
  Strings lines = Lines();
  EXPECT_EQ(std::erase(lines, "late"), 1U);
  EXPECT_EQ(lines, (Strings{"1", "2"}));
}

INSTANTIATE_TEST_SUITE_P(Killed, TailerLate, ::testing::Bool());

}  // namespace
}  // namespace agent::source
