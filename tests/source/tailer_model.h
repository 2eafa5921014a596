// SPDX-License-Identifier: Apache-2.0
// The tailer against a model that knows what must arrive.
//
// A sequence of operations (writes, rotations of three kinds, gzip, truncation,
// deletion, restarts of the container, kills, restarts, outages, faults) runs on the memory
// file system, some of them between two calls of the agent's. The model
// keeps every line ever written, in which inode it is, and whether anything may excuse
// its loss: only a truncation, the removal of its last copy while the agent was down or had
// not yet heard of the file, or that copy's being given up past the pinned budget. At the end everything is healed, and
//   * every line that is not excused has been stored,
//   * no line was stored that nobody wrote,
//   * a line was stored twice only if it was stored, but not saved, when the agent was killed,
//   * lines of one path (as its label has it), and of all runs of a container, were read
//     in the order in which they were written.
#pragma once

#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/source/model_operations.h"
#include "tests/source/model_writers.h"

namespace agent::source {

class TailerModel : private ModelWriters {
 public:
  explicit TailerModel(uint64_t seed) : thorough_(seed % 3 == 0) {
    mem.set_has_birth_times(seed % 3 != 0);
    mem.set_reuse_inodes(seed % 4 == 0);
    inotify = seed % 7 != 0;
    if (seed / 4 % 3 == 0) options.pinned_unpacked = 0;  // read on in archives at once
    if (seed / 12 % 4 == 0) options.pinned_bytes = 1000;
    AddPath("/var/log/pods/ns_pod_uid/app", "0.log", Style::kKubelet, "/var/log/pods/*/*/*.log");
    AddPath("/n", "app.log", Style::kNumeric, seed % 2 == 0 ? "/n/app.log*" : "/n/*.log");
    AddPath("/c", "x.log", Style::kCopy, seed % 5 == 0 ? "/c/x.log*" : "/c/x.log");
  }

  // What went wrong, or nothing.
  std::optional<std::string> Run(const std::vector<Operation>& operations) {
    clock.Advance(std::chrono::seconds(5));
    Launch();
    for (const Operation& operation : operations) {
      Apply(operation);
      clock.Advance(std::chrono::milliseconds(1));
      if (failure_) return failure_;
    }
    CheckEnd();
    return failure_;
  }

 private:
  struct ReadLine {
    size_t line;
    uint64_t end;
    std::shared_ptr<TailedFile> file;
  };

  void Apply(const Operation& operation) {
    LogDebug("-- the model", {{"does", kDoNames[static_cast<int>(operation.what)]}, {"path", operation.a % paths_.size()}});
    const size_t index = operation.a % paths_.size();
    Path& path = paths_[index];
    const uint32_t b = operation.b;
    switch (operation.what) {
      case Do::kWrite: return Write(index, 1 + b % 4, 1 + (b >> 4) % 300);
      case Do::kWritePart: return WritePart(index);
      case Do::kRotate: return Rotate(index, b % 3 != 0);
      case Do::kLateWrite: return LateWrite(index);
      case Do::kGzip: return Compress(path);
      case Do::kDropOldest: return DropOldest(path);
      case Do::kTruncate: return TruncateAndLook(index, false);
      case Do::kCopyTruncate: return TruncateAndLook(index, true);
      case Do::kDelete: return Delete(path);
      case Do::kRemoveDirectory: return RemoveDirectory(path);
      case Do::kRestart: return RestartContainer(index, b % 3 != 0);
      case Do::kDropOldestRun: return DropOldestRun(path);
      case Do::kMeanwhile: return Meanwhile(operation);
      case Do::kEvents: return Events();
      case Do::kRead: return Read(1 + b % 5000);
      case Do::kAcknowledge: return Acknowledge(b);
      case Do::kTick: return Tick();
      case Do::kPass: return PassTime(std::chrono::milliseconds(1 + b % 3000));
      case Do::kPassLong: return PassTime(std::chrono::seconds(5 + b % 60));
      case Do::kKill: return Die(false);
      case Do::kStart: return Launch();
      case Do::kStop: return Die(true);
      case Do::kOutage: outage_ = !outage_; return;
      case Do::kOverflow: mem.set_max_queued_events(b % 2 == 0 ? 1 + b % 5 : 16384); return;
      case Do::kFaults: return Break(b);
      case Do::kHeal: faulty.Heal(); return;
    }
  }

