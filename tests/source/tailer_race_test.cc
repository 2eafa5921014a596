// SPDX-License-Identifier: Apache-2.0
// Rotation does not wait until the agent has looked: whatever the kubelet does, it may do
// between any two calls that the agent makes to the file system. Each story is told once
// for every such moment.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/source/tailer_world.h"

namespace agent::source {
namespace {

using namespace std::chrono_literals;

constexpr const char* kFolder = "/var/log/pods/ns_pod_uid/app/";
constexpr const char* kFirst = "0.log.20240101-000001";
constexpr const char* kSecond = "0.log.20240101-000002";
constexpr const char* kThird = "0.log.20240101-000003";

enum class Event { kRotate, kPack, kRotateAndPack, kRestart, kRestartAndRotate };
constexpr Event kEvents[] = {Event::kRotate, Event::kPack, Event::kRotateAndPack, Event::kRestart,
                             Event::kRestartAndRotate};

// One run: what was, what happens before the agent's call with a number, what arrives.
class Race : private TailerWorld {
 public:
  Race(bool births, bool events) {
    mem.set_has_birth_times(births);
    inotify = events;
    mem.MakeDirectories("/var/log/pods/ns_pod_uid/app");
    AddTarget("/var/log/pods/*/*/*.log");
    acknowledge = false;
  }

  // False: the agent has made fewer calls in its first second.
  bool Run(Event event, uint64_t moment, bool stored_some) {
    Before(stored_some);
    bool happened = false;
    uint64_t calls = 0;
    faulty.set_before([&](testing::FsCall, const std::string&) {
      if (happened || calls++ < moment) return;
      happened = true;
      Happen(event);
    });
    Start();
    acknowledge = true;
    Pass(1s);
    faulty.set_before(nullptr);
    if (!happened) Happen(event);
    Pass(12s);
    Write("0.log", 1);  // late words: of a run that is over, or of this one
    Pass(inotify ? 2s : 12s);
    Check(event, moment);
    return happened;
  }

 private:
  void Before(bool stored_some) {
    Write("0.log", 2);
    Start();
    Rename("0.log", kFirst);
    Write("0.log", 2);
    Step();
    if (stored_some) lane->AcknowledgeAll();
    Write("0.log", 1);
    Rename("0.log", kSecond);
    Write("0.log", 2);
    tailer->HandleEvents(clock.Now());
    clock.Advance(2s);  // an hour of silence would do as well: all of it is older than the save
    tailer->Tick(clock.Now());
    tailer->Save(clock.Now());
    arrived_before_ = lane->texts();
    if (!stored_some) arrived_before_.clear();
    Kill();
    arrived.clear();
    clock.Advance(1s);
  }

  void Happen(Event event) {
    if (event == Event::kPack || event == Event::kRotateAndPack) {
      Pack(kFirst);
      Pack(kSecond);
    }
    if (event == Event::kRotate || event == Event::kRotateAndPack) {
      Rename("0.log", kThird);
      Write("0.log", 2);
    }
    if (event == Event::kRestart || event == Event::kRestartAndRotate) Write("1.log", 2);
    if (event == Event::kRestartAndRotate) {
      Rename("1.log", "1.log.20240101-000004");
      Write("1.log", 2);
    }
  }

  void Check(Event event, uint64_t moment) {
    std::vector<std::string> all = arrived_before_;
    for (const std::string& line : Lines()) all.push_back(line);
    EXPECT_EQ(all, written_) << "event " << static_cast<int>(event) << " before call " << moment;
    EXPECT_EQ(losses.bytes(), 0U) << "event " << static_cast<int>(event) << " before call " << moment;
  }

  void Write(const std::string& name, int lines) {
    for (int i = 0; i < lines; ++i) {
      written_.push_back(name + " " + std::to_string(written_.size()));
      mem.Append(kFolder + name, written_.back() + "\n");
    }
  }
  void Rename(const std::string& from, const std::string& to) { mem.Move(kFolder + from, kFolder + to); }
  void Pack(const std::string& name) {
    const std::string path = kFolder + name;
    mem.Append(path + ".tmp", Gzip(mem.Content(path)));
    mem.Move(path + ".tmp", path + ".gz");
    mem.Unlink(path);
  }

