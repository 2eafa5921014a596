// SPDX-License-Identifier: Apache-2.0
// The lane's inbox: files, deliveries, a new configuration; and the receipts that
// deliveries settle.
#include <algorithm>

#include "agent/core/check.h"
#include "agent/flow/internal/lane_state.h"

namespace agent::flow {

frame::FramerOptions FramerOptionsOf(const stage::PipelinePlan& plan, bool trim_lines) {
  frame::Format format = frame::Format::kPlain;
  if (plan.format == stage::LineFormat::kCri) format = frame::Format::kCri;
  if (plan.format == stage::LineFormat::kDocker) format = frame::Format::kDocker;
  return {format, plan.cri.max_partial_line_size, plan.cri.truncate, plan.charset, trim_lines, plan.unpacked};
}

// -- inbox --

template <class Change>
void Lane::Post(Change change) {
  {
    MutexLock lock(inbox_mutex_);
    change(inbox_);
  }
  wake_();
}

void Lane::Add(std::shared_ptr<TailedFile> file) {
  Post([&](Inbox& inbox) { inbox.added.push_back(std::move(file)); });
}

void Lane::Readable(const std::shared_ptr<TailedFile>& file) {
  Post([&](Inbox& inbox) { inbox.readable.push_back(file); });
}

void Lane::Settled(Delivery delivery) {
  Post([&](Inbox& inbox) { inbox.settled.push_back(std::move(delivery)); });
}

void Lane::Announce(LabelMap labels, std::string line) {
  Post([&](Inbox& inbox) { inbox.announcements.emplace_back(std::move(labels), std::move(line)); });
}

void Lane::Stop(bool flush_held) {
  Post([&](Inbox& inbox) {
    inbox.stop = true;
    inbox.flush_held = flush_held;
  });
}

void Lane::Reconfigure(LaneOptions options) {
  Post([&](Inbox& inbox) { inbox.reconfigure = std::make_unique<LaneOptions>(std::move(options)); });
}

void Lane::TakeInbox() {
  Inbox inbox;
  {
    MutexLock lock(inbox_mutex_);
    std::swap(inbox, inbox_);
  }
  for (Delivery& delivery : inbox.settled) Acknowledge(delivery);
  if (inbox.reconfigure != nullptr) Apply(std::move(*inbox.reconfigure));
  for (const auto& [labels, line] : inbox.announcements) {
    Record& record = *batch_.Append();
    record.line = line;
    record.time = wall_;
    record.labels = interner_.Intern(labels);
    for (const auto& batcher : batchers_) batcher->Add(batch_.records(), now_);
    batch_.Reset();
  }
  for (auto& file : inbox.added) Accept(std::move(file));
  for (const auto& file : inbox.readable) {
    const auto found = files_.find(file->id);
    if (found != files_.end()) Queue(*found->second);
  }
  if (inbox.stop && !stopping_) {
    stopping_ = true;
    ready_.clear();
    FlushPipelines(inbox.flush_held);
    for (const auto& batcher : batchers_) batcher->Tick(now_, true);
  }
}

// Pipelines that did not change keep what they hold back. Those that did give it up to
// the old stages, and files go on with the new ones from the next read on.
void Lane::Apply(LaneOptions options) {
  CHECK(options.pipelines.size() >= pipelines_.size(), "a pipeline of files may be there is gone");
  std::vector<std::unique_ptr<PipelineState>> replaced;
  for (size_t i = 0; i < options.pipelines.size(); ++i) {
    if (i == pipelines_.size()) {
      pipelines_.push_back(std::make_unique<PipelineState>(options.pipelines[i]));
    } else if (pipelines_[i]->plan != options.pipelines[i]) {
      replaced.push_back(std::exchange(pipelines_[i], std::make_unique<PipelineState>(options.pipelines[i])));
      Replace(*replaced.back(), *pipelines_[i]);
    }
  }
  for (const auto& batcher : batchers_) batcher->Tick(now_, true);
  options.read_size = options_.read_size;  // buffers stay
  options.max_physical_line = options_.max_physical_line;
  options.most_unsent = options_.most_unsent;
  options.trim_lines = options_.trim_lines;
  options.index = options_.index;
  options_ = std::move(options);
  BuildBatchers();
  UseShares();
  stats_.configurations.fetch_add(1, std::memory_order_relaxed);
}

void Lane::Replace(PipelineState& old, PipelineState& fresh) {
  const frame::FramerOptions format = FramerOptionsOf(*fresh.plan, options_.trim_lines);
  const bool same_format = FramerOptionsOf(*old.plan, options_.trim_lines) == format;
  for (const auto& [id, chain] : chains_) {
    if (chain->pipeline != &old) continue;
    if (!same_format) {
      chain->framer->Flush(chain->last_base.get(), interner_, batch_);
      RunBatch(old);
      chain->framer = frame::MakeFramer(format, frame_counters_);
    }
    chain->pipeline = &fresh;
  }
  FlushPipeline(old, true);
}

void Lane::UseShares() {
  label::Shares* shares = observer_.shares();
  shares_ = shares != nullptr && shares->limits_reading() ? shares : nullptr;
  for (const auto& [id, file] : files_) file->share = shares_ == nullptr ? 0 : shares_->IndexOf(*file->file);
}

void Lane::Accept(std::shared_ptr<TailedFile> file) {
  CHECK(file->target->pipeline < pipelines_.size(), "a file names a pipeline that does not exist");
  std::unique_ptr<Chain>& chain = chains_[file->chain];
  if (chain == nullptr) {
    chain = std::make_unique<Chain>();
    chain->id = file->chain;
    chain->pipeline = pipelines_[file->target->pipeline].get();
    chain->framer = frame::MakeFramer(FramerOptionsOf(*chain->pipeline->plan, options_.trim_lines), frame_counters_);
  }
  file->receipts = ReceiptTracker(file->start_offset);
  file->read_offset.store(file->start_offset, std::memory_order_relaxed);
  file->committed_offset.store(file->start_offset, std::memory_order_relaxed);
  auto state = std::make_unique<FileState>();
  state->base = LabelPin(interner_.Intern(file->labels));
  state->chain = chain.get();
  if (shares_ != nullptr) state->share = shares_->IndexOf(*file);
  state->file = std::move(file);
  chain->last_base = state->base;
  files_[state->file->id] = state.get();
  chain->files.push_back(std::move(state));
  Queue(*chain->files.back());
}

void Lane::Queue(FileState& file) {
  if (file.queued || stopping_) return;
  if (file.chain->files.front().get() != &file) return;  // its predecessors come first
  file.queued = true;
  ready_.push_back(&file);
}

// -- receipts --

void Lane::Send(std::unique_ptr<PushBatch> batch) {
  ++in_flight_;
  unsent_ += batch->leased;
  stats_.batches_sent.fetch_add(1, std::memory_order_relaxed);
  push_.Send(std::move(batch));
}

void Lane::Acknowledge(Delivery& delivery) {
  CHECK(in_flight_ > 0, "a batch came back that was not sent");
  --in_flight_;
  PushBatch& batch = *delivery.batch;
  unsent_ -= batch.leased;
  budget_.Give(batch.leased);
  if (delivery.cancelled) return;
  for (const Refusal& refusal : delivery.refused) observer_.Refused(batch, refusal);
  observer_.Stored(batch, now_);
  uint64_t refused = 0;
  for (const Refusal& refusal : delivery.refused) refused += refusal.entries;
  for (const auto& file : batch.files) {
    file->receipts.Acknowledge(batch.id);
    if (file->tally != nullptr && refused < batch.entries) {
      file->tally->last_stored.store(wall_, std::memory_order_relaxed);
    }
    Publish(*file);
  }
}

void Lane::Publish(TailedFile& file) {
  file.committed_offset.store(file.receipts.Committed(), std::memory_order_relaxed);
  if (file.read_done && file.receipts.Settled()) file.drained.store(true, std::memory_order_release);
}

// Files that are read to their end, but not settled: mostly an acknowledgement drains
// them, but a held record may also have been dropped by a later stage.
void Lane::PublishFinishing() {
  std::erase_if(finishing_, [this](const std::shared_ptr<TailedFile>& file) {
    Publish(*file);
    return file->drained.load(std::memory_order_relaxed);
  });
}

}  // namespace agent::flow
