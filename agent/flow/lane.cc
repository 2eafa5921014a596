// SPDX-License-Identifier: Apache-2.0
#include "agent/flow/lane.h"

#include <algorithm>
#include <cstring>

#include "agent/core/check.h"
#include "agent/core/log.h"

namespace agent::flow {
namespace {

constexpr Duration kReadRetry = std::chrono::seconds(1);
constexpr Duration kBudgetRetry = std::chrono::milliseconds(100);
constexpr size_t kPadding = 64;  // scanners may look this far past the end

frame::FramerOptions FramerOptionsOf(const stage::PipelinePlan& plan, bool trim_lines) {
  frame::Format format = frame::Format::kPlain;
  if (plan.format == stage::LineFormat::kCri) format = frame::Format::kCri;
  if (plan.format == stage::LineFormat::kDocker) format = frame::Format::kDocker;
  return {format, plan.cri.max_partial_line_size, plan.cri.truncate, plan.charset, trim_lines};
}

}  // namespace

struct Lane::PipelineState {
  explicit PipelineState(std::shared_ptr<const stage::PipelinePlan> p) : plan(std::move(p)), chain(plan->stages) {}
  std::shared_ptr<const stage::PipelinePlan> plan;
  stage::StageChain chain;
  MonoTime paused_until{};
};

struct Lane::FileState {
  std::shared_ptr<TailedFile> file;
  Chain* chain = nullptr;
  LabelPin base;
  bool queued = false;
  label::Shares::Index share = 0;
  uint32_t turns = 0;  // taken in a row, of its weight
};

struct Lane::Chain {
  uint64_t id = 0;
  PipelineState* pipeline = nullptr;
  std::unique_ptr<frame::Framer> framer;
  std::deque<std::unique_ptr<FileState>> files;  // only the first is read
  LabelPin last_base;
};

Lane::Lane(LaneOptions options, ByteBudget& budget, PushSink& push, Observer& observer, std::function<void()> wake)
    : options_(std::move(options)), budget_(budget), push_(push), observer_(observer), wake_(std::move(wake)) {
  buffer_size_ = options_.read_size;
  buffer_ = std::make_unique_for_overwrite<char[]>(buffer_size_ + kPadding);
  budget_.Take(buffer_size_);
  if (label::Shares* shares = observer_.shares(); shares != nullptr && shares->limits_reading()) shares_ = shares;
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
    batch::BatchEvents events;
    events.on_limit = [this, index = client.client](batch::BatchEvents::Kind kind, const Record& record,
                                                    uint64_t bytes) {
      observer_.Limited(index, kind, record, bytes);
    };
    batchers_.push_back(std::make_unique<batch::Batcher>(std::move(client), budget_, sink, std::move(events),
                                                         [this] { return ++last_batch_; }));
  }
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
  if (inbox.reconfigure != nullptr) {
    for (const auto& batcher : batchers_) batcher->Tick(now_, true);
    options_ = std::move(*inbox.reconfigure);
    // Chains keep the pipeline they began with; new files get the new ones.
    for (size_t i = 0; i < options_.pipelines.size(); ++i) {
      pipelines_.push_back(std::make_unique<PipelineState>(options_.pipelines[i]));
    }
    BuildBatchers();
  }
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

void Lane::Accept(std::shared_ptr<TailedFile> file) {
  const size_t newest = pipelines_.size() - options_.pipelines.size();
  CHECK(file->target->pipeline < options_.pipelines.size(), "a file names a pipeline that does not exist");
  std::unique_ptr<Chain>& chain = chains_[file->chain];
  if (chain == nullptr) {
    chain = std::make_unique<Chain>();
    chain->id = file->chain;
    chain->pipeline = pipelines_[newest + file->target->pipeline].get();
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
  budget_.Give(batch.leased);
  unsent_ -= batch.leased;
  if (delivery.cancelled) return;
  for (const Refusal& refusal : delivery.refused) observer_.Refused(batch, refusal);
  observer_.Stored(batch, now_);
  for (const auto& file : batch.files) {
    file->receipts.Acknowledge(batch.id);
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
  const bool more = ReadOnce(file);
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

// Reads one buffer. True: there may be more, take another turn. The file may be gone
// afterwards if false.
bool Lane::ReadOnce(FileState& state) {
  TailedFile& file = *state.file;
  const uint64_t offset = file.receipts.processed();
  // Before the read: what is written after it is announced again.
  const bool finished = file.finished.load(std::memory_order_acquire);
  const auto read = file.bytes->ReadAt(offset, {buffer_.get(), buffer_size_});
  if (!read) {
    if (!file.read_failed.exchange(true)) {
      LogWarn("cannot read a log file; trying again", {{"path", file.path}, {"err", read.error().what}});
    }
    stats_.read_errors.fetch_add(1, std::memory_order_relaxed);
    failed_.push_back(&state);
    retry_at_ = std::min(retry_at_, now_ + kReadRetry);
    return false;
  }
  file.read_failed.store(false, std::memory_order_relaxed);
  size_t filled = *read;
  size_t used = Frame(state, {buffer_.get(), filled}, offset);
  // Without a whole line: a short read is not the end, only a read of nothing is.
  while (used == 0 && filled > 0 && filled < buffer_size_) {
    const auto more = file.bytes->ReadAt(offset + filled, {buffer_.get() + filled, buffer_size_ - filled});
    if (!more || *more == 0) break;
    filled += *more;
    used = Frame(state, {buffer_.get(), filled}, offset);
  }
  if (used > 0) {
    file.at_end.store(false, std::memory_order_relaxed);
    return true;
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
    file.receipts.SetProcessed(offset + filled);
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
    file.lines.fetch_add(frame_counters_.lines - lines_before, std::memory_order_relaxed);
    RunBatch(*state.chain->pipeline);
  }
  if (at > 0) {
    file.receipts.SetProcessed(offset + at);
    file.bytes->Consumed(offset + at);
    file.read_offset.store(offset + at, std::memory_order_relaxed);
    file.last_data_ns.store(now_.time_since_epoch().count(), std::memory_order_relaxed);
    stats_.bytes_read.fetch_add(at, std::memory_order_relaxed);
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
  chain.files.pop_front();
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

void Lane::Ship(std::vector<Record*>& records) {
  if (records.empty()) return;
  for (const auto& batcher : batchers_) batcher->Add(records, now_);
  observer_.Out(options_.index, records, now_);
  stats_.records_out.fetch_add(records.size(), std::memory_order_relaxed);
}

void Lane::FlushPipelines(bool all) {
  for (const auto& pipeline : pipelines_) {
    if (!all && pipeline->chain.NextDeadline() > now_) continue;
    stage::StageContext context = Context();
    auto& records = batch_.records();
    pipeline->chain.Flush(records, context, all);
    observer_.Finalize(options_.index, records, context);
    Ship(records);
    batch_.Reset();
  }
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
  now_ = now;
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

}  // namespace agent::flow
