// SPDX-License-Identifier: Apache-2.0
// `agent replay`: log files of a node through the pipelines of a configuration, without
// the push; and what another configuration does differently.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "agent/app/dry_guard.h"
#include "agent/app/origins.h"
#include "agent/app/pipeline_run.h"
#include "agent/cli/internal/commands.h"
#include "agent/cli/internal/options.h"
#include "agent/core/json_text.h"

namespace agent::cli {
namespace {

constexpr size_t kShownStreams = 10;
constexpr size_t kShownDifferences = 5;

struct StreamSums {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  WallNanos first = 0;
  WallNanos last = 0;
};

// What became of a line: enough to tell two configurations apart.
struct Trace {
  std::string line;   // the beginning of it
  std::string labels;
  WallNanos time = 0;
  uint64_t hash = 0;  // of the line and its metadata
};

struct Replayed {
  uint64_t files = 0;
  uint64_t lines_read = 0;
  uint64_t entries = 0;
  uint64_t bytes = 0;
  std::map<std::string, StreamSums> streams;
  std::map<std::string, std::set<std::string>> values;  // by label
  std::map<std::string, uint64_t> dropped;              // by stage
  std::vector<std::pair<std::string, std::string>> unread;  // files that nothing reads, and why
  // By the file and where the record begins in it, which no configuration changes.
  std::map<std::pair<std::string, uint64_t>, Trace> traces;
  std::string guard;       // what it did, in sentences
  std::string guard_json;  // and as members
};

class Recorder final : public flow::Observer {
 public:
  Recorder(Replayed& out, bool trace, app::DryGuard& guard) : out_(out), trace_(trace), guard_(guard) {}

  void Finalize(uint32_t lane, std::vector<Record*>& records, stage::StageContext& context) override {
    guard_.Apply(lane, records, context);
  }
  void Out(uint32_t, const std::vector<Record*>& records, MonoTime) override {
    for (const Record* record : records) Keep(*record);
  }
  void ForgetLabels(uint32_t) override { texts_.clear(); }

 private:
  void Keep(const Record& record) {
    if (texts_.size() <= record.labels->id()) texts_.resize(record.labels->id() + 1);
    std::string& labels = texts_[record.labels->id()];
    if (labels.empty()) {
      labels = FormatLabels(record.labels->ToMap());
      for (const auto& [name, value] : record.labels->pairs()) out_.values[std::string(name)].emplace(value);
    }
    ++out_.entries;
    out_.bytes += record.line.size();
    StreamSums& stream = out_.streams[labels];
    if (stream.entries++ == 0) stream.first = stream.last = record.time;
    stream.bytes += record.line.size();
    stream.first = std::min(stream.first, record.time);
    stream.last = std::max(stream.last, record.time);
    if (!trace_ || record.origin.file == nullptr) return;
    Trace trace{std::string(record.line.substr(0, 200)), labels, record.time, std::hash<std::string_view>{}(record.line)};
    for (const MetadataPair* pair = record.metadata; pair != nullptr; pair = pair->next) {
      trace.hash = trace.hash * 31 + std::hash<std::string_view>{}(pair->name) + 7 * std::hash<std::string_view>{}(pair->value);
    }
    out_.traces[{record.origin.file->path, record.origin.begin}] = std::move(trace);
  }

