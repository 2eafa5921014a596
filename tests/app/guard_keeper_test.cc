// SPDX-License-Identifier: Apache-2.0
// The guard's decisions over restarts, on a good disk and on bad ones.
#include "agent/app/internal/guard_keeper.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "tests/label/policy_harness.h"
#include "tests/support/faulty_fs.h"
#include "tests/support/manual_clock.h"
#include "tests/support/mem_fs.h"

namespace agent::app {
namespace {

using ::testing::HasSubstr;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kPositions = "/run/sluice/positions.yaml";
constexpr const char* kState = "/run/sluice/positions.yaml.labels";

label::PolicyOptions FewValues() {
  label::PolicyOptions options;
  options.cardinality.max_values_per_label = 3;
  return options;
}

class GuardKeeperTest : public ::testing::Test {
 protected:
  GuardKeeperTest() : memory_(clock_), disk_(memory_), harness_(FewValues()) {
    memory_.MakeDirectories("/run/sluice");
    Synchronise();
    Start();
  }

  void Start(const std::string& positions = kPositions) {
    keeper_ = std::make_unique<GuardKeeper>(positions, *harness_.policy, disk_, clock_);
    keeper_->Load();
  }
  // The process dies with nothing saved but what is on the disk.
  void KillAndStart() {
    keeper_.reset();
    harness_.Make(FewValues());
    Start();
  }
  void Synchronise() {
    harness_.now = clock_.Now();
    harness_.wall = clock_.Wall();
  }
  void Advance(Duration by) {
    clock_.Advance(by);
    Synchronise();
    keeper_->Tick(clock_.Now());
  }
  void Demote() { harness_.SendValues(*harness_.Pod("cart"), "request_id", 4); }
  bool Demoted() const { return harness_.Use("request_id").demoted; }

  testing::ManualClock clock_;
  testing::MemFs memory_;
  testing::FaultyFs disk_;
  label::PolicyHarness harness_;
  std::unique_ptr<GuardKeeper> keeper_;
};

TEST_F(GuardKeeperTest, ADecisionIsOnTheDiskASecondLaterAndOutlivesAKill) {
  Demote();
  ASSERT_TRUE(Demoted());
  EXPECT_LE(keeper_->NextDeadline(), clock_.Now() + GuardKeeper::kSoon);
  Advance(GuardKeeper::kSoon);
  EXPECT_TRUE(memory_.Exists(kState));
  KillAndStart();
  EXPECT_TRUE(Demoted());
}

TEST_F(GuardKeeperTest, CountsAreSavedNowAndThenAndAtTheEnd) {
  harness_.SendValues(*harness_.Pod("cart"), "request_id", 2);
  Advance(seconds(2));
  EXPECT_FALSE(memory_.Exists(kState)) << "no decision, no hurry";
  Advance(GuardKeeper::kOften);
  EXPECT_TRUE(memory_.Exists(kState));
  harness_.SendOne(*harness_.Pod("cart"), {{"request_id", "v2"}});
  keeper_->Save();
  KillAndStart();
  EXPECT_FALSE(Demoted());
  harness_.SendOne(*harness_.Pod("cart"), {{"request_id", "v3"}});
  EXPECT_TRUE(Demoted()) << "the three from before the restart count";
}

TEST_F(GuardKeeperTest, WhatHasNotChangedIsNotWrittenAgain) {
  Demote();
  Advance(GuardKeeper::kSoon);
  const uint64_t calls = disk_.calls();
  const uint64_t inode = memory_.InodeOf(kState);
  keeper_->Save();
  keeper_->Save();
  EXPECT_EQ(disk_.calls(), calls);
  EXPECT_EQ(memory_.InodeOf(kState), inode);
}

TEST_F(GuardKeeperTest, AStateThatCannotBeReadIsSetAside) {
  memory_.Overwrite(kState, "this is no state\n");
  KillAndStart();
  EXPECT_EQ(memory_.Content(std::string(kState) + ".bad"), "this is no state\n");
  EXPECT_FALSE(memory_.Exists(kState));
  Demote();
  Advance(GuardKeeper::kSoon);
  KillAndStart();
  EXPECT_TRUE(Demoted()) << "it works on as after a first start";
}

TEST_F(GuardKeeperTest, ATornStateIsSetAside) {
  Demote();
  Advance(GuardKeeper::kSoon);
  const std::string whole = memory_.Content(kState);
  for (size_t length = 0; length < whole.size(); length += 1 + whole.size() / 200) {
    memory_.Overwrite(kState, whole.substr(0, length));
    KillAndStart();
    // Either all of it was there (a missing last newline), or none of it counts.
    EXPECT_TRUE(memory_.Exists(kState) || !Demoted()) << length;
    if (memory_.Exists(std::string(kState) + ".bad")) memory_.Unlink(std::string(kState) + ".bad");
  }
}

TEST_F(GuardKeeperTest, AFullDiskIsTriedAgainAndTheOldStateStays) {
  Demote();
  Advance(GuardKeeper::kSoon);
  const std::string before = memory_.Content(kState);
  harness_.SendValues(*harness_.Pod("cart"), "customer", 4);
  for (const auto call : {testing::FsCall::kWrite, testing::FsCall::kSync, testing::FsCall::kRename}) {
    disk_.FailAlways(call, ENOSPC);
    keeper_->Save();
    EXPECT_EQ(memory_.Content(kState), before);
    disk_.Heal();
  }
  Advance(GuardKeeper::kOften);
  KillAndStart();
  EXPECT_TRUE(harness_.Use("customer").demoted);
}

TEST_F(GuardKeeperTest, ACrashAtAnyCallLeavesTheOldStateOrTheNew) {
  Demote();
  keeper_->Save();
  const std::string old = memory_.Content(kState);
  for (uint64_t call = 0; call < 8; ++call) {
    memory_.Overwrite(kState, old);
    testing::FaultyFs crashing(memory_);
    GuardKeeper keeper(kPositions, *harness_.policy, crashing, clock_);
    harness_.SendOne(*harness_.Pod("cart"), {{"step" + std::to_string(call), "x"}});
    crashing.CrashAt(call);
    keeper.Save();
    KillAndStart();
    EXPECT_TRUE(Demoted()) << "crash at call " << call;
    EXPECT_FALSE(memory_.Exists(std::string(kState) + ".bad")) << "crash at call " << call;
  }
}

TEST_F(GuardKeeperTest, WithoutPositionsNothingIsKeptButTheWindowTurns) {
  Start("");
  Demote();
  EXPECT_TRUE(Demoted());
  keeper_->Save();
  EXPECT_LT(keeper_->NextDeadline(), kNever);
  for (int i = 0; i < 240; ++i) Advance(minutes(1));
  EXPECT_FALSE(Demoted()) << "the values are older than the window";
  EXPECT_TRUE(memory_.List("/run/sluice")->empty());
}

}  // namespace
}  // namespace agent::app
