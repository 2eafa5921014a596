// SPDX-License-Identifier: Apache-2.0
#include "agent/app/dry_run.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "agent/app/dry_guard.h"
#include "agent/app/internal/forecast.h"
#include "agent/app/internal/pods_from_paths.h"
#include "agent/app/internal/printer.h"
#include "agent/app/origins.h"
#include "agent/app/pipeline_run.h"
#include "agent/kube/pod_path.h"
#include "agent/platform/clock.h"

namespace agent::app {
namespace {

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

Result<RunInput> OpenInput(const std::string& path, const CommandLine& line, const Settings* settings,
                           const Origins* origins) {
  auto bytes = OpenForRun(path);
  if (!bytes) return Forward(bytes);
  RunInput input;
  input.path = path == "-" ? path : std::filesystem::absolute(path).lexically_normal().string();
  const auto pod = kube::ParsePodPath(input.path);
  if (settings != nullptr && !settings->scrapes.empty()) {
    std::string why;
    std::optional<PathOrigin> origin = origins->Find(input.path, why);
    // A file that no scrape config reads is shown as the first would.
    if (!origin && pod) {
      std::fprintf(stderr, "%s: no scrape config takes it (%s); the first one's stages are shown\n", path.c_str(), why.c_str());
    }
    if (!origin) origin = PathOrigin{0, {{"filename", input.path}}};
    const ScrapeConfig& scrape = settings->scrapes[origin->scrape];
    input.plan = scrape.pipeline;
    input.job = scrape.job;
    input.labels = std::move(origin->labels);
  } else {
    input.plan = FormatOnly(GuessFormat(**bytes));
    if (pod) {
      input.labels = kube::DefaultLabels(*pod, line.node_name);
    } else {
      input.labels["filename"] = input.path;
    }
  }
  if (path == "-") {
    input.labels.erase("filename");
    input.labels.emplace("job", "stdin");
  }
  input.bytes = std::move(*bytes);
  return input;
}

}  // namespace

int DryRunFiles(const CommandLine& line, const Settings* settings, const DryRunOutput& output) {
  std::vector<RunInput> inputs;
  std::optional<Origins> origins;
  if (settings != nullptr) origins.emplace(*settings);
  int exit_code = 0;
  Plans plans;
  for (const std::string& path : line.files) {
    auto input = OpenInput(path, line, settings, origins ? &*origins : nullptr);
    if (input) {
      if (std::ranges::find(plans, input->plan) == plans.end()) plans.push_back(input->plan);
      inputs.push_back(std::move(*input));
    } else {
      std::fprintf(stderr, "%s\n", input.error().what.c_str());
      exit_code = 1;
    }
  }
  const std::string note = settings == nullptr ? "" : NoteOnPaths(*settings);
  if (!note.empty()) std::fprintf(stderr, "%s\n", note.c_str());
  const label::PolicyOptions policy = settings == nullptr ? label::PolicyOptions() : settings->limits.policy;
  DryGuard guard(policy, DryGuard::Time::kOneMoment);
  Printer printer(output, line.output == "json", guard);
  Forecast forecast(policy, guard);
  flow::Observer& observer = line.cardinality ? static_cast<flow::Observer&>(forecast) : printer;
  PipelineRun run(std::move(inputs), observer, line.memory_limit);
  run.Finish(SystemClock().Now(), SystemClock().Wall());
  if (line.cardinality) {
    const std::string text = line.output == "json" ? forecast.Json(run.stats()) : forecast.Text(run.stats());
    std::fwrite(text.data(), 1, text.size(), output.out);
  } else {
    printer.Summary(run.stats(), plans);
  }
  return exit_code;
}

}  // namespace agent::app