  // What the kubelet does next, it does before one of the agent's next calls.
  void Meanwhile(const Operation& operation) {
    static constexpr Do kWhat[] = {Do::kRotate, Do::kRotate, Do::kGzip, Do::kRestart, Do::kWrite};
    const Operation then{kWhat[(operation.b >> 16) % std::size(kWhat)], operation.a, operation.b >> 8};
    calls_left_ = operation.b % 64;
    faulty.set_before([this, then](testing::FsCall, const std::string&) {
      if (calls_left_ == 0 || --calls_left_ > 0) return;
      Apply(then);
    });
  }

  // It is promised to be noticed within a look, if the file is not longer again, and not
  // renamed, by then.
  void TruncateAndLook(size_t index, bool copy) {
    if (!Truncate(index, copy)) return;
    calls_left_ = 0;
    Events();
    PassTime(std::chrono::milliseconds(300));
  }

  // -- the agent --

  void Launch() {
    if (tailer != nullptr) return;
    faulty.Heal();
    saved_at_ = kNever;
    Start();
    taken_ = 0;
  }

  void Die(bool graceful) {
    if (tailer == nullptr) return;
    if (graceful) {
      Read(1 << 20);
      while (!outage_ && lane->open_batches() > 0) StoreBatch(0);
      tailer->Save(clock.Now());
      NoteSaved();
    }
    for (const auto& [line, end, file] : stored_) ++lines_[line].allowed;
    stored_.clear();
    read_.clear();
    last_read_.clear();
    Kill();
    arrived.clear();
    for (size_t i = 0; i < inodes_.size(); ++i) {
      if (inodes_[i].names.empty()) Excuse(i);  // only the agent had it
    }
  }

  void Events() {
    if (tailer == nullptr) return;
    tailer->HandleEvents(clock.Now());
    NoteSaved();
  }
  void Tick() {
    if (tailer == nullptr) return;
    tailer->Tick(clock.Now());
    NoteSaved();
  }

  void Read(size_t most) {
    if (tailer == nullptr || outage_) return;
    lane->Read(clock.Now(), most);
    const auto& all = lane->lines();
    for (; taken_ < all.size(); ++taken_) Take(all[taken_]);
  }

  void Take(const StandInLane::Line& line) {
    const auto found = by_text_.find(line.text);
    if (found == by_text_.end()) return Fail("a line was read that nobody wrote: " + line.text + " of " + line.path + ", file " + std::to_string(line.file->id) + ", which ends at " + std::to_string(line.end));
    const Line& known = lines_[found->second];
    // Where a disk error has hidden a file for a while, only its own lines are in order.
    const bool pod = paths_[known.path].style == Style::kKubelet;
    const std::string order = faulted_ ? std::to_string(line.file->chain) : pod ? paths_[known.path].directory : line.path;
    const auto last = last_read_.find(order);
    if (!known.late && last != last_read_.end() && last->second > found->second) {
      Fail("read out of order: " + line.text + " after " + lines_[last->second].text);
    }
    if (!known.late) last_read_[order] = found->second;
    read_[line.batch].push_back({found->second, line.end, line.file});
  }

  void Acknowledge(uint32_t b) {
    if (tailer == nullptr || outage_ || lane->open_batches() == 0) return;
    StoreBatch(b % 4 != 0 ? 0 : b % lane->open_batches());  // mostly in order
  }

  void StoreBatch(size_t index) {
    const BatchId batch = lane->open_batch(index);
    lane->Acknowledge(index);
    for (const ReadLine& read : read_[batch]) {
      Line& line = lines_[read.line];
      stored_.push_back(read);
      if (++line.stored > line.allowed) {
        Fail("stored " + std::to_string(line.stored) + " times, " + std::to_string(line.allowed) + " at most: " + line.text);
      }
    }
    read_.erase(batch);
  }

