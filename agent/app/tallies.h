// SPDX-License-Identifier: Apache-2.0
// What was read, sent and dropped, by pod, and by namespace for metrics. A pod's tally
// lives while it has files; then it is added to its group for good, so that groups
// only grow, and their number is bounded: kMostGroups, the rest is one.
// Threads: io thread only; the tallies themselves are written by the lanes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/time.h"
#include "agent/model/label_set.h"
#include "agent/model/tailed_file.h"
#include "agent/source/snapshot.h"

namespace agent::app {

// The pod of a file: "namespace/pod" of its labels, else "job:NAME".
std::string PodIdOf(const LabelMap& labels, const std::string& job);

// What one metric series is about, in the form of a path: "/var/log/pods/shop_*" for all
// pods of a namespace, else the target's glob.
std::string GroupOf(const std::string& path, const Target& target);

class Tallies {
 public:
  static constexpr size_t kMostGroups = 500;

  struct Sums {
    uint64_t bytes_read = 0;
    uint64_t lines_read = 0;
  };

  // The tally of the file's pod, made if need be.
  std::shared_ptr<Tally> Of(const TailedFile& file);
  // Of a pod by its id; null if it has none.
  std::shared_ptr<const Tally> Find(const std::string& pod) const;
  // By group, those of pods that are gone included.
  std::map<std::string, Sums> Groups() const;
  // Pods of which lines were read and every one was dropped.
  size_t Silenced() const;
  // Adds tallies that no file uses any more to their groups.
  void Sweep();

 private:
  struct Pod {
    std::shared_ptr<Tally> tally;
    std::string group;
  };
  std::map<std::string, Pod> pods_;
  std::map<std::string, Sums> gone_;  // by group
  size_t sweep_at_ = 64;
};

// How long the oldest byte of a file has waited to be settled. Looks at sizes now and
// then: what was there at one look and is not settled at a later one has waited at least
// as long. Never too high; too low by the time between two looks.
class LagClock {
 public:
  struct Lag {
    uint64_t bytes = 0;
    double seconds = 0;
  };
  // Takes a look at all generations of a file.
  Lag Look(const source::FileView& file, MonoTime now);
  // After a round of Looks: forgets files that were not among them.
  void EndOfRound();

 private:
  struct Mark {
    uint64_t size = 0;  // as of `since`
    MonoTime since{};
    uint64_t round = 0;
  };
  std::map<std::string, Mark, std::less<>> behind_;  // by path, inode, start
  uint64_t round_ = 0;
};

}  // namespace agent::app
