// SPDX-License-Identifier: Apache-2.0
// Keeps the cardinality guard's decisions over a restart, in a file beside the
// positions (POSITIONS.labels), so that lines that are read again make the same streams.
// Written soon after every decision, now and then for the counts, and at the end.
// Threads: io thread. Drivable: Tick(now) at NextDeadline().
// Failure: a file that cannot be read is reported and set aside (POSITIONS.labels.bad);
// one that cannot be written is reported once. The guard then works as after a first
// start. A crash between a decision and its save, two seconds at most, loses it.
#pragma once

#include <string>

#include "agent/core/time.h"
#include "agent/label/policy.h"
#include "agent/platform/clock.h"
#include "agent/platform/fs.h"

namespace agent::app {

class GuardKeeper {
 public:
  static constexpr Duration kSoon = std::chrono::seconds(1);
  static constexpr Duration kOften = std::chrono::minutes(1);

  // `positions_file` empty: nothing is kept. Borrows the rest.
  GuardKeeper(const std::string& positions_file, label::Policy& policy, platform::Fs& fs, Clock& clock);

  // Before the lanes start.
  void Load();
  // Turns the guard's window even if no line comes, and saves what is due.
  void Tick(MonoTime now);
  MonoTime NextDeadline() const;
  void Save();

 private:
  Status Write(const std::string& text);

  const std::string file_;
  label::Policy& policy_;
  platform::Fs& fs_;
  Clock& clock_;
  uint64_t saved_decisions_ = 0;
  std::string saved_;   // what the file holds, without its time
  MonoTime next_look_{};
  MonoTime next_save_{};
  bool failing_ = false;
};

}  // namespace agent::app
