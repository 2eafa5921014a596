// SPDX-License-Identifier: Apache-2.0
// Disks that fail for a moment: what cannot be known now is asked again, and nothing is
// taken for gone, or for complete, because of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "tests/source/tailer_world.h"

namespace agent::source {
namespace {

using namespace std::chrono_literals;
using testing::FsCall;

constexpr const char* kFolder = "/var/log/pods/ns_pod_uid/app";

// One life of a pod's log, with one call of the agent's to the disk that fails.
class OneFailure : private TailerWorld {
 public:
  OneFailure(FsCall call, int error) : call_(call), error_(error) { AddTarget("/var/log/pods/*/*/*.log"); }

  // False: the agent makes fewer such calls.
  bool Run(uint64_t number) {
    faulty.set_before([&, made = uint64_t{0}](FsCall call, const std::string& path) mutable {
      if (call != call_) return;
      faulty.Heal();
      if (!path.starts_with("/var/log") || made++ != number) return;
      faulty.FailAlways(call_, error_);
      failed_ = true;
    });
    LogCapture log;
    Live();
    Strings lines = Lines();
    std::sort(lines.begin(), lines.end());
    EXPECT_EQ(lines, (Strings{"1", "2", "3", "4", "half", "late", "un"})) << "without call " << number << "\n" << log.text();
    return failed_;
  }

 private:
  void Live() {
    const std::string log = std::string(kFolder) + "/0.log", rotated = log + ".20240101-000001";
    mem.MakeDirectories("/var/log/pods");
    Start();
    Step();
    mem.MakeDirectories(kFolder);
    mem.Append(log, "1\n");
    const auto writer = mem.OpenToAppend(log);
    Step();
    mem.Append(log, "ha");
    Step();
    mem.Append(log, "lf\n");
    mem.Move(log, rotated);
    mem.Append(log, "2\n");
    PassUnread(2s);
    Pass(12s);
    mem.Append(writer, "late\n");
    PassUnread(1s);
    mem.Append(rotated + ".tmp", Gzip(mem.Content(rotated)));
    mem.Move(rotated + ".tmp", rotated + ".gz");
    mem.Unlink(rotated);
    Pass(3s);
    mem.Append(log, "un");
    Step();
    mem.Unlink(log);
    mem.Append(log, "3\n");
    PassUnread(2s);
    Pass(12s);
    Restart();
    mem.Append(log, "4\n");
    Pass(15s);
  }

  const FsCall call_;
  const int error_;
  bool failed_ = false;
};

class TailerOneFailure : public ::testing::TestWithParam<std::pair<FsCall, int>> {};

TEST_P(TailerOneFailure, CostsNoLineAndRepeatsNone) {
  const auto [call, error] = GetParam();
  for (uint64_t number = 0; !HasFailure() && OneFailure(call, error).Run(number); ++number) {
  }
}

INSTANTIATE_TEST_SUITE_P(Calls, TailerOneFailure,
                         ::testing::Values(std::pair{FsCall::kStat, EINTR}, std::pair{FsCall::kFileStat, EIO},
                                           std::pair{FsCall::kRealPath, EINTR}, std::pair{FsCall::kList, EIO},
                                           std::pair{FsCall::kOpenRead, EMFILE}, std::pair{FsCall::kRead, EIO}));

class TailerDisk : public ::testing::Test, protected TailerWorld {
 protected:
  LogCapture quiet_;
};

// A new pod's directory could not be looked at for a moment, and was never looked at again.
TEST_F(TailerDisk, ADirectoryThatCannotBeLookedAtForAWhile) {
  AddTarget("/var/log/pods/*/*/*.log");
  faulty.FailAlways(FsCall::kStat, EINTR);
  Start();  // not even the first directory can be
  faulty.Heal();
  Pass(3s);
  faulty.FailAlways(FsCall::kStat, EINTR);
  mem.MakeDirectories(kFolder);
  mem.Append(std::string(kFolder) + "/0.log", "1\n");
  Step();
  faulty.Heal();
  Pass(3s);
  EXPECT_EQ(Lines(), (Strings{"1"}));
}

// A link to a directory above it leads round in a circle; an error may hide that for one round.
TEST(TailerLoop, EndsAndRepeatsNothingWhateverCallFails) {
  bool failed = true;
  for (uint64_t number = 0; failed && !::testing::Test::HasFailure(); ++number) {
    TailerWorld world;
    LogCapture quiet;
    world.mem.MakeDirectories("/logs/app");
    world.mem.Append("/logs/app/a.log", "1\n");
    world.mem.Symlink("/logs", "/logs/app/round");
    world.AddTarget("/logs/**/*.log");
    failed = false;
    world.faulty.set_before([&, made = uint64_t{0}](FsCall call, const std::string&) mutable {
      if (call != FsCall::kStat) return;
      world.faulty.Heal();
      if (made++ != number) return;
      world.faulty.FailAlways(call, EIO);
      failed = true;
    });
    world.Start();
    world.Pass(3s);
    world.mem.Append("/logs/app/a.log", "2\n");
    world.Pass(3s);
    EXPECT_EQ(world.Lines(), (Strings{"1", "2"})) << "without call " << number << "\n" << quiet.text();
  }
}

// After a queue of events had overflowed, too, an error counted as gone: what came later was not told.
TEST_F(TailerDisk, ADirectoryIsNotGoneBecauseItCannotBeLookedAt) {
  mem.Append("/logs/a.log", "1\n");
  AddTarget("/logs/*.log");
  Start();
  Step();
  mem.set_max_queued_events(1);
  mem.Append("/logs/a.log", "2\n");
  mem.Append("/logs/b.log", "3\n");
  faulty.FailAlways(FsCall::kStat, EIO);
  tailer->HandleEvents(clock.Now());
  faulty.Heal();
  mem.set_max_queued_events(16384);
  Pass(3s);
  mem.Append("/logs/c.log", "4\n");
  Step();
  Strings lines = Lines();
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines, (Strings{"1", "2", "3", "4"}));
}

// The size of a deleted file could not be told when its time was over: it was taken to end where it
// had been seen last, in the middle of a line.
TEST_F(TailerDisk, AFileWhoseSizeCannotBeToldIsNotComplete) {
  mem.Append("/logs/a.log", "ha");
  AddTarget("/logs/*.log");
  Start();
  tailer->HandleEvents(clock.Now());
  faulty.FailAlways(FsCall::kFileStat, EIO);
  mem.Append("/logs/a.log", "lf\n");
  mem.Unlink("/logs/a.log");
  PassUnread(15s);
  faulty.Heal();
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"half"}));
}

// Nothing of a file could be read when it was settled, so its end was not known, and an archive that
// had one line more was taken for one of another file.
TEST_F(TailerDisk, AFileThatCannotBeReadWhenItIsSettledIsKnownInItsArchive) {
  const std::string log = "/logs/0.log", rotated = log + ".20240101-000001";
  const std::string line(200, '1');
  mem.Append(log, line + "\n");
  const auto writer = mem.OpenToAppend(log);
  AddTarget("/logs/*.log");
  acknowledge = false;
  Start();
  Step();
  faulty.FailAlways(FsCall::kRead, EIO);
  mem.Move(log, rotated);
  acknowledge = true;
  Pass(15s);
  faulty.Heal();
  Pass(2min);
  mem.Append(writer, "late\n");
  mem.Append(rotated + ".gz", Gzip(mem.Content(rotated)));
  mem.Unlink(rotated);
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{line, "late"}));
}

}  // namespace
}  // namespace agent::source
