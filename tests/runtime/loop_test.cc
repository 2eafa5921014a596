// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace agent::runtime {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Runs the call on the loop and waits for it.
void On(Loop& loop, std::move_only_function<void()> call) {
  std::promise<void> done;
  loop.Post([&] {
    call();
    done.set_value();
  });
  done.get_future().wait();
}

TEST(RuntimeLoop, RunsPostedCallsInOrderOnItsOwnThread) {
  Loop loop("test loop with a long name");
  std::vector<int> seen;
  loop.Post([&] { seen.push_back(0); });  // before Start
  EXPECT_FALSE(loop.OnLoop());
  loop.Start();
  for (int i = 1; i < 100; ++i) loop.Post([&seen, i] { seen.push_back(i); });
  bool inside = false;
  char name[16] = {};
  On(loop, [&] {
    inside = loop.OnLoop();
    pthread_getname_np(pthread_self(), name, sizeof name);
  });
  EXPECT_TRUE(inside);
  EXPECT_STREQ(name, "test loop with ");
  ASSERT_EQ(seen.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], i);
}

TEST(RuntimeLoop, PostFromManyThreads) {
  Loop loop("test");
  loop.Start();
  int count = 0;  // touched on the loop only
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) loop.Post([&] { ++count; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  int seen = 0;
  On(loop, [&] { seen = count; });
  EXPECT_EQ(seen, 4000);
}

TEST(RuntimeLoop, NothingRunsAfterStop) {
  auto alive = std::make_shared<int>(0);
  Loop loop("test");
  loop.Start();
  std::promise<void> stopped;
  loop.Post([&] {
    loop.Stop();
    loop.Post([alive] { ++*alive; });
    stopped.set_value();
  });
  stopped.get_future().wait();
  loop.Join();
  loop.Post([alive] { ++*alive; });
  EXPECT_EQ(*alive, 0);
}

TEST(RuntimeLoop, WithoutStartItEndsQuietly) {
  Loop loop("test");
  loop.Post([] { FAIL(); });
}

TEST(RuntimeTimer, FiresOnceAtItsDeadlineAndMayBeRearmedInside) {
  Loop loop("test");
  loop.Start();
  std::unique_ptr<Timer> timer;
  std::vector<Clock::time_point> fired;
  std::promise<void> third;
  const auto start = Clock::now();
  On(loop, [&] {
    timer = std::make_unique<Timer>(loop, [&] {
      fired.push_back(Clock::now());
      EXPECT_EQ(timer->deadline(), kNever);
      if (fired.size() < 3) timer->At(Clock::now() + 2ms);
      if (fired.size() == 3) third.set_value();
    });
    timer->At(start + 2ms);
    EXPECT_EQ(timer->deadline(), start + 2ms);
  });
  third.get_future().wait();
  On(loop, [&] { timer.reset(); });
  EXPECT_EQ(fired.size(), 3u);
  EXPECT_GE(fired[0], start + 2ms);
  EXPECT_GE(fired[2], fired[0] + 4ms);
}

TEST(RuntimeTimer, TheLastDeadlineCounts) {
  Loop loop("test");
  loop.Start();
  std::unique_ptr<Timer> timer;
  std::promise<Clock::time_point> fired;
  const auto start = Clock::now();
  On(loop, [&] {
    timer = std::make_unique<Timer>(loop, [&] { fired.set_value(Clock::now()); });
    timer->At(start + 1h);
    timer->At(start + 1ms);   // earlier
    timer->At(start + 30ms);  // later again: what was armed must not fire it early
  });
  const auto when = fired.get_future().get();
  EXPECT_GE(when, start + 30ms);
  On(loop, [&] { timer.reset(); });
}

TEST(RuntimeTimer, ADeadlineInThePastFiresAndNeverDoesNot) {
  Loop loop("test");
  loop.Start();
  std::unique_ptr<Timer> never, past;
  std::promise<void> fired;
  On(loop, [&] {
    never = std::make_unique<Timer>(loop, [] { FAIL(); });
    never->At(Clock::now() + 1ms);
    never->At(kNever);
    past = std::make_unique<Timer>(loop, [&] { fired.set_value(); });
    past->At(Clock::now() - 1h);
  });
  fired.get_future().wait();
  // Long enough for the other to have been armed and passed over.
  std::promise<void> later;
  std::unique_ptr<Timer> after;
  On(loop, [&] {
    after = std::make_unique<Timer>(loop, [&] { later.set_value(); });
    after->At(Clock::now() + 5ms);
  });
  later.get_future().wait();
  On(loop, [&] {
    never.reset();
    past.reset();
    after.reset();
  });
}

TEST(RuntimeTimer, ADestroyedTimerDoesNotFire) {
  Loop loop("test");
  loop.Start();
  std::promise<void> done;
  std::unique_ptr<Timer> gone, last;
  On(loop, [&] {
    gone = std::make_unique<Timer>(loop, [] { FAIL(); });
    gone->At(Clock::now() - 1s);  // expired, its handler is on the way
    gone.reset();
    last = std::make_unique<Timer>(loop, [&] { done.set_value(); });
    last->At(Clock::now() + 2ms);
  });
  done.get_future().wait();
  On(loop, [&] { last.reset(); });
}

TEST(RuntimeWatch, CallsBackWhileThereIsSomethingToRead) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Loop loop("test");
  loop.Start();
  std::unique_ptr<Watch> watch;
  std::string seen;
  std::promise<void> three;
  On(loop, [&] {
    watch = std::make_unique<Watch>(loop, ends[0], [&] {
      char byte = 0;
      ASSERT_EQ(read(ends[0], &byte, 1), 1);  // one at a time: it must call again
      seen += byte;
      if (seen.size() == 3) three.set_value();
    });
  });
  ASSERT_EQ(write(ends[1], "ab", 2), 2);
  ASSERT_EQ(write(ends[1], "c", 1), 1);
  three.get_future().wait();
  On(loop, [&] { watch.reset(); });
  ASSERT_EQ(write(ends[1], "d", 1), 1);  // nobody is told, and the descriptor is still open
  On(loop, [] {});
  EXPECT_EQ(seen, "abc");
  char byte = 0;
  EXPECT_EQ(read(ends[0], &byte, 1), 1);
  close(ends[0]);
  close(ends[1]);
}

TEST(RuntimeWatch, MayBeDestroyedInsideItsCall) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Loop loop("test");
  loop.Start();
  std::unique_ptr<Watch> watch;
  std::promise<void> done;
  int calls = 0;
  On(loop, [&] {
    watch = std::make_unique<Watch>(loop, ends[0], [&] {
      ++calls;
      watch.reset();
      done.set_value();
    });
  });
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  done.get_future().wait();
  On(loop, [] {});
  EXPECT_EQ(calls, 1);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace agent::runtime