  // What was saved is not read again after a kill.
  void NoteSaved() {
    NoteGivenUp();
    if (positions->saved_at() == saved_at_) return;
    saved_at_ = positions->saved_at();
    const std::vector<FileView> files = tailer->Files();
    std::erase_if(stored_, [&](const ReadLine& read) {
      return read.end <= read.file->committed_offset.load() && !BehindAHole(files, *read.file);
    });
  }

  // Of what still has a name nothing may be given up.
  void NoteGivenUp() {
    for (; losses_seen_ < losses.losses.size(); ++losses_seen_) {
      const Loss& loss = losses.losses[losses_seen_];
      if (loss.reason != LossReason::kPinnedBudget) continue;
      for (size_t i = 0; i < inodes_.size(); ++i) {
        if (inodes_[i].names.empty()) Excuse(i);
      }
    }
  }

  // Late lines are read on their own, and may be stored before what stands before them in
  // the same file; a file has one position.
  static bool BehindAHole(const std::vector<FileView>& files, const TailedFile& file) {
    for (const FileView& view : files) {
      if (view.path != file.path) continue;
      for (const GenerationView& own : view.generations) {
        if (own.start != file.start_offset) continue;
        for (const GenerationView& other : view.generations) {
          if (other.inode == own.inode && other.start < own.start && other.committed < own.start) return true;
        }
      }
    }
    return false;
  }

  void PassTime(Duration time) {
    if (tailer == nullptr) {
      clock.Advance(time);
      return;
    }
    testing::ManualExecutor(clock).Add(Deadline(), [this](MonoTime) {
      Events();
      Tick();
    }).Pass(time);
  }

  void Break(uint32_t b) {
    faulted_ = true;
    last_read_.clear();
    faulty.set_short_reads(2);
    if (b % 2 == 0) faulty.FailSometimes(testing::FsCall::kRead, EIO, 3);
    if (b % 3 == 0) faulty.FailSometimes(testing::FsCall::kOpenRead, EMFILE, 3);
    if (b % 5 == 0) faulty.FailSometimes(testing::FsCall::kList, EMFILE, 3);
    if (b % 7 == 0) faulty.FailSometimes(testing::FsCall::kOpenWrite, ENOSPC, 2);
    if (b % 11 == 0) faulty.FailSometimes(testing::FsCall::kSync, EIO, 2);
    if (b % 13 == 0) faulty.FailSometimes(testing::FsCall::kRename, EROFS, 2);
    if (b % 17 == 0) faulty.FailSometimes(testing::FsCall::kStat, EINTR, 3);
    if (b % 19 == 0) faulty.FailSometimes(testing::FsCall::kFileStat, EINTR, 3);
    if (b % 23 == 0) faulty.FailSometimes(testing::FsCall::kRealPath, EINTR, 3);
  }

  // -- the verdict --

  void Fail(const std::string& why) {
    if (!failure_) failure_ = why;
  }

  void Settle(Duration time) {
    const MonoTime end = clock.Now() + time;
    while (clock.Now() < end && !failure_) {
      PassTime(std::chrono::milliseconds(500));
      Read(1 << 20);
      while (lane->open_batches() > 0) StoreBatch(0);
    }
  }

  void CheckEnd() {
    faulty.Heal();
    mem.set_max_queued_events(16384);
    outage_ = false;
    Launch();
    for (size_t i = 0; i < paths_.size(); ++i) Write(i, 1, 1);
    Settle(std::chrono::seconds(thorough_ ? 15 : 3));
    if (!Missing().empty()) Settle(std::chrono::seconds(15));
    if (!Missing().empty()) Settle(std::chrono::minutes(10));
    if (!Missing().empty()) Fail("never stored: " + Missing());
  }

  std::map<BatchId, std::vector<ReadLine>> read_;
  std::vector<ReadLine> stored_;        // in this life of the agent, and not saved
  std::map<std::string, size_t> last_read_;  // path -> line, in this life
  size_t taken_ = 0;
  size_t losses_seen_ = 0;
  uint32_t calls_left_ = 0;  // until what happens meanwhile
  MonoTime saved_at_ = kNever;
  bool outage_ = false;
  const bool thorough_;  // waits at the end for repeats, too, that come late
  std::optional<std::string> failure_;
};

}  // namespace agent::source