  Replayed& out_;
  const bool trace_;
  app::DryGuard& guard_;
  std::vector<std::string> texts_;  // by LabelSet::id
};

// All log files below a folder, in order.
Result<std::vector<std::string>> FilesBelow(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  std::filesystem::recursive_directory_iterator walk(folder, error);
  for (; !error && walk != std::filesystem::recursive_directory_iterator(); walk.increment(error)) {
    std::error_code ignored;
    if (walk->is_regular_file(ignored)) files.push_back(walk->path().string());
  }
  if (error) return Fail(Code::kIo, folder + ": " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

// On its node a file had another name: below one of the folders that the configuration
// reads, or below the root.
std::optional<app::PathOrigin> OriginOf(const app::Origins& origins, const std::string& folder, const std::string& file,
                                     std::string& path, std::string& why) {
  const std::string below = file.substr(folder.size() + (folder.ends_with('/') ? 0 : 1));
  std::vector<std::string> candidates = origins.folders();
  for (std::string& candidate : candidates) candidate += (candidate.ends_with('/') ? "" : "/") + below;
  candidates.push_back("/" + below);
  candidates.push_back(std::filesystem::absolute(file).lexically_normal().string());
  for (const std::string& candidate : candidates) {
    path = candidate;
    if (auto origin = origins.Find(candidate, why)) return origin;
  }
  return std::nullopt;
}

Result<Replayed> Run(const ReplayOptions& options, const std::string& config, bool trace) {
  app::CommandLine line;
  line.config_file = config;
  line.expand_env = options.expand_env;
  line.node_name = options.node_name;
  Diagnostics diagnostics;
  metrics::Registry registry;
  const app::Settings settings = app::LoadSettings(line, false, diagnostics, registry);
  if (!diagnostics.ok()) return Fail(Code::kConfig, diagnostics.Text());
  auto files = FilesBelow(options.from);
  if (!files) return Forward(files);
  Replayed out;
  const app::Origins origins(settings);
  std::vector<app::RunInput> inputs;
  for (const std::string& file : *files) {
    std::string path;
    std::string why;
    auto origin = OriginOf(origins, options.from, file, path, why);
    if (!origin) {
      out.unread.emplace_back(file, why);
      continue;
    }
    auto bytes = app::OpenForRun(file);
    if (!bytes) {
      out.unread.emplace_back(file, bytes.error().what);
      continue;
    }
    const app::ScrapeConfig& scrape = settings.scrapes[origin->scrape];
    inputs.push_back({scrape.pipeline, scrape.job, path, std::move(origin->labels), std::move(*bytes)});
  }
  out.files = inputs.size();
  app::DryGuard guard(settings.limits.policy, app::DryGuard::Time::kOneMoment);
  Recorder recorder(out, trace, guard);
  app::PipelineRun run(std::move(inputs), recorder);
  run.Finish(SystemClock().Now(), SystemClock().Wall());
  out.lines_read = run.stats().lines_read.load();
  out.guard = guard.Text();
  out.guard_json = guard.JsonMembers();
  for (const app::ScrapeConfig& scrape : settings.scrapes) {
    for (const auto& drop : scrape.pipeline->drop_reasons) {
      if (drop->lines > 0) out.dropped[drop->stage + " (" + drop->reason + ")"] += drop->lines.load();
    }
  }
  return out;
}

double Seconds(WallNanos first, WallNanos last) { return std::max(static_cast<double>(last - first) / 1e9, 1.0); }

std::vector<std::pair<std::string, StreamSums>> Largest(const Replayed& out) {
  std::vector<std::pair<std::string, StreamSums>> streams(out.streams.begin(), out.streams.end());
  std::stable_sort(streams.begin(), streams.end(), [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
  return streams;
}

void PrintText(const Replayed& out) {
  std::printf("%llu files, %llu lines read, %llu entries in %zu streams, %llu bytes\n",
              static_cast<unsigned long long>(out.files), static_cast<unsigned long long>(out.lines_read),
              static_cast<unsigned long long>(out.entries), out.streams.size(), static_cast<unsigned long long>(out.bytes));
  for (const auto& [stage, lines] : out.dropped) {
    std::printf("%llu lines dropped by %s\n", static_cast<unsigned long long>(lines), stage.c_str());
  }
  std::fputs(out.guard.c_str(), stdout);
  for (const auto& [name, values] : out.values) {
    std::printf("label %s: %zu %s\n", name.c_str(), values.size(), values.size() == 1 ? "value" : "values");
  }
  const auto streams = Largest(out);
  if (!streams.empty()) std::printf("largest streams:\n");
  for (size_t i = 0; i < std::min(streams.size(), kShownStreams); ++i) {
    const auto& [labels, sums] = streams[i];
    const double seconds = Seconds(sums.first, sums.last);
    std::printf("  %10llu bytes %8llu entries %10.1f lines/s  %s\n", static_cast<unsigned long long>(sums.bytes),
                static_cast<unsigned long long>(sums.entries), static_cast<double>(sums.entries) / seconds, labels.c_str());
  }
  for (const auto& [file, why] : out.unread) std::printf("not read: %s: %s\n", file.c_str(), why.c_str());
}

std::string ToJson(const Replayed& out) {
  std::string json = fmt::format("{{\"files\":{},\"lines_read\":{},\"entries\":{},\"bytes\":{},\"streams\":[", out.files,
                                 out.lines_read, out.entries, out.bytes);
  const char* comma = "";
  for (const auto& [labels, sums] : Largest(out)) {
    json += std::exchange(comma, ",");
    json += "{\"labels\":";
    AppendJsonString(json, labels);
    json += fmt::format(",\"entries\":{},\"bytes\":{},\"lines_per_second\":{:.3f}}}", sums.entries, sums.bytes,
                        static_cast<double>(sums.entries) / Seconds(sums.first, sums.last));
  }
  json += "],\"labels\":{";
  comma = "";
  for (const auto& [name, values] : out.values) {
    json += std::exchange(comma, ",");
    AppendJsonString(json, name);
    json += ":" + std::to_string(values.size());
  }
  json += "},\"dropped\":{";
  comma = "";
  for (const auto& [stage, lines] : out.dropped) {
    json += std::exchange(comma, ",");
    AppendJsonString(json, stage);
    json += ":" + std::to_string(lines);
  }
  json += "}," + out.guard_json + ",\"not_read\":{";
  comma = "";
  for (const auto& [file, why] : out.unread) {
    json += std::exchange(comma, ",");
    AppendJsonString(json, file);
    json += ":";
    AppendJsonString(json, why);
  }
  return json + "}}";
}

// -- differences --

struct Differences {
  std::vector<std::string> gone, fresh;  // streams
  struct Kind {
    const char* what;
    uint64_t count = 0;
    std::string examples = {};
  };
  Kind dropped{"lines that only the first sends"};
  Kind added{"lines that only the second sends"};
  Kind relabelled{"lines that go to another stream"};
  Kind changed{"lines with another text or metadata"};
  Kind moved{"lines with another timestamp"};
};

void Note(Differences::Kind& kind, const std::string& example) {
  if (kind.count++ < kShownDifferences) kind.examples += example;
}

Differences Differ(const Replayed& a, const Replayed& b) {
  Differences out;
  for (const auto& [labels, sums] : a.streams) {
    if (!b.streams.contains(labels)) out.gone.push_back(labels);
  }
  for (const auto& [labels, sums] : b.streams) {
    if (!a.streams.contains(labels)) out.fresh.push_back(labels);
  }
  for (const auto& [where, before] : a.traces) {
    const auto found = b.traces.find(where);
    if (found == b.traces.end()) {
      Note(out.dropped, fmt::format("    - {} {}\n", before.labels, before.line));
      continue;
    }
    const Trace& after = found->second;
    if (before.labels != after.labels) Note(out.relabelled, fmt::format("    - {}\n    + {}\n", before.labels, after.labels));
    if (before.hash != after.hash) Note(out.changed, fmt::format("    - {}\n    + {}\n", before.line, after.line));
    if (before.time != after.time) Note(out.moved, fmt::format("    {}\n", before.line));
  }
  for (const auto& [where, after] : b.traces) {
    if (!a.traces.contains(where)) Note(out.added, fmt::format("    + {} {}\n", after.labels, after.line));
  }
  return out;
}

void PrintDifferences(const Differences& d, const Replayed& a, const Replayed& b) {
  std::printf("streams: %zu -> %zu, %zu gone, %zu new; entries: %llu -> %llu; bytes: %llu -> %llu\n", a.streams.size(),
              b.streams.size(), d.gone.size(), d.fresh.size(), static_cast<unsigned long long>(a.entries),
              static_cast<unsigned long long>(b.entries), static_cast<unsigned long long>(a.bytes),
              static_cast<unsigned long long>(b.bytes));
  for (size_t i = 0; i < std::min(d.gone.size(), kShownStreams); ++i) std::printf("  - %s\n", d.gone[i].c_str());
  for (size_t i = 0; i < std::min(d.fresh.size(), kShownStreams); ++i) std::printf("  + %s\n", d.fresh[i].c_str());
  for (const Differences::Kind* kind : {&d.dropped, &d.added, &d.relabelled, &d.changed, &d.moved}) {
    if (kind->count == 0) continue;
    std::printf("%llu %s\n%s", static_cast<unsigned long long>(kind->count), kind->what, kind->examples.c_str());
  }
}

std::string ToJson(const Differences& d) {
  return fmt::format("{{\"streams_gone\":{},\"streams_new\":{},\"only_first\":{},\"only_second\":{},\"relabelled\":{},"
                     "\"changed\":{},\"moved\":{}}}",
                     d.gone.size(), d.fresh.size(), d.dropped.count, d.added.count, d.relabelled.count, d.changed.count,
                     d.moved.count);
}

}  // namespace

int Replay(const Words& words) {
  ReplayOptions options;
  config::FlagSet flags("agent replay");
  options.Declare(flags);
  Words rest;
  int code = 0;
  if (!ParseWords(flags, CommandNamed("replay"), words, rest, code)) return code;
  const bool json = options.output == "json";
  if (options.config_file.empty() || options.from.empty() || !rest.empty() || (!json && options.output != "text")) {
    std::fputs("usage: agent replay [--diff=OTHER.yaml] [--output=json] --config.file=F --from-node-files=DIR\n", stderr);
    return kUsageError;
  }
  const bool diff = !options.diff.empty();
  auto first = Run(options, options.config_file, diff);
  if (!first) {
    std::fprintf(stderr, "%s\n", first.error().what.c_str());
    return 1;
  }
  if (!diff) {
    if (json) std::printf("%s\n", ToJson(*first).c_str());
    else PrintText(*first);
    return 0;
  }
  auto second = Run(options, options.diff, true);
  if (!second) {
    std::fprintf(stderr, "%s\n", second.error().what.c_str());
    return 1;
  }
  const Differences differences = Differ(*first, *second);
  if (json) {
    std::printf("{\"first\":%s,\"second\":%s,\"difference\":%s}\n", ToJson(*first).c_str(), ToJson(*second).c_str(),
                ToJson(differences).c_str());
  } else {
    PrintDifferences(differences, *first, *second);
  }
  return 0;
}

}  // namespace agent::cli
