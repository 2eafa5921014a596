// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/admin_thread.h"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <thread>

#include "agent/core/log.h"

namespace agent::app {

struct AdminThread::Impl {
  Impl(const admin::ServerOptions& options, admin::AdminSource& source, admin::TailHub& tail,
       metrics::Registry& registry)
      : work(context.get_executor()), server(context, options, source, tail, registry), address(options.address) {}

  boost::asio::io_context context{1};
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work;
  admin::Server server;
  const std::string address;
  std::thread thread;
};

AdminThread::AdminThread(const admin::ServerOptions& options, admin::AdminSource& source, admin::TailHub& tail,
                         metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(options, source, tail, registry)) {}

AdminThread::~AdminThread() { Stop(); }

Status AdminThread::Start() {
  if (Status listening = impl_->server.Start(); !listening) return listening;
  impl_->thread = std::thread([this] {
    pthread_setname_np(pthread_self(), "http");
    impl_->context.run();
  });
  LogInfo("serving", {{"address", impl_->address}, {"port", impl_->server.port()}});
  return {};
}

void AdminThread::Use(const admin::ServerOptions& options) {
  boost::asio::post(impl_->context, [this, options] { impl_->server.Use(options); });
}

void AdminThread::Stop(Duration most) {
  if (!impl_->thread.joinable()) return;
  boost::asio::post(impl_->context, [this, most] { impl_->server.Stop([this] { impl_->work.reset(); }, most); });
  impl_->thread.join();
}

}  // namespace agent::app
