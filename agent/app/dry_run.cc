// SPDX-License-Identifier: Apache-2.0
#include "agent/app/dry_run.h"

#include <filesystem>
#include <set>

#include "agent/app/internal/file_bytes.h"
#include "agent/app/internal/forecast.h"
#include "agent/app/internal/printer.h"
#include "agent/flow/lane.h"
#include "agent/kube/pod_path.h"
#include "agent/platform/clock.h"
#include "agent/platform/glob.h"

namespace agent::app {
namespace {

class NoPush final : public PushSink {
 public:
  void Send(std::unique_ptr<PushBatch>) override {}
};

// The format of a file by its first whole line.
stage::LineFormat GuessFormat(ByteSource& bytes) {
  std::vector<char> head(256 * 1024);
  const auto read = bytes.ReadAt(0, head);
  const std::string_view text(head.data(), read ? *read : 0);
  for (const stage::LineFormat format : {stage::LineFormat::kCri, stage::LineFormat::kDocker}) {
    frame::FrameCounters counters;
    frame::FramerOptions options;
    options.format = format == stage::LineFormat::kCri ? frame::Format::kCri : frame::Format::kDocker;
    const auto framer = frame::MakeFramer(options, counters);
    TailedFile file;
    LabelInterner interner;
    RecordBatch batch;
    const size_t first_line = text.find('\n');
    framer->Feed(text.substr(0, first_line + 1), 0, file, interner.Empty(), 0, interner, batch);
    framer->Flush(interner.Empty(), interner, batch);
    // Docker lines always begin with the key "log".
    const bool docker_like = text.starts_with("{\"log\":");
    if (counters.lines == 1 && counters.not_in_format == 0 && (format == stage::LineFormat::kCri || docker_like)) {
      return format;
    }
  }
  return stage::LineFormat::kPlain;
}

std::shared_ptr<const stage::PipelinePlan> FormatOnly(stage::LineFormat format) {
  auto plan = std::make_shared<stage::PipelinePlan>();
  plan->format = format;
  return plan;
}

// The scrape config whose __path__ covers the file; else the first.
size_t ScrapeFor(const Settings& settings, const std::string& path, std::vector<DiscoveredTarget>& targets,
                 LabelMap& labels, bool& filename) {
  filename = true;
  for (size_t i = 0; i < settings.scrapes.size(); ++i) {
    const ScrapeConfig& scrape = settings.scrapes[i];
    std::vector<TargetOrFailure> made;
    targets = scrape.static_targets;
    for (const DiscoveredTarget& target : targets) {
      made.push_back(MakeTarget(scrape, static_cast<uint32_t>(i), target, settings.host_name));
    }
    const auto pod = kube::ParsePodPath(path);
    if (!scrape.kubernetes.empty() && pod) {
      // The API is not asked: labels are those that the path gives.
      DiscoveredTarget found{kube::MetaLabels(*pod, settings.node_name)};
      if (scrape.pod_logs.enabled) {
        found.labels.merge(kube::DefaultLabels(*pod, settings.node_name));
        found.labels["__path__"] = path;
      }
      const TargetOrFailure one = MakeTarget(scrape, static_cast<uint32_t>(i), found, settings.host_name);
      if (one.target != nullptr) {
        labels = one.target->labels;
        filename = !scrape.pod_logs.enabled;
        return i;
      }
    }
    if (scrape.pod_logs.enabled && scrape.kubernetes.empty() && pod) {
      TargetOrFailure pods;
      pods.target = MakePodLogsTarget(scrape, static_cast<uint32_t>(i), settings.node_name);
      std::string why;
      if (pods.target->resolve(path, labels, why)) {
        filename = false;
        return i;
      }
    }
    for (const TargetOrFailure& one : made) {
      if (one.target == nullptr) continue;
      const auto glob = platform::Glob::Parse(one.target->path);
      if (!glob || !glob->Matches(path)) continue;
      labels = one.target->labels;
      return i;
    }
  }
  return 0;
}

struct Input {
  std::shared_ptr<TailedFile> file;
  std::shared_ptr<const stage::PipelinePlan> plan;
};

Result<Input> OpenInput(const std::string& path, uint64_t id, const CommandLine& line, const Settings* settings) {
  auto bytes = OpenForDryRun(path);
  if (!bytes) return Forward(bytes);
  Input input;
  input.file = std::make_shared<TailedFile>();
  TailedFile& file = *input.file;
  file.id = file.chain = id;
  file.path = path == "-" ? path : std::filesystem::absolute(path).lexically_normal().string();
  auto target = std::make_shared<Target>();
  bool filename = true;
  if (settings != nullptr && !settings->scrapes.empty()) {
    std::vector<DiscoveredTarget> targets;
    const size_t scrape = ScrapeFor(*settings, file.path, targets, file.labels, filename);
    input.plan = settings->scrapes[scrape].pipeline;
    target->job = settings->scrapes[scrape].job;
  } else {
    input.plan = FormatOnly(GuessFormat(**bytes));
    if (const auto pod = kube::ParsePodPath(file.path)) {
      file.labels = kube::DefaultLabels(*pod, line.node_name);
      filename = false;
    }
  }
  if (path == "-") {
    file.labels.emplace("job", "stdin");
  } else if (filename) {
    file.labels["filename"] = file.path;
  }
  target->pipeline = static_cast<uint32_t>(id - 1);
  target->labels = file.labels;
  file.target = target;
  file.bytes = std::move(*bytes);
  file.finished = true;
  return input;
}

}  // namespace

int DryRunFiles(const CommandLine& line, const Settings* settings, const DryRunOutput& output) {
  std::vector<Input> inputs;
  int exit_code = 0;
  for (const std::string& path : line.files) {
    auto input = OpenInput(path, inputs.size() + 1, line, settings);
    if (input) {
      inputs.push_back(std::move(*input));
    } else {
      std::fprintf(stderr, "%s\n", input.error().what.c_str());
      exit_code = 1;
    }
  }
  flow::LaneOptions options;
  for (const Input& input : inputs) options.pipelines.push_back(input.plan);
  ByteBudget budget(line.memory_limit);
  NoPush push;
  Printer printer(output, line.output == "json");
  Forecast forecast(settings == nullptr ? label::PolicyOptions() : settings->limits.policy);
  flow::Observer& observer = line.cardinality ? static_cast<flow::Observer&>(forecast) : printer;
  flow::Lane lane(options, budget, push, observer, [] {});
  Clock& clock = SystemClock();
  for (const Input& input : inputs) lane.Add(input.file);
  const auto run = [&] {
    while (lane.RunOnce(clock.Now(), clock.Wall())) {
    }
  };
  run();
  lane.Stop(true);
  run();
  if (line.cardinality) {
    const std::string text = line.output == "json" ? forecast.Json(lane.stats()) : forecast.Text(lane.stats());
    std::fwrite(text.data(), 1, text.size(), output.out);
    return exit_code;
  }
  std::set<const stage::PipelinePlan*> seen;
  std::erase_if(options.pipelines, [&](const auto& plan) { return !seen.insert(plan.get()).second; });
  printer.Summary(lane.stats(), options.pipelines);
  return exit_code;
}

}  // namespace agent::app
