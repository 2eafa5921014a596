// SPDX-License-Identifier: Apache-2.0
// A lane: the one loop that strings the pure rooms together. It reads files, frames
// lines, runs pipelines, applies the label policy and fills batches; what comes back
// from push/ it acknowledges in the files' receipts.
//
// Fed by source/ (as a FileSink) and by push/ (as a DeliverySink); feeds push/.
// Threads: Add, Readable, Settled and Stop may be called from any thread: they go to an
// inbox, and `wake` is called. Everything else is for the lane's own thread, or for
// a test that cranks RunOnce by hand. No clock is read, nothing blocks.
// Order: files of one chain are read one after the other, so lines of one path stay in
// order. Fairness: files take turns of one read (options.read_size) each.
// Memory: one read buffer, the batch arena, open batches; nothing is read while the
// budget is used up. Deliveries give their bytes back.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "agent/batch/batcher.h"
#include "agent/core/budget.h"
#include "agent/core/mutex.h"
#include "agent/core/time.h"
#include "agent/flow/observer.h"
#include "agent/frame/framer.h"
#include "agent/model/push_batch.h"
#include "agent/model/tailed_file.h"
#include "agent/stage/pipeline.h"

namespace agent::flow {

struct LaneOptions {
  uint32_t index = 0;
  size_t read_size = 256 * 1024;
  // A line longer than this is cut into several.
  size_t max_physical_line = 16 * 1024 * 1024;
  // Packed bytes that wait for an answer. More of them would not make a slow Loki faster.
  uint64_t most_unsent = 6 * 1024 * 1024;
  std::vector<std::shared_ptr<const stage::PipelinePlan>> pipelines;  // by Target::pipeline
  std::vector<batch::BatcherOptions> clients;
  bool trim_lines = false;  // the rules of standard input (frame/framer.h)
};

// Numbers for metrics and /api; written by the lane, read by anyone.
struct LaneStats {
  std::atomic<uint64_t> bytes_read{0};
  std::atomic<uint64_t> lines_read{0};
  std::atomic<uint64_t> records_out{0};
  std::atomic<uint64_t> bytes_out{0};  // line bytes of those
  std::atomic<uint64_t> not_in_format{0};
  std::atomic<uint64_t> partials_joined{0};
  std::atomic<uint64_t> lines_cut{0};
  std::atomic<uint64_t> read_errors{0};
  std::atomic<uint64_t> files{0};
  std::atomic<uint64_t> label_sets{0};
  std::atomic<uint64_t> streams{0};
  std::atomic<uint64_t> batches_sent{0};
  std::atomic<uint64_t> waits_for_budget{0};
  std::atomic<uint64_t> configurations{0};  // taken over since the start
};

class Lane final : public FileSink, public DeliverySink, private PushSink {
 public:
  // `budget`, `push`, `observer` outlive the lane; `wake` is called after every post.
  Lane(LaneOptions options, ByteBudget& budget, PushSink& push, Observer& observer, std::function<void()> wake);
  ~Lane() override;

  // -- any thread --
  void Add(std::shared_ptr<TailedFile> file) override;
  void Readable(const std::shared_ptr<TailedFile>& file) override;
  void Settled(Delivery delivery) override;
  // An entry of the agent's own, past pipelines and policies. It holds no position: a
  // crash may lose it.
  void Announce(LabelMap labels, std::string line);
  // Read no more; close every batch. Records kept back stay in their files, unless
  // nothing came to them for a moment (multiline), or `flush_held` (standard input, dry run).
  void Stop(bool flush_held);
  // New pipelines and clients, for files added from now on and for the rest of those
  // that are being read; the observer's shares are asked for again. Open batches are
  // closed first. Pipelines keep their index: none may go, new ones stand at the end,
  // and one that is the same plan as before keeps its state.
  void Reconfigure(LaneOptions options);

