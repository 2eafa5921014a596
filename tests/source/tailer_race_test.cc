// SPDX-License-Identifier: Apache-2.0
// Rotation does not wait until the agent has looked: whatever the kubelet does, it may do
// between any two calls that the agent makes to the file system. Each story is told once
// for every such moment.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace agent::source
