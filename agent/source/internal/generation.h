// SPDX-License-Identifier: Apache-2.0
// What the tailer keeps about targets, paths and generations. Plain structs, io thread
// only; owned by Tailer::Impl.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/time.h"
#include "agent/model/tailed_file.h"
#include "agent/platform/glob.h"
#include "agent/source/identity.h"
#include "agent/source/internal/tail_source.h"
#include "agent/source/loss.h"
#include "agent/source/positions.h"

namespace agent::source {

struct Chain;

struct Slot {  // a target's pattern
  uint64_t id = 0;
  uint32_t scrape_config = 0;
  std::shared_ptr<const Target> target;
  platform::Glob glob;
  std::optional<platform::Glob> exclude;
  Packing packing = Packing::kPlain;
  Duration initial_delay{};
  bool retired = false;  // no longer a target; its files are read to their end
};

enum class Place {
  kCurrent,  // the chain's path leads to it
  kAway,     // renamed, or its path leads elsewhere
  kDeleted,  // has no name any more
};

struct Generation {
  std::shared_ptr<TailedFile> file;
  TailSource* source = nullptr;  // == file->bytes
  Chain* chain = nullptr;
  Identity identity;
  Packing packing = Packing::kPlain;
  Place place = Place::kCurrent;
  bool located = false;
  std::string other_path;  // the last location that was known, unless it is the chain's path
  uint64_t size = 0;     // as of the last look; of the packed file if packed
  int64_t modified_ns = 0;
  uint64_t limit = UINT64_MAX;  // set when finished
  MonoTime detached_at{};
  MonoTime last_growth{};
  MonoTime head_checked_at{};
  MonoTime looked_at{};     // while it lingers
  MonoTime look_at{};       // while it lingers: not before, unless something tells of a change
  bool relabel = false;     // goes on under new labels from the next line end
  bool superseded = false;  // the container was restarted: the next number has bytes
  bool cut = false;         // truncated, and its copy is still looked for
  bool continued = false;   // another generation goes on in the same file
  bool unpacked_only = false;  // deleted, and no archive has its bytes
  MonoTime unsure_since{};     // deleted, and whether one has them cannot be told
  bool given_up = false;       // sealed before that could be told
  // Set when its bytes cannot be read any further.
  bool sealed = false;
  MonoTime sealed_at{};
  LossReason seal_reason = LossReason::kTruncated;
  bool loss_reported = false;
  // As of the last save.
  uint64_t saved_offset = UINT64_MAX;
  Mark mark;

  inline const std::string& last_path() const;
  inline std::string_view location() const;  // real path as far as known; empty: none
  // All of the beginning that is there has been read.
  bool head_complete() const {
    return packing != Packing::kPlain || identity.head.length >= Fingerprint::kMost || identity.head.length >= size;
  }
  bool finished() const { return file->finished.load(std::memory_order_relaxed); }
  bool drained() const { return file->drained.load(std::memory_order_acquire); }
};

struct ByAge {
  bool operator()(const Generation* a, const Generation* b) const { return a->file->id < b->file->id; }
};

struct Chain {  // a path that a target's pattern matches
  uint64_t id = 0;  // TailedFile::chain
  Slot* slot = nullptr;
  std::string path;
  std::string symlinked;  // where a symlink at the path leads; of the current generation, or the last one
  std::list<std::unique_ptr<Generation>> generations;  // not settled, oldest first
  Generation* current = nullptr;
  std::vector<std::string> missed;  // names that were moved away from here, unseen
  bool recovered = false;
  bool dirty = false;
  bool unsure = false;       // a disk error hides what was at the path before
  bool look_beside = false;  // a rotated file has appeared
  MonoTime looked_beside{};  // for rotated files that nobody knows
  bool vanished = false;  // the path leads nowhere
  bool passed_on = false;  // the container's next run comes after it in the lane
  std::unique_ptr<SavedPosition> resume;  // of the file that is at the path now
  MonoTime wait_until{};  // initial_delay
  uint64_t written = 0;   // since the last sync
  double rate = 0;        // bytes per second, of the last syncs
  // Why it is not read: unreadable (with a retry), or ignored.
  std::string trouble;
  int sys_errno = 0;
  bool ignored = false;
  bool excluded = false;  // by a rule; then it is ignored, too
  bool suspect_copy = false;  // looks like a copy of another file that is being made
  Identity ignored_file;
  MonoTime retry_at = kNever;
  Duration backoff{};

  const std::string& real_path() const { return symlinked.empty() ? path : symlinked; }
};

const std::string& Generation::last_path() const { return other_path.empty() ? chain->path : other_path; }
std::string_view Generation::location() const { return located ? std::string_view(last_path()) : std::string_view(); }

// A generation that is settled, and whose file still exists.
struct Settled {
  std::string job;
  std::string follows;
  std::string path;
  Identity identity;
  Packing packing = Packing::kPlain;
  uint64_t offset = 0;  // all of it, unpacked
  uint64_t size = 0;    // of the file then
  Mark mark;
};

struct Directory {  // with generations in it
  std::string path;
  std::vector<Generation*> generations;
  MonoTime last_write{};
  int burst = 0;      // writes in quick succession
  bool hot = false;   // looked at every tick, no events for writes
  MonoTime poll_at{};
  Duration poll_interval{};
};

}  // namespace agent::source
