// SPDX-License-Identifier: Apache-2.0
// Runs bytes through pipelines in the program's own lane, with nothing behind it: for
// `agent --dry-run FILE`, `agent test` and `agent replay`. What comes out goes to the
// caller's observer.
// Runs on the calling thread; time is the caller's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/app/settings.h"
#include "agent/core/budget.h"
#include "agent/flow/lane.h"
#include "agent/model/tailed_file.h"

namespace agent::app {

// One file, or what stands for one.
struct RunInput {
  std::shared_ptr<const stage::PipelinePlan> plan;
  std::string job;
  std::string path;
  LabelMap labels;  // that its lines start with
  std::unique_ptr<ByteSource> bytes;
};

class PipelineRun {
 public:
  static constexpr uint64_t kMemory = 256 * 1024 * 1024;

  // `observer` outlives the run.
  PipelineRun(std::vector<RunInput> inputs, flow::Observer& observer, uint64_t memory = kMemory);
  ~PipelineRun();
  PipelineRun(const PipelineRun&) = delete;
  PipelineRun& operator=(const PipelineRun&) = delete;

  // Reads what is there. May be called again when there is more.
  void Step(MonoTime now, WallNanos wall);
  // What was held back comes out: nothing will follow.
  void Finish(MonoTime now, WallNanos wall);

  const flow::LaneStats& stats() const;
  const TailedFile& file(size_t input) const { return *files_[input]; }

 private:
  class NoPush;
  ByteBudget budget_;
  std::unique_ptr<NoPush> push_;
  std::vector<std::shared_ptr<TailedFile>> files_;
  std::unique_ptr<flow::Lane> lane_;
};

// Bytes in memory, to which more may be added between two steps.
class TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string text = {}) : text_(std::move(text)) {}
  void Append(std::string_view text) { text_ += text; }
  Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override;

 private:
  std::string text_;
};

// A file, read in place; "-" is standard input.
Result<std::unique_ptr<ByteSource>> OpenForRun(const std::string& path);

}  // namespace agent::app
