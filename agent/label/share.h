// SPDX-License-Identifier: Apache-2.0
// Rates and fair shares: Promtail's rate of lines for the whole program, and budgets of
// bytes and weights by namespace. Asked by the lanes: before a read (may this file be
// read, and how much weight has it), after a read (what was read), and at the end of
// the pipeline (which records go on).
//
// A budget with action `slow` loses nothing: its files are not read until the budget
// has recovered; the kubelet keeps them. `drop` reads on and drops what is too much.
// Threads: thread-safe; one mutex per bucket, taken once per read or batch of records.
// Time is an argument. Nothing allocates but IndexOf.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/mutex.h"
#include "agent/core/time.h"
#include "agent/label/options.h"
#include "agent/model/label_set.h"
#include "agent/model/record.h"

namespace agent::label {

// Fills at `rate` units a second up to `burst`. May be overdrawn: it then has to
// recover. Thread-safe.
class TokenBucket {
 public:
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  // Takes as many of `wanted` whole units as there are; returns how many.
  uint64_t TakeUpTo(uint64_t wanted, MonoTime now);
  // Takes all of them, even if that overdraws it. Returns when it has recovered: `now`
  // or before, if it is not overdrawn.
  MonoTime Overdraw(uint64_t units, MonoTime now);
  // When it has recovered (see Overdraw).
  MonoTime ReadyAt(MonoTime now);

 private:
  void Refill(MonoTime now) AGENT_REQUIRES(mutex_);
  MonoTime RecoveredAt() const AGENT_REQUIRES(mutex_);

  const double rate_;
  const double burst_;
  Mutex mutex_;
  double tokens_ AGENT_GUARDED_BY(mutex_);
  MonoTime filled_ AGENT_GUARDED_BY(mutex_){};
};

// Called for every record that is removed, on the lane's thread, before it is gone.
// `reason`: Promtail's "global_rate_limiter_drop", or "namespace_budget".
using ShareDrop = std::function<void(const Record& record, std::string_view reason)>;

class Shares {
 public:
  // A namespace's number; 0 is every namespace without an entry.
  using Index = uint32_t;

  explicit Shares(ShareOptions options, ShareDrop on_drop = {});
  ~Shares();
  Shares(const Shares&) = delete;
  Shares& operator=(const Shares&) = delete;

  // Of a file: by the label `namespace`, else the discovered
  // `__meta_kubernetes_namespace`. Ask once per file.
  Index IndexOf(const TailedFile& file) const;
  // How many turns a file of it has for each turn of its neighbours (at least 1).
  uint32_t WeightOf(Index index) const;

  // When a file of the namespace may be read (`now` or before: at once).
  MonoTime ReadableAt(Index index, MonoTime now) const;
  // So many bytes of a file of the namespace have been read.
  void Charge(Index index, uint64_t bytes, MonoTime now);

  // The end of the pipeline: removes records over a budget that drops, and over the rate
  // of lines if that drops. Returns until when nothing more is to be read, because of a
  // rate of lines that does not drop; `now` or before: go on.
  MonoTime Apply(std::vector<Record*>& records, MonoTime now);

  // Whether anything is limited at all: if not, nobody need ask.
  bool limits_lines() const { return lines_ != nullptr || drops_; }
  bool limits_reading() const { return slows_; }

  struct View {  // of one configured namespace
    std::string name;
    NamespaceShare share;
    uint64_t dropped_lines = 0;
    bool slowed = false;  // its files wait now
  };
  std::vector<View> Snapshot(MonoTime now) const;

 private:
  struct Namespace;
  void DropOverBudget(std::vector<Record*>& records, MonoTime now);

  const ShareOptions options_;
  const ShareDrop on_drop_;
  std::vector<std::unique_ptr<Namespace>> namespaces_;  // by Index - 1
  std::unique_ptr<TokenBucket> lines_;
  bool drops_ = false;
  bool slows_ = false;
};

}  // namespace agent::label
