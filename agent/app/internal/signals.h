// SPDX-License-Identifier: Apache-2.0
// Signals without handlers: blocked in every thread before the first one starts, then
// waited for by the main thread.
#pragma once

namespace agent::app {

class Signals {
 public:
  // Blocks SIGINT, SIGTERM and SIGHUP, ignores SIGPIPE. Call it before any thread starts.
  static void Block();
  // Waits for one of them; its number.
  static int Wait();
};

}  // namespace agent::app
