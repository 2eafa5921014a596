// SPDX-License-Identifier: Apache-2.0
// The state of the cardinality guard that all lanes share: how many values every
// guarded label has, which are demoted, and which streams are active. Knows nothing of
// records; Policy asks it once per label set that a lane does not know.
//
// Decisions are logged here. Not thread-safe: the Policy's mutex guards it. Time is an
// argument. Memory: kMaxLabels labels of at most 64 KiB (names come from the
// configuration; a name beyond that is treated as demoted), and the streams.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"
#include "agent/core/time.h"
#include "agent/label/cardinality.h"
#include "agent/label/internal/busiest.h"
#include "agent/label/internal/distinct_window.h"
#include "agent/label/options.h"

namespace agent::label {

struct Moment {
  MonoTime now{};
  WallNanos wall = 0;
};

class Guard {
 public:
  static constexpr size_t kMaxLabels = 512;

  explicit Guard(PolicyOptions options);

  const PolicyOptions& options() const { return options_; }
  void Reconfigure(PolicyOptions options, Moment moment);

  // Sees a value of a label that a pipeline has set, in a line of `pod`. True: the
  // label is demoted; `index` is its number for counting lines.
  bool Observe(std::string_view label, std::string_view value, std::string_view pod, Moment moment, uint16_t& index);
  // Sees a stream. False: it is a new one beyond the cap and is not to be opened.
  bool AdmitStream(uint64_t stream, Moment moment);
  // Sees a stream that is opened whatever the cap says.
  void ForceStream(uint64_t stream) { streams_.Add(stream); }

  // Turns the windows; verdicts of before are void if it returns true.
  bool Turn(Moment moment);
  MonoTime next_turn() const { return next_turn_; }
  // Rises with every decision.
  uint64_t decisions() const { return decisions_; }

  Cardinality Snapshot() const;
  // Lines of a demoted label, counted by the lanes without a lock.
  std::atomic<uint64_t>& demoted_lines(uint16_t index) { return demoted_lines_[index]; }

  std::string SaveState(WallNanos wall) const;
  Status LoadState(std::string_view text, Moment moment);

 private:
  struct Label {
    explicit Label(size_t exact_limit) : window(exact_limit) {}
    uint16_t index = 0;
    uint64_t budget = 0;
    DistinctWindow window;
    bool demoted = false;
    WallNanos since = 0;        // of the demotion
    MonoTime watched_since{};   // what the window holds begins here
    std::array<std::string, 3> samples;  // the latest new values
    size_t next_sample = 0;
    Busiest pods;
  };

  uint64_t BudgetOf(std::string_view label) const;
  Label* Find(std::string_view label, Moment moment);
  void Demote(std::string_view name, Label& label, Moment moment);
  void Restore(std::string_view name, Label& label, Moment moment);
  void ReviewLabel(std::string_view name, Label& label, Moment moment);
  void ReviewCap();
  Duration PartLength() const;
  size_t StreamLimit() const;
  Status LoadLine(std::string_view line, uint64_t parts, Moment moment);
  void Reset(Moment moment);
  static std::vector<std::string> SamplesOf(const Label& label);

  PolicyOptions options_;
  std::map<std::string, Label, std::less<>> labels_;
  std::vector<std::atomic<uint64_t>> demoted_lines_;
  DistinctWindow streams_;
  bool capped_ = false;
  MonoTime next_turn_ = kNever;  // set by the first look at the time
  uint64_t decisions_ = 0;
};

}  // namespace agent::label