  Strings written_, arrived_before_;
};

class TailerRace : public ::testing::TestWithParam<std::tuple<Event, bool, bool>> {};

// A file that was renamed after its saved position had been found valid, and before it was
// opened, lost that position: what was not stored of it never arrived.
TEST_P(TailerRace, WhateverHappensBetweenTwoCallsOfAStart) {
  const auto [event, stored_some, modern] = GetParam();
  uint64_t moment = 0;
  for (bool happened = true; happened && !::testing::Test::HasFailure(); ++moment) {
    LogCapture quiet;
    Race race(modern, modern);  // else without times of birth, and polled
    happened = race.Run(event, moment, stored_some);
  }
  EXPECT_GT(moment, 20U);
}

INSTANTIATE_TEST_SUITE_P(Stories, TailerRace,
                         ::testing::Combine(::testing::ValuesIn(kEvents), ::testing::Bool(), ::testing::Bool()));

// logrotate's numbers: all names shift, so that a listing's names belong to other files a
// moment later. The last line of each file is unterminated until its end is known.
class ShiftRace : private TailerWorld {
 public:
  enum class Event { kShift, kShiftTwice, kShiftAndCreateLater };

  ShiftRace(bool births, bool events, const std::string& pattern) {
    mem.set_has_birth_times(births);
    inotify = events;
    AddTarget(pattern);
  }

  // False: the agent has made fewer calls in its first seconds.
  bool Run(Event event, uint64_t moment) {
    Start();
    tailer->Save(clock.Now());
    Kill();
    clock.Advance(1s);  // all of it comes while the agent is down
    for (int i = 0; i < 3; ++i) {
      Write();
      Shift();
    }
    Write();
    uint64_t calls = 0;
    bool created = event != Event::kShiftAndCreateLater;
    bool happened = false;
    faulty.set_before([&](testing::FsCall, const std::string&) {
      if (happened && !created) {
        created = true;
        Write();
      }
      if (happened || calls++ < moment) return;
      happened = true;
      for (int i = 0; i < (event == Event::kShiftTwice ? 2 : 1); ++i) {
        Shift();
        if (created) Write();
      }
    });
    Start();
    Pass(1s);
    faulty.set_before(nullptr);
    if (happened && !created) Write();
    Shift();
    Write();
    Pass(inotify ? 3s : 12s);
    Strings expected = written_;
    expected.pop_back();  // nobody can know yet whether it is whole
    EXPECT_EQ(Lines(), expected) << "before call " << moment;
    EXPECT_EQ(losses.bytes(), 0U);
    return happened;
  }

 private:
  void Write() {
    for (int i = 0; i < 2; ++i) written_.push_back("line " + std::to_string(written_.size()));
    mem.Append("/logs/app.log", written_[written_.size() - 2] + "\n" + written_.back());
  }
  void Shift() {
    for (int i = 9; i >= 1; --i) {
      const std::string from = "/logs/app.log." + std::to_string(i);
      if (mem.Exists(from)) mem.Move(from, "/logs/app.log." + std::to_string(i + 1));
    }
    mem.Move("/logs/app.log", "/logs/app.log.1");
  }

