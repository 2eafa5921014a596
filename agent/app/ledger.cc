// SPDX-License-Identifier: Apache-2.0
#include "agent/app/ledger.h"

#include "agent/core/log.h"

namespace agent::app {

Ledger::Ledger(metrics::Registry& registry) : registry_(registry) {
  // From the start, so that a first loss is an increase.
  for (const char* reason : {"truncated_unread", "pinned_budget", "deleted_while_down", "client_removed", "line_too_long",
                             "greater_than_max_sample_age", "too_far_behind", "invalid_labels"}) {
    Count(reason, 0, 0, false);
  }
  for (const char* reason : {"line_too_long", "stream_limited"}) Count(reason, 0, 0, true);
}

void Ledger::Count(std::string_view reason, uint64_t lines, uint64_t bytes, bool intended) {
  const metrics::Labels labels = {{"reason", std::string(reason)}};
  const std::string name = intended ? "sluice_limited_" : "sluice_lost_";
  const std::string what = intended ? " not delivered because of a limit of the configuration, by reason."
                                    : " lost for good although nobody asked for it, by reason.";
  registry_.GetCounter(name + "lines_total", "Lines" + what, labels).Add(static_cast<double>(lines));
  registry_.GetCounter(name + "bytes_total", "Bytes" + what, labels).Add(static_cast<double>(bytes));
}

void Ledger::Lose(std::string_view pod, std::string_view reason, uint64_t lines, uint64_t bytes,
                  std::string_view detail, bool intended, MonoTime now, WallNanos wall) {
  Count(reason, lines, bytes, intended);
  Sum to_log;
  {
    MutexLock lock(mutex_);
    Key key{std::string(pod), std::string(reason)};
    if (entries_.size() >= kTopPods && !entries_.contains(key)) key.first = "other";
    const bool fresh = !entries_.contains(key);
    Entry& entry = entries_[key];
    entry.row.pod = key.first;
    entry.row.reason = key.second;
    entry.row.sum.lines += lines;
    entry.row.sum.bytes += bytes;
    entry.row.detail = detail;
    entry.row.last = wall;
    entry.row.intended = intended;
    if (intended) return;
    lost_.lines += lines;
    lost_.bytes += bytes;
    entry.unlogged.lines += lines;
    entry.unlogged.bytes += bytes;
    if (!fresh && now - entry.logged < kLogEvery) return;
    entry.logged = now;
    to_log = std::exchange(entry.unlogged, Sum{});
  }
  LogError("log lines were lost", {{"pod", pod},
                                   {"reason", reason},
                                   {"lines", to_log.lines},
                                   {"bytes", to_log.bytes},
                                   {"detail", detail}});
}

std::vector<Ledger::Row> Ledger::Rows() const {
  MutexLock lock(mutex_);
  std::vector<Row> rows;
  for (const auto& [key, entry] : entries_) rows.push_back(entry.row);
  return rows;
}

Ledger::Sum Ledger::Lost() const {
  MutexLock lock(mutex_);
  return lost_;
}

std::string PodOf(const LabelMap& labels) {
  const auto name_space = labels.find("namespace");
  const auto pod = labels.find("pod");
  if (pod != labels.end()) {
    return (name_space == labels.end() ? std::string() : name_space->second + "/") + pod->second;
  }
  const auto file = labels.find("filename");
  return file != labels.end() ? file->second : FormatLabels(labels);
}

}  // namespace agent::app
