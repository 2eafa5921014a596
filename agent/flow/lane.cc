// SPDX-License-Identifier: Apache-2.0
#include "agent/flow/lane.h"

#include <algorithm>
#include <cstring>

#include "agent/core/check.h"
#include "agent/core/log.h"
#include "agent/flow/internal/lane_state.h"

namespace agent::flow {
namespace {

constexpr Duration kReadRetry = std::chrono::seconds(1);
constexpr Duration kBusyGap = std::chrono::milliseconds(250);  // longer than any hot tick
constexpr Duration kBudgetRetry = std::chrono::milliseconds(100);
constexpr size_t kPadding = 64;  // scanners may look this far past the end

}  // namespace

Lane::Lane(LaneOptions options, ByteBudget& budget, PushSink& push, Observer& observer, std::function<void()> wake)
    : options_(std::move(options)), budget_(budget), push_(push), observer_(observer), wake_(std::move(wake)) {
  buffer_size_ = options_.read_size;
  budget_.Take(buffer_size_);
  UseShares();
  for (const auto& plan : options_.pipelines) pipelines_.push_back(std::make_unique<PipelineState>(plan));
  BuildBatchers();
}

Lane::~Lane() {
  ready_.clear();
  chains_.clear();
  batchers_.clear();
  budget_.Give(buffer_size_);
}

void Lane::BuildBatchers() {
  batchers_.clear();
  PushSink& sink = *this;
  for (batch::BatcherOptions client : options_.clients) {
    client.lane = options_.index;
    client.list_streams = batchers_.empty();  // of the first client only
    batch::BatchEvents events;
    events.on_limit = [this, index = client.client](batch::BatchEvents::Kind kind, const Record& record,
                                                    uint64_t bytes) {
      observer_.Limited(index, kind, record, bytes);
    };
    batchers_.push_back(std::make_unique<batch::Batcher>(std::move(client), budget_, sink, std::move(events),
                                                         [this] { return ++last_batch_; }));
  }
}

// -- reading --

bool Lane::MayRead(const FileState& file) {
  if (file.chain->pipeline->paused_until > now_) return false;
  if (shares_ == nullptr) return true;
  const MonoTime at = shares_->ReadableAt(file.share, now_);
  if (at > now_) share_retry_ = std::min(share_retry_, at);
  return at <= now_;
}

void Lane::Turn(FileState& file) {
  file.queued = false;
  if (!MayRead(file)) {
    Queue(file);
    return;
  }
  if (file.file->abandoned.load(std::memory_order_relaxed)) {
    EndOfFile(file);
    return;
  }
  const uint64_t before = file.file->receipts.processed();
  const label::Shares::Index share = file.share;
  const std::shared_ptr<TailedFile> tailed = shares_ == nullptr ? nullptr : file.file;
  written_since_ = WrittenSince(*file.file);
  const bool more = ReadOnce(file);
  written_since_ = now_;
  if (shares_ != nullptr) shares_->Charge(share, tailed->receipts.processed() - before, now_);
  if (!more) return;
  if (shares_ != nullptr && ++file.turns < shares_->WeightOf(share)) {
    file.queued = true;
    ready_.push_front(&file);
    return;
  }
  file.turns = 0;
  Queue(file);
}

// A busy file is looked at by the clock: what it holds may have been written right after
// the last look, and `batchwait` counts from there. A quiet one announces its writes.
MonoTime Lane::WrittenSince(const TailedFile& file) const {
  const MonoTime last{Duration(file.last_data_ns.load(std::memory_order_relaxed))};
  return last != MonoTime{} && now_ - last <= kBusyGap ? last : now_;
}

// Reads one buffer. True: there may be more, take another turn. The file may be gone
// afterwards if false.
bool Lane::ReadOnce(FileState& state) {
  TailedFile& file = *state.file;
  const uint64_t offset = file.receipts.processed();
  // Before the read: what is written after it is announced again.
  const bool finished = file.finished.load(std::memory_order_acquire);
  const uint64_t size = file.size.load(std::memory_order_relaxed);
  const auto failed = [&](const Error& error) {
    if (!file.read_failed.exchange(true)) {
      LogWarn("cannot read a log file; trying again", {{"path", file.path}, {"err", error.what}});
    }
    stats_.read_errors.fetch_add(1, std::memory_order_relaxed);
    failed_.push_back(&state);
    retry_at_ = std::min(retry_at_, now_ + kReadRetry);
    return false;
  };
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(buffer_size_ + kPadding);
  const auto read = file.bytes->ReadAt(offset, {buffer_.get(), buffer_size_});
  if (!read) return failed(read.error());
  file.read_failed.store(false, std::memory_order_relaxed);
  size_t filled = *read;
  size_t used = Frame(state, {buffer_.get(), filled}, offset);
  // Without a whole line: a short read is not the end, only a read of nothing is.
  while (used == 0 && filled > 0 && filled < buffer_size_) {
    const auto more = file.bytes->ReadAt(offset + filled, {buffer_.get() + filled, buffer_size_ - filled});
    if (!more) return failed(more.error());
    if (*more == 0) break;
    filled += *more;
    used = Frame(state, {buffer_.get(), filled}, offset);
  }
  if (used > 0) {
    // Growth beyond a size that source/ has seen is announced: no read must find it.
    const bool all = size > 0 && offset + filled >= size && filled < buffer_size_ && !finished;
    file.at_end.store(all, std::memory_order_relaxed);
    return !all;
  }
  if (filled == buffer_size_) {
    GrowBuffer(state, filled, offset);
    return true;
  }
  if (filled < options_.read_size) ShrinkBuffer();
  file.at_end.store(true, std::memory_order_relaxed);
  if (!finished) return false;
  if (filled > 0) {
    state.chain->framer->FeedLast({buffer_.get(), filled}, offset, file, state.base.get(), wall_, interner_, batch_);
    RunBatch(*state.chain->pipeline);
    file.lines.fetch_add(1, std::memory_order_relaxed);
    if (file.tally != nullptr) file.tally->lines_read.fetch_add(1, std::memory_order_relaxed);
    file.receipts.SetProcessed(offset + filled);
    CountRead(file, filled);
    return true;  // until a read finds nothing at all
  }
  EndOfFile(state);
  return false;
}

size_t Lane::Frame(FileState& state, std::string_view bytes, uint64_t offset) {
  TailedFile& file = *state.file;
  size_t at = 0;
  while (at < bytes.size()) {
    const uint64_t lines_before = frame_counters_.lines;
    const size_t used = state.chain->framer->Feed(bytes.substr(at), offset + at, file, state.base.get(), wall_,
                                                  interner_, batch_);
    if (used == 0) break;
    at += used;
    const uint64_t lines = frame_counters_.lines - lines_before;
    file.lines.fetch_add(lines, std::memory_order_relaxed);
    if (file.tally != nullptr) file.tally->lines_read.fetch_add(lines, std::memory_order_relaxed);
    RunBatch(*state.chain->pipeline);
  }
  if (at > 0) {
    file.receipts.SetProcessed(offset + at);
    file.bytes->Consumed(offset + at);
    file.read_offset.store(offset + at, std::memory_order_relaxed);
    file.last_data_ns.store(now_.time_since_epoch().count(), std::memory_order_relaxed);
    CountRead(file, at);
    Publish(file);
  }
  return at;
}

// A full buffer without a newline: a larger one, or the line is cut at the limit.
void Lane::GrowBuffer(FileState& state, size_t filled, uint64_t offset) {
  if (buffer_size_ < options_.max_physical_line) {
    const size_t larger = std::min(buffer_size_ * 2, options_.max_physical_line);
    budget_.Take(larger - buffer_size_);
    buffer_size_ = larger;
    buffer_ = std::make_unique_for_overwrite<char[]>(buffer_size_ + kPadding);
    return;
  }
  ++frame_counters_.cut_lines;
  TailedFile& file = *state.file;
  state.chain->framer->FeedLast({buffer_.get(), filled}, offset, file, state.base.get(), wall_, interner_, batch_);
  RunBatch(*state.chain->pipeline);
  file.receipts.SetProcessed(offset + filled);
  file.bytes->Consumed(offset + filled);
  file.read_offset.store(offset + filled, std::memory_order_relaxed);
  CountRead(file, filled);
}

void Lane::CountRead(TailedFile& file, uint64_t bytes) {
  stats_.bytes_read.fetch_add(bytes, std::memory_order_relaxed);
  if (file.tally == nullptr) return;
  file.tally->bytes_read.fetch_add(bytes, std::memory_order_relaxed);
  file.tally->last_read.store(wall_, std::memory_order_relaxed);
}

// The long line is over.
void Lane::ShrinkBuffer() {
  if (buffer_size_ == options_.read_size) return;
  const size_t size = options_.read_size;
  // What the smaller buffer cannot hold is not looked at any more.
  auto smaller = std::make_unique_for_overwrite<char[]>(size + kPadding);
  std::memcpy(smaller.get(), buffer_.get(), size);
  buffer_ = std::move(smaller);
  budget_.Give(buffer_size_ - size);
  buffer_size_ = size;
}

void Lane::EndOfFile(FileState& state) {
  TailedFile& file = *state.file;
  Chain& chain = *state.chain;
  if (file.abandoned.load(std::memory_order_relaxed)) {
    const uint64_t size = file.size.load(std::memory_order_relaxed);
    const uint64_t processed = file.receipts.processed();
    observer_.Abandoned(file, size > processed ? size - processed : 0);
  }
  file.read_offset.store(file.receipts.processed(), std::memory_order_relaxed);
  file.read_done = true;
  files_.erase(file.id);
  std::erase(failed_, &state);
  finishing_.push_back(state.file);
  const std::unique_ptr<FileState> ended = std::move(chain.files.front());
  chain.files.erase(chain.files.begin());
  if (chain.files.empty()) {
    Retire(chain);
  } else {
    // Another run of the container does not go on with a line of the last one.
    if (chain.files.front()->file->path != file.path) {
      chain.framer->Flush(ended->base.get(), interner_, batch_);
      RunBatch(*chain.pipeline);
    }
    chain.files.front()->file->predecessor.reset();
    Queue(*chain.files.front());
  }
}

// The last file of a chain has ended: partial lines will not be continued. Groups of
// multiline end by their own deadline.
void Lane::Retire(Chain& chain) {
  chain.framer->Flush(chain.last_base.get(), interner_, batch_);
  RunBatch(*chain.pipeline);
  chains_.erase(chain.id);
}

// -- records --

void Lane::RunBatch(PipelineState& pipeline) {
  auto& records = batch_.records();
  if (!records.empty()) {
    stage::StageContext context = Context();
    if (!pipeline.chain.empty()) pipeline.chain.Process(records, context);
    observer_.Finalize(options_.index, records, context);
    pipeline.paused_until = std::max(pipeline.paused_until, context.pause_until);
    Ship(records);
  }
  batch_.Reset();
  if (interner_.size() > sweep_at_) SweepLabels();
}

// To the batches. Tallies are added to once per run of records of one file.
void Lane::Ship(std::vector<Record*>& records) {
  if (records.empty()) return;
  for (const auto& batcher : batchers_) batcher->Add(records, written_since_);
  observer_.Out(options_.index, records, now_);
  uint64_t all_bytes = 0;
  for (size_t first = 0, next = 0; first < records.size(); first = next) {
    const TailedFile* const file = records[first]->origin.file;
    uint64_t bytes = 0;
    for (; next < records.size() && records[next]->origin.file == file; ++next) bytes += records[next]->line.size();
    all_bytes += bytes;
    if (file == nullptr || file->tally == nullptr) continue;
    file->tally->entries_out.fetch_add(next - first, std::memory_order_relaxed);
    file->tally->bytes_out.fetch_add(bytes, std::memory_order_relaxed);
  }
  stats_.records_out.fetch_add(records.size(), std::memory_order_relaxed);
  stats_.bytes_out.fetch_add(all_bytes, std::memory_order_relaxed);
}

void Lane::FlushPipelines(bool all) {
  for (const auto& pipeline : pipelines_) {
    if (!all && !stopping_ && pipeline->chain.NextDeadline() > now_) continue;
    FlushPipeline(*pipeline, all);
  }
}

void Lane::FlushPipeline(PipelineState& pipeline, bool all) {
  stage::StageContext context = Context();
  auto& records = batch_.records();
  pipeline.chain.Flush(records, context, all);
  observer_.Finalize(options_.index, records, context);
  Ship(records);
  batch_.Reset();
}

void Lane::SweepLabels() {
  for (const auto& pipeline : pipelines_) pipeline->chain.ForgetLabels();
  for (const auto& batcher : batchers_) batcher->ForgetIdleStreams();
  observer_.ForgetLabels(options_.index);
  interner_.Sweep();
  sweep_at_ = std::max<size_t>(4096, interner_.size() * 2);
}

// -- the loop --

bool Lane::RunOnce(MonoTime now, WallNanos wall) {
  now_ = written_since_ = now;
  wall_ = wall;
  TakeInbox();
  FlushPipelines(false);
  for (const auto& batcher : batchers_) {
    if (batcher->NextDeadline() <= now) batcher->Tick(now, false);
  }
  if (retry_at_ <= now) {
    retry_at_ = kNever;
    for (FileState* file : std::exchange(failed_, {})) Queue(*file);
  }
  budget_retry_ = kNever;
  share_retry_ = kNever;
  bool more = false;
  if (!ready_.empty() && (budget_.Exhausted() || unsent_ >= options_.most_unsent)) {
    // Open batches are part of what is used up: they must leave before their age.
    if (in_flight_ == 0) {
      for (const auto& batcher : batchers_) batcher->Tick(now, true);
    }
    budget_retry_ = now + kBudgetRetry;
    stats_.waits_for_budget.fetch_add(1, std::memory_order_relaxed);
  } else if (!ready_.empty()) {
    // A file of a paused pipeline gives its turn to the next one.
    for (size_t tries = ready_.size(); tries > 0 && !more; --tries) {
      FileState* file = ready_.front();
      ready_.pop_front();
      more = MayRead(*file);
      Turn(*file);
    }
    more = more && !ready_.empty();
  }
  if (!finishing_.empty()) PublishFinishing();
  stats_.lines_read.store(frame_counters_.lines, std::memory_order_relaxed);
  stats_.not_in_format.store(frame_counters_.not_in_format, std::memory_order_relaxed);
  stats_.partials_joined.store(frame_counters_.partials, std::memory_order_relaxed);
  stats_.lines_cut.store(frame_counters_.cut_lines, std::memory_order_relaxed);
  stats_.files.store(files_.size(), std::memory_order_relaxed);
  stats_.label_sets.store(interner_.size(), std::memory_order_relaxed);
  return more;
}

MonoTime Lane::NextDeadline() const {
  MonoTime next = std::min({retry_at_, budget_retry_, share_retry_});
  for (const auto& pipeline : pipelines_) {
    next = std::min(next, pipeline->chain.NextDeadline());
    if (pipeline->paused_until > now_ && !ready_.empty()) next = std::min(next, pipeline->paused_until);
  }
  for (const auto& batcher : batchers_) next = std::min(next, batcher->NextDeadline());
  return next;
}

bool Lane::Idle() const {
  const auto idle = [](const auto& batcher) { return batcher->NextDeadline() == kNever; };
  return ready_.empty() && in_flight_ == 0 && std::all_of(batchers_.begin(), batchers_.end(), idle);
}

void Lane::Rest() {
  buffer_.reset();  // it holds nothing between two turns
  for (const auto& batcher : batchers_) batcher->Rest();
}

}  // namespace agent::flow
