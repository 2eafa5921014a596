// SPDX-License-Identifier: Apache-2.0
// The positions file: what has been stored, so that a restart goes on from there.
//
// One file. Its YAML map is Promtail's own, path -> "offset", and Promtail reads it
// back; what Promtail has no place for (identity, rotated generations) stands in
// comment lines of the same file, so that one rename replaces all of it. Format byte by
// byte, and what a crash at each step leaves: docs/DELIVERY.md.
//
// Ownership: `fs` outlives it; app/ owns it, the Tailer and other sources borrow it.
// Threads: io thread only.
// Failure: Open refuses a file that another agent holds or that a newer version wrote.
// A torn or unreadable file is renamed to `<file>.bad-<n>` and reported. A failing Save
// is reported once per cause and tried again with back-off; nothing else stops.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"
#include "agent/core/time.h"
#include "agent/metrics/registry.h"
#include "agent/platform/fs.h"
#include "agent/source/identity.h"

namespace agent::source {

struct PositionsOptions {
  std::string filename = "/var/log/positions.yaml";  // empty: nothing is read or kept
  Duration sync_period = std::chrono::seconds(1);    // Promtail's default is 10 s
  bool ignore_invalid_yaml = false;                  // accepted; a bad file is always set aside

  bool operator==(const PositionsOptions&) const = default;
};

enum class Packing : uint8_t { kPlain, kGzip, kZlib, kBzip2 };

struct SavedPosition {
  std::string job;      // whose position; two jobs may read one file
  std::string follows;  // the path that the glob named when it was read first
  std::string path;     // where it was seen last
  Identity identity;    // of packed files: of the packed file, with the unpacked head
  Packing packing = Packing::kPlain;
  uint64_t offset = 0;  // of unpacked bytes
  uint64_t size = 0;    // as of then
  Mark mark;
};

// The same for saving: the texts belong to whoever saves it. Ten thousand copies of them
// would be the largest thing that the agent ever holds.
struct PositionView {
  PositionView() = default;
  PositionView(const SavedPosition& saved)  // NOLINT(google-explicit-constructor): it is one
      : job(saved.job), follows(saved.follows), path(saved.path), identity(saved.identity), packing(saved.packing),
        offset(saved.offset), size(saved.size), mark(saved.mark) {}

  std::string_view job;
  std::string_view follows;
  std::string_view path;
  Identity identity;
  Packing packing = Packing::kPlain;
  uint64_t offset = 0;
  uint64_t size = 0;
  Mark mark;
};

struct PositionsMetrics {
  metrics::Counter* saves = nullptr;
  metrics::Counter* failed_saves = nullptr;
  metrics::Gauge* entries = nullptr;
  static PositionsMetrics In(metrics::Registry& registry);
};

struct PositionsToWrite;

class Positions {
 public:
  static Result<std::unique_ptr<Positions>> Open(platform::Fs& fs, PositionsOptions options,
                                                 PositionsMetrics metrics = {});
  ~Positions();
  Positions(const Positions&) = delete;
  Positions& operator=(const Positions&) = delete;

  const PositionsOptions& options() const { return options_; }
  void set_sync_period(Duration period) { options_.sync_period = period; }

  // -- what was loaded --
  const std::vector<SavedPosition>& files() const { return files_; }
  // Entries without an identity: Promtail's. The values are text.
  const std::map<std::string, std::string>& by_path() const { return by_path_; }
  // Up to when the agent that saved it had seen every change; of Promtail's, when the
  // file was written. Wall clock; 0 = there was no file.
  int64_t seen_until_ns() const { return seen_until_ns_; }

  // -- positions that are not of files ("cursor-<job>"), for other sources --
  std::string Cursor(const std::string& key) const;
  void SetCursor(const std::string& key, std::string value);

  // Writes everything; `files` in the order in which their bytes were written. False:
  // it failed, or has failed so recently that it was not tried.
  bool Save(const std::vector<PositionView>& files, const std::map<std::string, std::string>& by_path,
            WallNanos seen_until, MonoTime now);
  bool cursors_changed() const { return cursors_changed_; }
  // When the last good Save was; kNever if none was.
  MonoTime saved_at() const { return saved_at_; }
  const std::string& trouble() const { return trouble_; }  // why saving fails now, or empty

 private:
  Positions(platform::Fs& fs, PositionsOptions options, PositionsMetrics metrics);
  Status Lock();
  Status Load();
  Status SetAside(const std::string& why);
  Status Write(const PositionsToWrite& content);
  Status WriteTemporary(const std::string& path, const PositionsToWrite& content);

  platform::Fs& fs_;
  PositionsOptions options_;
  const PositionsMetrics metrics_;
  std::unique_ptr<platform::File> lock_;
  std::vector<SavedPosition> files_;
  std::map<std::string, std::string> by_path_;
  std::map<std::string, std::string> cursors_;
  bool cursors_changed_ = false;
  int64_t seen_until_ns_ = 0;
  uint32_t mode_ = 0600;
  std::string bad_;  // why the file on disk must be set aside before it is replaced
  std::string trouble_;
  MonoTime saved_at_ = kNever;
  MonoTime retry_at_{};
  Duration backoff_{};
};

}  // namespace agent::source
