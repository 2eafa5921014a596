// SPDX-License-Identifier: Apache-2.0
// Finds files, follows them through rotation, and hands each generation to the lanes.
//
// Fed with targets (already relabelled) and with what happens in directories; feeds a
// FileSink. It reads no log content but fingerprints. It owns the positions' truth: on
// Save it collects every file's committed offset.
//
// A generation is one inode's bytes from one offset on. The current generation of a
// path ends when the path names another inode, the file shrinks or is deleted; the next
// one is handed out with the old one as its predecessor. A generation is `finished`
// (its unterminated last line may be shipped) when the writer has surely moved on: its
// successor has bytes, or it has been quiet for a while after its name was taken away.
// Bytes that come even later become a generation of their own. A settled generation
// stays known by identity as long as the file exists, so that a rotated name which
// matches the glob is not read again.
//
// Threads: io thread only. No threads, no clock reads, no sleeps: HandleEvents when
// event_fd() is readable, Tick at NextDeadline(). Borrows everything in TailerParts.
// Cost: idle, one wake-up per second; a stat per file each sync_period. A directory
// that is written to continuously is looked at every `hot_tick` instead of once per write.
// Limits: one descriptor per followed file; deleted files that are not settled may pin
// `pinned_bytes` of disk, then the oldest is abandoned and its loss reported.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/time.h"
#include "agent/metrics/registry.h"
#include "agent/model/tailed_file.h"
#include "agent/platform/clock.h"
#include "agent/platform/fs.h"
#include "agent/platform/watcher.h"
#include "agent/source/loss.h"
#include "agent/source/positions.h"
#include "agent/source/snapshot.h"

namespace agent::source {

struct TailerOptions {
  Duration sync_period = std::chrono::seconds(10);        // target_config.sync_period
  Duration poll_period = std::chrono::milliseconds(250);  // file_watch_config, where inotify cannot work
  Duration longest_poll = std::chrono::milliseconds(250);
  Duration hot_tick = std::chrono::milliseconds(200);     // between two looks at a directory that is never quiet
  uint64_t pinned_bytes = uint64_t{1} << 30;              // limits_config.pinned_bytes
  double pinned_unpacked = 0.5;  // of it: past that, deleted files are read on in their archives
  // The kubelet's containerLogMaxSize and containerLogMaxFiles, for the time to loss.
  uint64_t log_max_size = uint64_t{10} << 20;             // limits_config.container_log_max_size
  uint64_t log_max_files = 5;                             // limits_config.container_log_max_files
  // How a scrape config's files are packed, by its index; missing = not at all.
  struct Unpacking {
    Packing packing = Packing::kPlain;
    Duration initial_delay{};
  };
  std::vector<Unpacking> unpacking;
};

struct TailerMetrics {
  metrics::Gauge* active_files = nullptr;
  metrics::Gauge* watches = nullptr;
  metrics::Gauge* polled = nullptr;
  metrics::Gauge* pinned_bytes = nullptr;
  metrics::Gauge* unreadable = nullptr;
  metrics::Gauge* seconds_to_loss = nullptr;
  metrics::Counter* overflows = nullptr;
  metrics::Counter* rotations = nullptr;
  metrics::Counter* truncations = nullptr;
  metrics::Counter* recovered = nullptr;
  metrics::Counter* lost_bytes = nullptr;
  static TailerMetrics In(metrics::Registry& registry);
};

struct TailerParts {
  platform::Fs& fs;
  platform::Watcher* watcher;  // null: everything is polled
  Clock& clock;                // for the wall clock, at the start only
  Positions& positions;
  FileSink& sink;
  LossObserver& losses;
  TailerMetrics metrics;
  // The labels of a file; without it, the target's and `filename`. None: the file is
  // excluded, and never opened; `why` says by which rule.
  std::function<std::optional<LabelMap>(const Target&, const std::string& path, std::string& why)> labels_of;
};

// Promtail's labels of a file: the path as `filename` (if the target has it) wins over
// the target's labels.
LabelMap LabelsOf(const Target& target, const std::string& path);

class Tailer {
 public:
  Tailer(TailerOptions options, TailerParts parts, MonoTime now);
  ~Tailer();
  Tailer(const Tailer&) = delete;
  Tailer& operator=(const Tailer&) = delete;

  // All targets of one scrape config as of now. A target whose labels changed goes on
  // where it was, with the new labels from the next line on; one that is gone is read
  // to its present end.
  void SetTargets(uint32_t scrape_config, std::vector<std::shared_ptr<const Target>> targets, MonoTime now);
  // Other options, from now on; how files are packed counts for new targets only.
  void Reconfigure(TailerOptions options);
  // Says that all scrape configs have had their first SetTargets: saved positions that
  // nobody claims may then be given up when their files are gone.
  void TargetsComplete();

  int event_fd() const;
  // After events that came in a rush, wait this long before the next HandleEvents.
  Duration HandleEvents(MonoTime now);
  void Tick(MonoTime now);
  MonoTime NextDeadline() const;
  // Writes positions now (at shutdown, after the lanes have settled).
  bool Save(MonoTime now);

  // -- for people and /api; io thread --
  std::vector<FileView> Files() const;
  // Why `path` is or is not read, in sentences.
  std::vector<std::string> Explain(const std::string& path) const;
  uint64_t pinned_bytes() const;
  size_t watches() const;
  bool polling() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::source
