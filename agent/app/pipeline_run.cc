// SPDX-License-Identifier: Apache-2.0
#include "agent/app/pipeline_run.h"

#include <algorithm>
#include <cstring>

#include "agent/app/internal/file_bytes.h"

namespace agent::app {
// Takes batches and gives their bytes back to the budget: nothing waits for an answer.
class PipelineRun::NoPush final : public PushSink {
 public:
  explicit NoPush(ByteBudget& budget) : budget_(budget) {}
  void Send(std::unique_ptr<PushBatch> batch) override { budget_.Give(batch->leased); }

 private:
  ByteBudget& budget_;
};

PipelineRun::PipelineRun(std::vector<RunInput> inputs, flow::Observer& observer, uint64_t memory)
    : budget_(memory), push_(std::make_unique<NoPush>(budget_)) {
  flow::LaneOptions options;
  for (RunInput& input : inputs) {
    auto target = std::make_shared<Target>();
    target->job = input.job;
    target->path = input.path;
    target->labels = input.labels;
    target->pipeline = static_cast<uint32_t>(options.pipelines.size());
    auto file = std::make_shared<TailedFile>();
    file->id = file->chain = files_.size() + 1;
    file->path = std::move(input.path);
    file->target = std::move(target);
    file->labels = std::move(input.labels);
    file->bytes = std::move(input.bytes);
    options.pipelines.push_back(std::move(input.plan));
    files_.push_back(std::move(file));
  }
  lane_ = std::make_unique<flow::Lane>(std::move(options), budget_, *push_, observer, [] {});
  for (const auto& file : files_) lane_->Add(file);
}

PipelineRun::~PipelineRun() = default;

void PipelineRun::Step(MonoTime now, WallNanos wall) {
  for (const auto& file : files_) lane_->Readable(file);
  while (true) {
    if (lane_->RunOnce(now, wall)) continue;
    // A stage that slows lines down (`limit`): the run's time passes at once.
    const MonoTime next = lane_->NextDeadline();
    if (lane_->Idle() || next == kNever || budget_.Exhausted()) return;
    now = std::max(now, next);
  }
}

void PipelineRun::Finish(MonoTime now, WallNanos wall) {
  for (const auto& file : files_) file->finished = true;
  Step(now, wall);
  lane_->Stop(true);
  Step(now, wall);
}

const flow::LaneStats& PipelineRun::stats() const { return lane_->stats(); }

Result<size_t> TextSource::ReadAt(uint64_t offset, std::span<char> into) {
  if (offset >= text_.size()) return size_t{0};
  const size_t size = std::min(into.size(), text_.size() - static_cast<size_t>(offset));
  std::memcpy(into.data(), text_.data() + offset, size);
  return size;
}

Result<std::unique_ptr<ByteSource>> OpenForRun(const std::string& path) { return OpenForDryRun(path); }

}  // namespace agent::app