  Strings written_;
};

class TailerShiftRace : public ::testing::TestWithParam<std::tuple<ShiftRace::Event, bool, const char*>> {};

// The oldest file took a name that was not in the listing, and came last; a rotated name
// was looked at before the path that it had come from, and its last line was waited for.
TEST_P(TailerShiftRace, WhateverShiftsBetweenTwoCallsOfAStart) {
  const auto [event, modern, pattern] = GetParam();
  uint64_t moment = 0;
  for (bool happened = true; happened && !::testing::Test::HasFailure(); ++moment) {
    LogCapture quiet;
    happened = ShiftRace(modern, modern, pattern).Run(event, moment);
  }
  EXPECT_GT(moment, 20U);
}

INSTANTIATE_TEST_SUITE_P(Stories, TailerShiftRace,
                         ::testing::Combine(::testing::Values(ShiftRace::Event::kShift, ShiftRace::Event::kShiftTwice,
                                                              ShiftRace::Event::kShiftAndCreateLater),
                                            ::testing::Bool(), ::testing::Values("/logs/app.log", "/logs/app.log*")));

class TailerRaceStory : public ::testing::Test, protected TailerWorld {};

// The path led nowhere, and was there a moment later: it was taken for a symlink that leads
// nowhere, reported, and left alone for a second.
TEST_F(TailerRaceStory, AFileThatIsCreatedBetweenTwoCallsIsNoDanglingSymlink) {
  const std::string log = "/logs/app.log";
  mem.Append(log, "1\n");
  AddTarget("/logs/*.log");
  Start();
  Step();
  mem.Move(log, log + ".1");
  int looks = 0;
  faulty.set_before([&](testing::FsCall call, const std::string& path) {
    if (call == testing::FsCall::kStat && path == log && !mem.Exists(log) && ++looks == 2) mem.Append(log, "2\n");
  });
  LogCapture said;
  Step();
  EXPECT_EQ(looks, 2);
  EXPECT_EQ(State(log), "followed");
  EXPECT_EQ(said.text().find("cannot read a file"), std::string::npos) << said.text();
  Pass(100ms);
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
}

// There were no descriptors left when the agent looked at the new file; then it was rotated.
// Its rotated name, which the pattern matches, was looked at first.
TEST_F(TailerRaceStory, AFileThatCouldNotBeOpenedAndIsRotatedStaysWithItsPath) {
  const std::string log = "/logs/app.log";
  AddTarget("/logs/app.log*");
  mem.Append(log, "1\n");
  Start();
  Step();
  mem.Move(log, log + ".1");
  mem.Append(log, "2");
  faulty.FailAlways(testing::FsCall::kOpenRead, EMFILE);
  LogCapture quiet;
  Step();
  faulty.Heal();
  bool moved = false;
  faulty.set_before([&](testing::FsCall call, const std::string& path) {
    if (moved || call != testing::FsCall::kStat || path != log) return;
    moved = true;
    mem.Move(log + ".1", log + ".2");
    mem.Move(log, log + ".1");
  });
  Pass(2s);
  EXPECT_TRUE(moved);
  mem.Append(log, "3\n");
  Pass(2s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3"}));
}

// Without times of birth an empty file is nothing but a number. An archive that had the
// number after a restart was taken for it, and read as if it were text.
TEST_F(TailerRaceStory, AnArchiveWithTheNumberOfAnEmptyFileIsNotThatFile) {
  mem.set_has_birth_times(false);
  mem.set_reuse_inodes(true);
  const std::string folder = "/var/log/pods/ns_pod_uid/app/", rotated = folder + "1.log.20240101-000001";
  mem.MakeDirectories(folder);
  AddTarget("/var/log/pods/*/*/*.log");
  acknowledge = false;
  mem.Append(folder + "0.log", "");
  mem.Append(folder + "1.log", "1\n");
  Start();
  Step();
  tailer->Save(clock.Now());
  Kill();
  arrived.clear();
  const uint64_t number = mem.InodeOf(folder + "0.log");
  mem.Unlink(folder + "0.log");
  mem.Append(rotated + ".gz", Gzip("1\n"));
  ASSERT_EQ(mem.InodeOf(rotated + ".gz"), number);
  mem.Move(folder + "1.log", rotated);
  mem.Unlink(rotated);
  mem.Append(folder + "1.log", "2\n");
  Start();
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
}

// A name was shifted after its file had been opened, and before it was asked whether that
// file was settled: it was read a second time.
TEST_F(TailerRaceStory, ASettledFileIsKnownThoughItsNameHasMovedOn) {
  mem.set_has_birth_times(false);
  const std::string log = "/logs/app.log";
  AddTarget("/logs/app.log*");
  mem.Append(log, "1\n");
  Start();
  Step();
  mem.Move(log, log + ".1");
  mem.Append(log, "2\n");
  Pass(15s);  // the first file is settled
  mem.Move(log + ".1", log + ".2");
  mem.Move(log, log + ".1");
  mem.Append(log, "3\n");
  bool opened = false, moved = false;
  faulty.set_before([&](testing::FsCall call, const std::string& path) {
    if (moved) return;
    if (opened && call == testing::FsCall::kFileStat) {
      moved = true;
      for (int i = 2; i >= 0; --i) {
        mem.Move(log + (i == 0 ? "" : "." + std::to_string(i)), log + "." + std::to_string(i + 1));
      }
      mem.Append(log, "4\n");
    }
    opened = call == testing::FsCall::kOpenRead && path == log + ".2";
  });
  Pass(15s);
  EXPECT_TRUE(moved);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));
}

// The directory had been listed for another log, and the listing was used again: it did not have
// the new name of what was rotated since. That was read behind the file that had replaced it.
TEST_F(TailerRaceStory, AFileThatIsRotatedSinceItsDirectoryWasListedForAnother) {
  AddTarget("/logs/*.log");
  Start();
  Kill();
  clock.Advance(1s);
  mem.Append("/logs/a.log", "a\n");
  mem.Append("/logs/b.log", "1\n");
  bool listed = false, rotated = false;
  faulty.set_before([&](testing::FsCall call, const std::string& path) {
    if (listed && !rotated && call == testing::FsCall::kStat && path == "/logs/b.log") {
      rotated = true;
      mem.Move(path, path + ".20240101-000001");
      mem.Append(path, "2\n");
    }
    listed = listed || (call == testing::FsCall::kOpenRead && path == "/logs/a.log");
  });
  Start();
  EXPECT_TRUE(rotated);
  lane->Read(clock.Now());  // before there are events
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"a", "1", "2"}));
}