  // -- the lane's thread --
  // Takes what the inbox holds, does one turn of work; true if more is ready now.
  bool RunOnce(MonoTime now, WallNanos wall);
  // When RunOnce wants to be called even if nothing is posted.
  MonoTime NextDeadline() const;
  // Nothing open, nothing in flight, nothing readable.
  bool Idle() const;
  // Gives back the memory that is kept for what comes next. For quiet times.
  void Rest();
  uint64_t batches_in_flight() const { return in_flight_; }

  const LaneStats& stats() const { return stats_; }

 private:
  struct Chain;      // files of one path, in order, and their framer
  struct FileState;  // one file being read
  struct PipelineState;
  struct Inbox {
    std::vector<std::shared_ptr<TailedFile>> added;
    std::vector<std::shared_ptr<TailedFile>> readable;
    std::vector<Delivery> settled;
    std::vector<std::pair<LabelMap, std::string>> announcements;
    std::unique_ptr<LaneOptions> reconfigure;
    bool stop = false;
    bool flush_held = false;
  };

  template <class Change>
  void Post(Change change);
  void Send(std::unique_ptr<PushBatch> batch) override;  // from the batchers
  void TakeInbox();
  void Apply(LaneOptions options);
  void Replace(PipelineState& old, PipelineState& fresh);
  void UseShares();
  void BuildBatchers();
  void Accept(std::shared_ptr<TailedFile> file);
  void Queue(FileState& file);
  void Acknowledge(Delivery& delivery);
  void Publish(TailedFile& file);
  void PublishFinishing();
  bool MayRead(const FileState& file);
  void Turn(FileState& file);
  bool ReadOnce(FileState& file);
  size_t Frame(FileState& file, std::string_view bytes, uint64_t offset);
  void CountRead(TailedFile& file, uint64_t bytes);
  void GrowBuffer(FileState& file, size_t filled, uint64_t offset);
  void ShrinkBuffer();
  void EndOfFile(FileState& file);
  void Retire(Chain& chain);
  MonoTime WrittenSince(const TailedFile& file) const;
  void RunBatch(PipelineState& pipeline);
  void Ship(std::vector<Record*>& records);
  void FlushPipelines(bool all);
  void FlushPipeline(PipelineState& pipeline, bool all);
  void SweepLabels();
  stage::StageContext Context() {
    return stage::StageContext{.arena = batch_.arena(), .labels = interner_, .wall = wall_, .now = now_,
                               .stopping = stopping_};
  }

  LaneOptions options_;
  ByteBudget& budget_;
  PushSink& push_;
  Observer& observer_;
  const std::function<void()> wake_;

  Mutex inbox_mutex_;
  Inbox inbox_ AGENT_GUARDED_BY(inbox_mutex_);

  // -- lane-local --
  MonoTime now_{};
  MonoTime written_since_{};  // what is being read was written after this
  WallNanos wall_ = 0;
  LabelInterner interner_;
  RecordBatch batch_;
  frame::FrameCounters frame_counters_;
  std::unique_ptr<char[]> buffer_;
  size_t buffer_size_ = 0;
  std::vector<std::unique_ptr<PipelineState>> pipelines_;
  std::vector<std::unique_ptr<batch::Batcher>> batchers_;
  std::unordered_map<uint64_t, std::unique_ptr<Chain>> chains_;
  std::unordered_map<uint64_t, FileState*> files_;
  std::deque<FileState*> ready_;
  MonoTime retry_at_ = kNever;       // after a read error
  MonoTime budget_retry_ = kNever;   // while the budget is used up
  MonoTime share_retry_ = kNever;    // while a namespace has used its share
  label::Shares* shares_ = nullptr;  // only if it limits reading
  std::vector<std::shared_ptr<TailedFile>> finishing_;
  std::vector<FileState*> failed_;   // to be tried again at retry_at_
  BatchId last_batch_ = 0;
  uint64_t in_flight_ = 0;
  uint64_t unsent_ = 0;  // bytes of those
  size_t sweep_at_ = 4096;
  bool stopping_ = false;
  LaneStats stats_;
};

}  // namespace agent::flow
