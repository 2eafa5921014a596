// SPDX-License-Identifier: Apache-2.0
#include "agent/app/dry_run.h"

#include <fmt/format.h>

#include <ctime>
#include <filesystem>
#include <map>
#include <set>

#include "agent/app/internal/file_bytes.h"
#include "agent/app/internal/forecast.h"
#include "agent/core/json_text.h"
#include "agent/flow/lane.h"
#include "agent/kube/pod_path.h"
#include "agent/platform/clock.h"
#include "agent/platform/glob.h"

namespace agent::app {
namespace {

constexpr size_t kShownValues = 3;

std::string FormatTime(WallNanos time) {
  std::time_t seconds = time / 1'000'000'000;
  int64_t nanos = time % 1'000'000'000;
  if (nanos < 0) {
    nanos += 1'000'000'000;
    --seconds;
  }
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, nanos);
}

// Prints records and keeps the sums for the summary.
class Printer final : public flow::Observer {
 public:
  Printer(const DryRunOutput& output, bool json) : output_(output), json_(json) {}

  void Out(uint32_t, const std::vector<Record*>& records, MonoTime) override {
    for (const Record* record : records) {
      Count(*record);
      buffer_.clear();
      if (json_) {
        AppendJson(*record);
      } else {
        AppendText(*record);
      }
      std::fwrite(buffer_.data(), 1, buffer_.size(), output_.out);
    }
  }
  void ForgetLabels(uint32_t) override { texts_.clear(); }

  void Summary(const flow::LaneStats& stats, const std::vector<std::shared_ptr<const stage::PipelinePlan>>& plans);

 private:
  struct Sums {
    uint64_t lines = 0;
    uint64_t bytes = 0;
    std::set<std::string> streams;
    std::map<std::string, std::set<std::string>> values;
  };

  void Count(const Record& record) {
    ++sums_.lines;
    sums_.bytes += record.line.size();
    if (texts_.size() <= record.labels->id()) texts_.resize(record.labels->id() + 1);
    if (!texts_[record.labels->id()].empty()) return;
    texts_[record.labels->id()] = FormatLabels(record.labels->ToMap());
    sums_.streams.insert(texts_[record.labels->id()]);
    for (const auto& [name, value] : record.labels->pairs()) sums_.values[name].insert(value);
  }

  void AppendText(const Record& record) {
    const bool colour = output_.colour;
    if (colour) buffer_ += "\x1b[34m";
    buffer_ += FormatTime(record.time);
    if (colour) buffer_ += "\x1b[0m";
    buffer_ += colour ? "\t\x1b[33m" : "\t";
    buffer_ += texts_[record.labels->id()];
    if (colour) buffer_ += "\x1b[0m";
    buffer_ += '\t';
    buffer_ += record.line;
    for (const MetadataPair* pair = record.metadata; pair != nullptr; pair = pair->next) {
      buffer_ += '\t';
      buffer_.append(pair->name) += '=';
      buffer_ += pair->value;
    }
    buffer_ += '\n';
  }

  void AppendJson(const Record& record) {
    buffer_ += "{\"ts\":\"" + std::to_string(record.time) + "\",\"labels\":{";
    for (const auto& [name, value] : record.labels->pairs()) AppendMember(name, value);
    buffer_ += "},\"line\":";
    AppendJsonString(buffer_, record.line);
    buffer_ += ",\"structured_metadata\":{";
    for (const MetadataPair* pair = record.metadata; pair != nullptr; pair = pair->next) {
      AppendMember(pair->name, pair->value);
    }
    buffer_ += "}}\n";
  }
  void AppendMember(std::string_view name, std::string_view value) {
    if (buffer_.back() != '{') buffer_ += ',';
    AppendJsonString(buffer_, name);
    buffer_ += ':';
    AppendJsonString(buffer_, value);
  }

  const DryRunOutput output_;
  const bool json_;
  Sums sums_;
  std::vector<std::string> texts_;  // by LabelSet::id
  std::string buffer_;
};

using Plans = std::vector<std::shared_ptr<const stage::PipelinePlan>>;

std::string SummaryText(const flow::LaneStats& stats, uint64_t lines, uint64_t bytes, size_t streams,
                        const std::map<std::string, std::set<std::string>>& values, const Plans& plans) {
  std::string out = fmt::format("\n{} lines read, {} entries in {} streams, {} bytes\n", stats.lines_read.load(),
                                lines, streams, bytes);
  if (stats.not_in_format > 0) {
    out += fmt::format("{} lines were not in the runtime's format and go as they are\n", stats.not_in_format.load());
  }
  for (const auto& plan : plans) {
    for (const auto& drop : plan->drop_reasons) {
      if (drop->lines > 0) out += fmt::format("{} lines dropped by {} ({})\n", drop->lines.load(), drop->stage, drop->reason);
    }
  }
  for (const auto& [name, seen] : values) {
    out += fmt::format("label {}: {} {}:", name, seen.size(), seen.size() == 1 ? "value" : "values");
    size_t shown = 0;
    for (const std::string& value : seen) {
      if (++shown > kShownValues) break;
      out += shown == 1 ? " " : ", ";
      AppendGoQuoted(out, value);
    }
    out += seen.size() > kShownValues ? ", ...\n" : "\n";
  }
  return out;
}

std::string SummaryJson(const flow::LaneStats& stats, uint64_t lines, uint64_t bytes, size_t streams,
                        const std::map<std::string, std::set<std::string>>& values, const Plans& plans) {
  uint64_t dropped = 0;
  for (const auto& plan : plans) {
    for (const auto& drop : plan->drop_reasons) dropped += drop->lines;
  }
  std::string out = fmt::format(
      "{{\"summary\":{{\"lines_read\":{},\"entries\":{},\"bytes\":{},\"streams\":{},\"dropped\":{},"
      "\"not_in_format\":{},\"labels\":{{",
      stats.lines_read.load(), lines, bytes, streams, dropped, stats.not_in_format.load());
  bool first = true;
  for (const auto& [name, seen] : values) {
    if (!std::exchange(first, false)) out += ',';
    AppendJsonString(out, name);
    out += ":" + std::to_string(seen.size());
  }
  return out + "}}}\n";
}

void Printer::Summary(const flow::LaneStats& stats, const Plans& plans) {
  const std::string text =
      json_ ? SummaryJson(stats, sums_.lines, sums_.bytes, sums_.streams.size(), sums_.values, plans)
            : SummaryText(stats, sums_.lines, sums_.bytes, sums_.streams.size(), sums_.values, plans);
  std::fwrite(text.data(), 1, text.size(), output_.out);
}

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