// Between two looks an empty log was copied and rotated twice: one missed file is older than the one
// that is known, one is newer. All that was missed was read first, or on its own.
TEST_F(TailerRaceStory, MissedFilesAreReadBeforeAndBehindTheOneThatIsKnown) {
  for (const bool begun : {false, true}) {
    const std::string log = begun ? "/logs/b.log" : "/logs/a.log";
    const auto rotate = [&](int oldest) {
      for (int i = oldest; i >= 0; --i) {
        mem.Move(log + (i == 0 ? "" : "." + std::to_string(i)), log + "." + std::to_string(i + 1));
      }
    };
    targets.clear();
    AddTarget(log);
    mem.Append(log, begun ? "1" : "");
    Start();
    Step();  // perhaps half of a line is read
    mem.Append(log + ".1", "");
    mem.Append(log, begun ? " whole\n" : "1 whole\n");
    rotate(1);
    mem.Append(log, "2\n");
    rotate(2);
    mem.Append(log, "3\n");
    Pass(15s);
    EXPECT_EQ(lane->texts(), (Strings{"1 whole", "2", "3"})) << begun;
    Kill();
    arrived.clear();
  }
}

// The log was deleted, written anew, and rotated before the agent looked at either: the new file was
// taken for one of the path that it was rotated to, which the pattern matches, and nobody would end
// its last line before the next rotation.
TEST_F(TailerRaceStory, AFileThatIsRotatedUnseenStaysWithItsPath) {
  const std::string log = "/logs/app.log";
  AddTarget("/logs/app.log*");
  mem.Append(log + ".1", "1\n");
  mem.Append(log, "2\n");
  Start();
  Step();
  mem.Unlink(log + ".1");
  mem.Unlink(log);
  mem.Append(log, "3");
  bool rotated = false;
  faulty.set_before([&](testing::FsCall call, const std::string& path) {
    if (rotated || call != testing::FsCall::kStat || path != log) return;
    rotated = true;
    mem.Move(log, log + ".1");
  });
  Pass(500ms);
  EXPECT_TRUE(rotated);
  mem.Append(log, "4\n");
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3", "4"}));
}

