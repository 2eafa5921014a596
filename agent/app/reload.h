// SPDX-License-Identifier: Apache-2.0
// The configuration in use, and how another takes its place while files are read.
//
// A new text is loaded whole before anything changes; with any error in it the old
// configuration goes on, and the error is kept for the page, the log and a metric.
// Jobs are told apart by their job_name: one that did not change keeps its files, its
// pipeline and what the pipeline holds. A job that changed goes on at the same byte with
// the new pipeline. One that is gone is read to its present end. Clients that changed
// take over what the old ones could not deliver (internal/pushers.h).
// Where the server listens and which file keeps positions cannot change: a text that asks
// for it is refused, naming the key.
//
// The file is looked at every kLookEvery by name, so that a symlink that is swapped
// (Kubernetes' ..data) counts as a change; only another text is loaded. Files of secrets
// need no reload: http/ reads them at every request.
// Threads: io thread only. Borrows everything.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/app/command_line.h"
#include "agent/app/settings.h"
#include "agent/core/result.h"
#include "agent/core/time.h"
#include "agent/metrics/registry.h"
#include "agent/platform/clock.h"
#include "agent/platform/fs.h"

namespace agent::app {

// Puts `fresh` into the order of `old`: every job of `old` keeps its index (as a job
// without targets if it is gone), new ones stand behind. Pipelines with the same text
// stay the same object.
void ArrangeLike(const Settings& old, Settings& fresh);

class Reloader {
 public:
  static constexpr Duration kLookEvery = std::chrono::seconds(2);

  // `apply` makes the parts of the program follow. Not called with the first settings. An
  // Error: they cannot, and nothing has changed.
  using Apply = std::function<Status(const Settings& old, const std::shared_ptr<const Settings>& fresh)>;

  Reloader(const CommandLine& line, std::shared_ptr<const Settings> settings, metrics::Registry& registry, Clock& clock,
           platform::Fs& fs, Apply apply);

  // Loads and applies. An Error says what is wrong with the new text; the old goes on.
  Status Reload(const char* why);

  // Looks at the file, if it is time and -config.watch is set.
  void Tick(MonoTime now);
  MonoTime NextDeadline() const { return next_look_; }

  const std::shared_ptr<const Settings>& current() const { return current_; }
  const std::string& last_error() const { return last_error_; }  // of the last reload; empty: it went well
  WallNanos loaded_at() const { return loaded_at_; }

 private:
  struct Look {  // what the name leads to
    uint64_t device = 0;
    uint64_t inode = 0;
    uint64_t size = 0;
    int64_t modified_ns = 0;
    bool operator==(const Look&) const = default;
  };
  Look LookAtFile() const;
  Status Refuse(std::string what);

  const CommandLine& line_;
  std::shared_ptr<const Settings> current_;
  metrics::Registry& registry_;
  Clock& clock_;
  platform::Fs& fs_;
  const Apply apply_;
  std::string text_;  // of the configuration in use, or of the last one that was refused
  Look seen_;
  std::string last_error_;
  WallNanos loaded_at_ = 0;
  MonoTime next_look_ = kNever;
};

}  // namespace agent::app
