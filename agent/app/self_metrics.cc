// SPDX-License-Identifier: Apache-2.0
#include "agent/app/self_metrics.h"

#include <algorithm>
#include <array>

#include "agent/app/version.h"
#include "agent/core/log.h"

namespace agent::app {
namespace {

constexpr const char* kReadBytes = "promtail_read_bytes_total";
constexpr const char* kFileBytes = "promtail_file_bytes_total";
constexpr const char* kReadLines = "promtail_read_lines_total";

constexpr std::array kLevels = {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError};
constexpr std::array kLevelNames = {"debug", "info", "warn", "error"};

#if defined(__aarch64__)
constexpr const char* kArchitecture = "arm64";  // as Go names them
#else
constexpr const char* kArchitecture = "amd64";
#endif

void ShowBuild(metrics::Registry& registry) {
  // Promtail's labels; those that only Go programs have are empty.
  const metrics::Labels promtail = {{"branch", ""},    {"goarch", kArchitecture}, {"goos", "linux"},      {"goversion", ""},
                                    {"revision", Revision()}, {"tags", ""},       {"version", Version()}};
  registry.GetGauge("promtail_build_info", "A metric with a constant '1' value labeled by version and revision.", promtail)
      .Set(1);
  registry.GetGauge("sluice_build_info", "A metric with a constant '1' value labeled by version and revision.",
                    {{"version", Version()}, {"revision", Revision()}})
      .Set(1);
}

}  // namespace

SelfMetrics::SelfMetrics(SelfMetricsParts parts)
    : parts_(std::move(parts)),
      process_(parts_.registry),
      budget_used_(parts_.registry.GetGauge("sluice_memory_budget_used_bytes", "Bytes in buffers, batches and retries.")),
      budget_limit_(parts_.registry.GetGauge("sluice_memory_budget_limit_bytes", "The memory budget (-memory-limit).")),
      label_sets_(parts_.registry.GetGauge("sluice_label_sets", "Label sets known to the lanes.")),
      lane_turn_(parts_.registry.GetGauge("sluice_lane_longest_turn_seconds",
                                          "The longest turn of a lane since the last scrape.")),
      io_turn_(parts_.registry.GetGauge("sluice_io_longest_turn_seconds",
                                        "The longest turn of the thread that follows files, since the last scrape.")),
      positions_age_(parts_.registry.GetGauge("sluice_positions_age_seconds", "Since positions were saved last.")),
      lag_bytes_(parts_.registry.GetGauge("sluice_lag_bytes", "Bytes of files that are not settled yet.")),
      lag_seconds_(parts_.registry.GetGauge("sluice_lag_seconds",
                                            "How long the oldest byte that is not settled has waited, at least.")),
      silenced_pods_(parts_.registry.GetGauge("sluice_silenced_pods",
                                              "Pods of which every line was dropped by stages or limits.")) {
  metrics::Registry& r = parts_.registry;
  using Stats = flow::LaneStats;
  mirrors_ = {
      {&r.GetCounter("sluice_read_bytes_total", "Bytes read from files."), &Stats::bytes_read},
      {&r.GetCounter("sluice_read_lines_total", "Physical lines read from files."), &Stats::lines_read},
      {&r.GetCounter("sluice_out_entries_total", "Entries that left the pipelines for batches."), &Stats::records_out},
      {&r.GetCounter("sluice_out_bytes_total", "Line bytes of the entries that left the pipelines."), &Stats::bytes_out},
      {&r.GetCounter("sluice_not_in_format_lines_total", "Lines that were not in the runtime's format and went as they are."),
       &Stats::not_in_format},
      {&r.GetCounter("sluice_cut_lines_total", "Lines cut at a limit."), &Stats::lines_cut},
      {&r.GetCounter("sluice_partial_lines_total", "CRI fragments joined."), &Stats::partials_joined},
      {&r.GetCounter("sluice_read_errors_total", "Failed reads."), &Stats::read_errors},
      {&r.GetCounter("sluice_batches_total", "Batches handed to delivery."), &Stats::batches_sent},
      {&r.GetCounter("sluice_budget_waits_total", "Times that reading waited for memory."), &Stats::waits_for_budget},
  };
  ShowBuild(r);
  collector_ = r.AddCollector([this] { Collect(); });
}

SelfMetrics::~SelfMetrics() = default;

void SelfMetrics::Collect() {
  process_.Collect();
  CollectLanes();
  CollectLogs();
  CollectFiles();
  budget_used_.Set(static_cast<double>(parts_.budget.used()));
  budget_limit_.Set(static_cast<double>(parts_.budget.limit()));
  io_turn_.Set(parts_.longest_io_turn());
  const MonoTime saved = parts_.positions.saved_at();
  if (saved != kNever) positions_age_.Set(std::chrono::duration<double>(parts_.clock.Now() - saved).count());
}

void SelfMetrics::CollectLanes() {
  for (Mirror& mirror : mirrors_) {
    uint64_t sum = 0;
    for (const auto& lane : parts_.lanes) sum += (lane->lane().stats().*mirror.source).load(std::memory_order_relaxed);
    mirror.counter->Add(static_cast<double>(sum - mirror.shown));
    mirror.shown = sum;
  }
  uint64_t sets = 0;
  double longest = 0;
  for (const auto& lane : parts_.lanes) {
    sets += lane->lane().stats().label_sets.load(std::memory_order_relaxed);
    longest = std::max(longest, lane->TakeLongestPump());
  }
  label_sets_.Set(static_cast<double>(sets));
  lane_turn_.Set(longest);
}

void SelfMetrics::CollectLogs() {
  for (size_t i = 0; i < kLevels.size(); ++i) {
    const auto written = static_cast<double>(LogLinesWritten(kLevels[i]));
    for (const char* name : {"loki_internal_log_messages_total", "loki_log_messages_total"}) {
      metrics::Counter& counter =
          parts_.registry.GetCounter(name, "Lines of the agent's own log, by level.", {{"level", kLevelNames[i]}});
      counter.Add(written - counter.Value());
    }
  }
}

void SelfMetrics::CollectFiles() {
  const std::vector<source::FileView> files = parts_.tailer.Files();
  const MonoTime now = parts_.clock.Now();
  LagClock::Lag all;
  for (const source::FileView& file : files) {
    const LagClock::Lag lag = parts_.lag.Look(file, now);
    all.bytes += lag.bytes;
    all.seconds = std::max(all.seconds, lag.seconds);
  }
  parts_.lag.EndOfRound();
  lag_bytes_.Set(static_cast<double>(all.bytes));
  lag_seconds_.Set(all.seconds);
  silenced_pods_.Set(static_cast<double>(parts_.tallies.Silenced()));
  wanted_.clear();
  if (parts_.per_path) {
    CollectPaths(files);
  } else {
    CollectGroups(files);
  }
  for (const std::string& path : shown_) {
    if (wanted_.contains(path)) continue;
    for (const char* name : {kReadBytes, kFileBytes, kReadLines}) parts_.registry.Remove(name, {{"path", path}});
  }
  shown_ = wanted_;
}

// A file without `read` is one that is there and is not read.
void SelfMetrics::Show(const std::string& path, double size, const double* read, const double* lines) {
  metrics::Registry& r = parts_.registry;
  const metrics::Labels labels = {{"path", path}};
  wanted_.insert(path);
  r.GetGauge(kFileBytes, "Number of bytes total.", labels).Set(size);
  if (read == nullptr) {
    r.Remove(kReadBytes, labels);
    return;
  }
  r.GetGauge(kReadBytes, "Number of bytes read.", labels).Set(*read);
  // Fewer than before: an older generation of the file is gone, and the count begins again.
  if (r.GetCounter(kReadLines, "Number of lines read.", labels).Value() > *lines) r.Remove(kReadLines, labels);
  metrics::Counter& counter = r.GetCounter(kReadLines, "Number of lines read.", labels);
  counter.Add(*lines - counter.Value());
}

// Promtail's own series: the newest generation of every file.
void SelfMetrics::CollectPaths(const std::vector<source::FileView>& files) {
  for (const source::FileView& file : files) {
    if (file.generations.empty()) {
      if (file.state == source::FileState::kUnreadable) Show(file.path, 0, nullptr, nullptr);
      continue;
    }
    const source::GenerationView& newest = file.generations.back();
    const auto read = static_cast<double>(newest.read);
    double lines = 0;
    for (const source::GenerationView& generation : file.generations) lines += static_cast<double>(generation.lines);
    Show(file.path, static_cast<double>(std::max(newest.size, newest.read)), &read, &lines);
  }
}

// One series per namespace or glob. Both values only grow, so that rates mean
// something, and their difference is what is still unread.
void SelfMetrics::CollectGroups(const std::vector<source::FileView>& files) {
  std::map<std::string, uint64_t> unread;
  size_t unreadable = 0;
  for (const source::FileView& file : files) {
    if (file.state == source::FileState::kUnreadable && ++unreadable <= kMostUnreadable) {
      Show(file.path, 0, nullptr, nullptr);
    }
    for (const source::GenerationView& generation : file.generations) {
      if (generation.size > generation.read) unread[GroupOf(file.path, *file.target)] += generation.size - generation.read;
    }
  }
  for (const auto& [group, sums] : parts_.tallies.Groups()) {
    const auto read = static_cast<double>(sums.bytes_read);
    const auto lines = static_cast<double>(sums.lines_read);
    const auto waiting = unread.find(group);
    Show(group, read + (waiting == unread.end() ? 0.0 : static_cast<double>(waiting->second)), &read, &lines);
  }
}

}  // namespace agent::app