// There were no descriptors left for a file that was rotated unseen. When the last file that was known
// of its path was settled the path was forgotten, and the next start took the rotated file for history.
TEST_F(TailerRaceStory, AFileThatCouldNotBeOpenedIsNotForgottenWithItsPath) {
  const std::string log = "/logs/0.log";
  AddTarget("/logs/*.log");
  mem.Append(log, "1\n");
  Start();
  acknowledge = false;
  Step();
  mem.Unlink(log);
  Pass(15s);
  mem.Append(log, "2\n");
  mem.Move(log, log + ".20240101-000001");
  faulty.FailAlways(testing::FsCall::kOpenRead, EMFILE);
  LogCapture quiet;
  acknowledge = true;
  Pass(5s);
  Stop();
  clock.Advance(1s);
  faulty.Heal();
  Start();
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
}

// The event of a last line came before those that told of its file's new name, and of its archive: the
// file was looked for under its old name, and forgotten.
TEST_F(TailerRaceStory, ALateLineInAShortFileThatIsRenamedAndPackedAtOnce) {
  const std::string log = "/logs/app.log";
  AddTarget(log);
  mem.Append(log, "1\n");
  const auto writer = mem.OpenToAppend(log);
  Start();
  Step();
  mem.Move(log, log + ".1");
  mem.Append(log, "2\n");
  Pass(15s);  // the first file is settled
  mem.Append(writer, "late\n");
  mem.Move(log + ".1", log + ".2");
  mem.Move(log, log + ".1");
  mem.Append(log, "3\n");
  mem.Append(log + ".2.tmp", Gzip(mem.Content(log + ".2")));
  mem.Move(log + ".2.tmp", log + ".2.gz");
  mem.Unlink(log + ".2");
  Pass(15s);
  Strings lines = Lines();
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines, (Strings{"1", "2", "3", "late"}));
}

// Without times of birth a new file that gets the number of a settled one, and is rotated to its name,
// was taken for it: its end was read first, and then all of it, behind newer lines.
TEST_F(TailerRaceStory, ASettledFilesNumberAndNameAreUsedAgain) {
  mem.set_has_birth_times(false);
  mem.set_reuse_inodes(true);
  const std::string log = "/logs/app.log";
  AddTarget(log);
  mem.Append(log, "1\n");
  const uint64_t number = mem.InodeOf(log);
  Start();
  Step();
  mem.Move(log, log + ".1");
  mem.Append(log, "2\n");
  Pass(15s);  // the first file is settled
  mem.Unlink(log);
  mem.Unlink(log + ".1");
  mem.Append(log, "3, and more\n");
  ASSERT_EQ(mem.InodeOf(log), number);
  mem.Move(log, log + ".1");
  mem.Append(log, "4\n");
  Pass(15s);
  EXPECT_EQ(Lines(), (Strings{"1", "2", "3, and more", "4"}));
}

// Nothing was at the path of a log any more. A new one, which was rotated between two looks to a name that
// the pattern matches, was taken for one of that name, and its last line waited for the next rotation.
TEST_F(TailerRaceStory, ALogThatComesBackAndIsRotatedUnseenStaysWithItsPath) {
  bool happened = true;
  for (uint64_t moment = 0; happened; ++moment) {
    TailerWorld world;
    world.inotify = false;
    world.mem.set_reuse_inodes(false);
    const std::string log = "/logs/app.log";
    world.AddTarget("/logs/app.log*");
    world.acknowledge = false;
    world.mem.Append(log, "1\n");
    world.Start();
    world.Step();
    world.mem.Move(log, log + ".1");
    world.Pass(15s);
    world.mem.RemoveAll("/logs");
    world.mem.MakeDirectories("/logs");
    world.mem.Append(log, "2");
    happened = false;
    world.faulty.set_before([&, calls = uint64_t{0}](testing::FsCall, const std::string&) mutable {
      if (happened || calls++ < moment) return;
      happened = true;
      world.mem.Move(log, log + ".1");
    });
    world.Pass(1s);
    world.faulty.set_before(nullptr);
    if (!happened) world.mem.Move(log, log + ".1");
    world.Pass(15s);
    EXPECT_EQ(world.Lines(), (Strings{"1", "2"})) << "before call " << moment;
  }
}

}  // namespace
}  // namespace agent::source
