// SPDX-License-Identifier: Apache-2.0
// Says in the log, without being asked, what `agent explain` would answer about causes
// that raise no error anywhere: no file is found, a rule excludes files, a pod's every
// line is dropped. Once for each cause.
// Threads: io thread only. Cost: a walk over the files one, two, four, ... seconds after
// the start, then once a minute, and only while something happens.
#pragma once

#include <set>
#include <string>

#include "agent/app/tallies.h"
#include "agent/app/targets.h"
#include "agent/core/time.h"
#include "agent/source/tailer.h"

namespace agent::app {

class Lookout {
 public:
  static constexpr Duration kFirst = std::chrono::seconds(1);
  static constexpr Duration kLongest = std::chrono::minutes(1);
  static constexpr Duration kPatience = std::chrono::seconds(5);  // with no file at all
  static constexpr size_t kMostSaid = 1000;

  // Borrows everything.
  Lookout(const source::Tailer& tailer, const Targets& targets, const Tallies& tallies, MonoTime now)
      : tailer_(tailer), targets_(targets), tallies_(tallies), started_(now), next_(now + kFirst) {}

  void Tick(MonoTime now);
  // Only while no file is found: everything else can wait until something happens.
  MonoTime NextDeadline() const { return nothing_ ? next_ : kNever; }

 private:
  void LookForNothing(const std::vector<source::FileView>& files, MonoTime now);
  void LookForExcluded(const std::vector<source::FileView>& files);
  void LookForSilenced(const std::vector<source::FileView>& files);
  // True the first time.
  bool Say(std::string what);

  const source::Tailer& tailer_;
  const Targets& targets_;
  const Tallies& tallies_;
  const MonoTime started_;
  MonoTime next_;
  Duration pause_ = kFirst;
  bool nothing_ = true;
  std::set<std::string> said_;
};

}  // namespace agent::app
