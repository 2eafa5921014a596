// SPDX-License-Identifier: Apache-2.0
// The daemon: every part made in the order of the data's way, started, and stopped in
// reverse. Threads: io (inotify, timers, admin), one per lane, net. The two hand-offs
// between them are the lanes' inboxes and the pusher's.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "agent/app/command_line.h"
#include "agent/app/settings.h"
#include "agent/core/result.h"
#include "agent/metrics/registry.h"

namespace agent::app {

class Agent {
 public:
  // `settings` are complete and without errors.
  Agent(CommandLine line, std::shared_ptr<const Settings> settings, metrics::Registry& registry);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Opens positions and the HTTP server, then starts the threads. An Error: nothing runs.
  Status Start();
  // Blocks until SIGINT or SIGTERM, then shuts down: reads no more,
  // flushes for at most -shutdown-timeout, saves positions. The exit code.
  int RunUntilSignal();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::app
