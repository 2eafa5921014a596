// SPDX-License-Identifier: Apache-2.0
// The HTTP server on a thread of its own.
#pragma once

#include <memory>

#include "agent/admin/admin.h"
#include "agent/core/result.h"

namespace agent::app {

class AdminThread {
 public:
  // Borrows the source, the hub and the registry.
  AdminThread(const admin::ServerOptions& options, admin::AdminSource& source, admin::TailHub& tail,
              metrics::Registry& registry);
  ~AdminThread();
  AdminThread(const AdminThread&) = delete;
  AdminThread& operator=(const AdminThread&) = delete;

  // Listens, then starts the thread. On an error nothing runs.
  Status Start();
  // See Server::Use; from any thread.
  void Use(const admin::ServerOptions& options);
  // Lets running requests end, for `most` at most, then joins the thread.
  void Stop(Duration most = Duration::max());

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::app
