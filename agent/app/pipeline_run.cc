// SPDX-License-Identifier: Apache-2.0
#include "agent/app/pipeline_run.h"

#include <algorithm>
#include <cstring>

#include "agent/app/internal/file_bytes.h"
#include "agent/kube/pod_path.h"
#include "agent/platform/glob.h"

namespace agent::app {
namespace {

constexpr uint64_t kMemory = 256 * 1024 * 1024;

std::string FixedFolder(const std::string& glob) {
  const size_t wild = glob.find_first_of("*?[{");
  const size_t slash = glob.rfind('/', wild);
  return slash == std::string::npos || slash == 0 ? "/" : glob.substr(0, slash);
}

}  // namespace

// Takes batches and gives their bytes back to the budget: nothing waits for an answer.
class PipelineRun::NoPush final : public PushSink {
 public:
  explicit NoPush(ByteBudget& budget) : budget_(budget) {}
  void Send(std::unique_ptr<PushBatch> batch) override { budget_.Give(batch->leased); }

 private:
  ByteBudget& budget_;
};

PipelineRun::PipelineRun(std::vector<RunInput> inputs, flow::Observer& observer)
    : budget_(kMemory), push_(std::make_unique<NoPush>(budget_)) {
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
  while (lane_->RunOnce(now, wall)) {
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

bool FindOrigin(const Settings& settings, const std::string& path, PathOrigin& origin, std::string& why) {
  const auto covers = [&path](const Target& target) {
    const auto glob = platform::Glob::Parse(target.path);
    if (!glob || !glob->Matches(path)) return false;
    if (target.exclude.empty()) return true;
    const auto exclude = platform::Glob::Parse(target.exclude);
    return !exclude || !exclude->Matches(path);
  };
  why = "no target's __path__ covers it";
  for (size_t i = 0; i < settings.scrapes.size(); ++i) {
    const ScrapeConfig& scrape = settings.scrapes[i];
    const auto index = static_cast<uint32_t>(i);
    if (scrape.pod_logs.enabled) {
      const auto target = MakePodLogsTarget(scrape, index, settings.node_name);
      LabelMap labels;
      if (covers(*target) && target->resolve(path, labels, why)) {
        origin = {i, std::move(labels)};
        return true;
      }
    }
    for (const DiscoveredTarget& discovered : scrape.static_targets) {
      const TargetOrFailure made = MakeTarget(scrape, index, discovered, settings.host_name);
      if (made.target == nullptr || !covers(*made.target)) continue;
      origin = {i, made.target->labels};
      origin.labels["filename"] = path;
      return true;
    }
  }
  return false;
}

std::vector<std::string> FixedFolders(const Settings& settings) {
  std::vector<std::string> folders;
  const auto add = [&folders](std::string folder) {
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) folders.push_back(std::move(folder));
  };
  for (const ScrapeConfig& scrape : settings.scrapes) {
    if (scrape.pod_logs.enabled) add(scrape.pod_logs.root);
    for (const DiscoveredTarget& discovered : scrape.static_targets) {
      const auto path = discovered.labels.find("__path__");
      if (path != discovered.labels.end()) add(FixedFolder(path->second));
    }
  }
  return folders;
}

}  // namespace agent::app
