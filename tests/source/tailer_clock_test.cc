// SPDX-License-Identifier: Apache-2.0
// Clocks that jump, and how long unstored bytes will live.
#include <gtest/gtest.h>

#include "tests/source/tailer_world.h"

namespace agent::source {
namespace {

using namespace std::chrono_literals;

class TailerClock : public ::testing::Test, protected TailerWorld {
 protected:
  // One life of a file: a line, a rotation, a line; each `number` once.
  void WriteAndRotate(int number) {
    mem.Append("/logs/0.log", std::to_string(number) + "\n");
    Pass(2s);
    mem.Move("/logs/0.log", "/logs/0.log.2024010" + std::to_string(number) + "-000000");
    mem.Append("/logs/0.log", std::to_string(number) + "b\n");
    Pass(2s);
  }
};

struct Step {
  Duration by;
  bool while_down;
};
class TailerClockSteps : public TailerClock, public ::testing::WithParamInterface<Step> {};

TEST_P(TailerClockSteps, EveryLineComesOnceAndInOrder) {
  AddTarget("/logs/*.log");
  Start();
  WriteAndRotate(1);
  if (GetParam().while_down) {
    Stop();
    clock.StepWall(GetParam().by);
    Start();
  } else {
    clock.StepWall(GetParam().by);
  }
  WriteAndRotate(2);
  Restart();
  WriteAndRotate(3);
  clock.StepWall(-GetParam().by);
  WriteAndRotate(4);
  Pass(200s);
  Restart();
  Pass(200s);
  EXPECT_EQ(Lines(), (Strings{"1", "1b", "2", "2b", "3", "3b", "4", "4b"}));
  EXPECT_EQ(losses.bytes(), 0U);
}

INSTANTIATE_TEST_SUITE_P(By, TailerClockSteps,
                         ::testing::Values(Step{1h, false}, Step{-1h, false}, Step{1h, true}, Step{-1h, true},
                                           Step{std::chrono::hours(24 * 365), false},
                                           Step{-std::chrono::hours(24 * 365), true}));

TEST_F(TailerClock, AnOutageThroughAStepLosesNothing) {
  AddTarget("/logs/*.log");
  Start();
  acknowledge = false;
  mem.Append("/logs/0.log", "1\n");
  Pass(2s);
  clock.StepWall(-2h);
  mem.Unlink("/logs/0.log");
  mem.Append("/logs/0.log", "2\n");
  Pass(600s);
  acknowledge = true;
  Pass(60s);
  EXPECT_EQ(Lines(), (Strings{"1", "2"}));
  EXPECT_EQ(losses.bytes(), 0U);
}

TEST_F(TailerClock, TheTimeToLossFollowsTheRateOfWriting) {
  options.log_max_size = 10'000;
  options.log_max_files = 5;
  acknowledge = false;
  AddTarget("/logs/*.log");
  Start();
  EXPECT_TRUE(tailer->Files().empty());
  for (int second = 0; second < 100; ++second) {
    mem.Append("/logs/0.log", std::string(49, 'x') + "\n");
    Pass(1s);
  }
  // 5,000 of 10,000 bytes are written; at 50 a second the first rotation is 100 s away, and
  // four more must follow before the oldest file goes.
  ASSERT_EQ(tailer->Files().size(), 1U);
  ASSERT_TRUE(tailer->Files()[0].seconds_to_loss.has_value());
  EXPECT_NEAR(*tailer->Files()[0].seconds_to_loss, 900, 20);
  mem.Move("/logs/0.log", "/logs/0.log.20240101-000000");
  for (int second = 0; second < 20; ++second) {
    mem.Append("/logs/0.log", std::string(49, 'x') + "\n");
    Pass(1s);
  }
  EXPECT_NEAR(*tailer->Files()[0].seconds_to_loss, 780, 30);
  acknowledge = true;
  Pass(1s);
  EXPECT_EQ(tailer->Files()[0].seconds_to_loss, std::nullopt);  // all is stored
  acknowledge = false;
  mem.Append("/logs/0.log", "y\n");
  Pass(600s);
  EXPECT_EQ(tailer->Files()[0].seconds_to_loss, std::nullopt);  // nobody writes: nothing will be rotated away
}

}  // namespace
}  // namespace agent::source
