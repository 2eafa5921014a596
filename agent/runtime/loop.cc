// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/loop.h"

#include <pthread.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <thread>
#include <utility>

#include "agent/core/check.h"

namespace agent::runtime {
namespace asio = boost::asio;

struct Loop::Impl {
  explicit Impl(std::string n) : name(std::move(n)), io(1), work(asio::make_work_guard(io)) {}

  void Run() {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    runner.store(std::this_thread::get_id(), std::memory_order_relaxed);
    try {
      io.run();
    } catch (const std::exception& error) {
      CheckFailed(__FILE__, __LINE__, "an exception left a handler", error.what());
    }
    runner.store({}, std::memory_order_relaxed);  // the id may be given to another thread
  }

  const std::string name;
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::atomic<std::thread::id> runner{};
  std::thread thread;
};

Loop::Loop(std::string thread_name) : impl_(std::make_unique<Impl>(std::move(thread_name))) {}

Loop::~Loop() {
  Stop();
  Join();
}

void Loop::Start() {
  CHECK(!impl_->thread.joinable(), "a loop is started once");
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
}

void Loop::Post(std::move_only_function<void()> call) {
  asio::post(impl_->io, [call = std::move(call)]() mutable { call(); });
}

void Loop::Stop() { impl_->io.stop(); }

void Loop::Join() {
  CHECK(!OnLoop(), "a loop cannot wait for itself");
  if (impl_->thread.joinable()) impl_->thread.join();
}

bool Loop::OnLoop() const { return impl_->runner.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

// Asio's timer is moved only to an earlier time; a later deadline is noticed when it
// fires. So a deadline that is pushed back again and again costs nothing.
struct Timer::Impl : std::enable_shared_from_this<Timer::Impl> {
  Impl(asio::io_context& io, std::function<void()> c) : timer(io), call(std::move(c)) {}

  void At(MonoTime when) {
    if (when == deadline) return;
    deadline = when;
    if (when < armed) Arm(when);
  }
  void Arm(MonoTime when) {
    armed = when;
    timer.expires_at(when);
    timer.async_wait([self = shared_from_this(), number = ++waits](const boost::system::error_code& error) {
      if (error || number != self->waits) return;  // moved meanwhile, or destroyed
      self->Fire();
    });
  }
  void Fire() {
    armed = kNever;
    if (deadline == kNever) return;
    if (std::chrono::steady_clock::now() < deadline) {
      Arm(deadline);
      return;
    }
    deadline = kNever;
    call();
  }
  void Close() {
    deadline = kNever;
    ++waits;
    timer.cancel();
  }

  asio::steady_timer timer;
  const std::function<void()> call;
  MonoTime deadline = kNever;
  MonoTime armed = kNever;
  uint64_t waits = 0;
};

Timer::Timer(Loop& loop, std::function<void()> call)
    : impl_(std::make_shared<Impl>(loop.impl_->io, std::move(call))) {}
Timer::~Timer() { impl_->Close(); }
void Timer::At(MonoTime deadline) { impl_->At(deadline); }
MonoTime Timer::deadline() const { return impl_->deadline; }

struct Watch::Impl : std::enable_shared_from_this<Watch::Impl> {
  Impl(asio::io_context& io, int d, std::function<void()> r) : descriptor(io, d), readable(std::move(r)) {}

  void Wait() {
    descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const boost::system::error_code& error) {
                            if (error || self->closed) return;
                            self->readable();
                            if (!self->closed) self->Wait();
                          });
  }
  void Close() {
    closed = true;
    descriptor.release();  // not ours to close
  }

  asio::posix::stream_descriptor descriptor;
  const std::function<void()> readable;
  bool closed = false;
};

Watch::Watch(Loop& loop, int descriptor, std::function<void()> readable)
    : impl_(std::make_shared<Impl>(loop.impl_->io, descriptor, std::move(readable))) {
  impl_->Wait();
}
Watch::~Watch() { impl_->Close(); }

}  // namespace agent::runtime
