// SPDX-License-Identifier: Apache-2.0
#include "agent/app/status.h"

#include <algorithm>
#include <fstream>
#include <map>

#include "agent/app/version.h"

namespace agent::app {
namespace {

uint64_t ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  uint64_t pages = 0;
  uint64_t resident = 0;
  in >> pages >> resident;
  return resident * 4096;
}

std::string ValueOf(const LabelMap& labels, std::string_view name) {
  const auto found = labels.find(name);
  return found == labels.end() ? std::string() : found->second;
}

const char* NameOf(source::FileState state) {
  switch (state) {
    case source::FileState::kFollowed: return "followed";
    case source::FileState::kWaiting: return "waiting";
    case source::FileState::kUnreadable: return "unreadable";
    case source::FileState::kIgnored: return "ignored";
    case source::FileState::kExcluded: return "excluded";
  }
  return "unknown";
}

admin::FileDetail DetailOf(const source::FileView& view, const LabelMap& labels) {
  admin::FileDetail file;
  file.path = view.path;
  file.container = ValueOf(labels, "container");
  file.job = view.target->job;
  file.state = NameOf(view.state);
  file.trouble = view.trouble;
  return file;
}

// The files of one path, newest generation first.
void AddFiles(const source::FileView& view, const LabelMap& labels, admin::PodDetail& pod) {
  if (view.generations.empty()) pod.files.push_back(DetailOf(view, labels));
  uint64_t number = view.generations.size();
  for (const source::GenerationView& generation : view.generations) {
    admin::FileDetail file = DetailOf(view, labels);
    file.location = generation.location;
    file.inode = generation.inode;
    file.size = std::max(generation.size, generation.read);
    file.read = generation.read;
    file.committed = generation.committed;
    file.generation = --number;
    if (generation.abandoned) file.state = "abandoned";
    pod.summary.lag_bytes += file.size - std::min(file.size, file.committed);
    pod.summary.counts.bytes_in += generation.read - std::min(generation.read, generation.start);
    pod.files.push_back(std::move(file));
  }
}

}  // namespace

// Counters of the lanes, as metrics: what has been added so far.
struct AgentStatus::Mirrors {
  struct Mirror {
    metrics::Counter* counter;
    std::atomic<uint64_t> flow::LaneStats::*source;
    uint64_t shown = 0;
  };
  std::vector<Mirror> counters;
  metrics::Gauge* budget_used = nullptr;
  metrics::Gauge* budget_limit = nullptr;
  metrics::Gauge* label_sets = nullptr;
  metrics::Gauge* resident = nullptr;
  metrics::Gauge* pump = nullptr;
  metrics::Gauge* positions_age = nullptr;
};

AgentStatus::AgentStatus(StatusParts parts)
    : parts_(parts), started_(parts.clock.Wall()), mirrors_(std::make_unique<Mirrors>()) {
  metrics::Registry& r = parts_.registry;
  using Stats = flow::LaneStats;
  mirrors_->counters = {
      {&r.GetCounter("sluice_read_bytes_total", "Bytes read from files"), &Stats::bytes_read},
      {&r.GetCounter("sluice_read_lines_total", "Physical lines read from files"), &Stats::lines_read},
      {&r.GetCounter("sluice_out_entries_total", "Entries that went into batches"), &Stats::records_out},
      {&r.GetCounter("sluice_not_in_format_lines_total", "Lines that were not in the runtime's format and went as they are"),
       &Stats::not_in_format},
      {&r.GetCounter("sluice_cut_lines_total", "Lines cut at a limit"), &Stats::lines_cut},
      {&r.GetCounter("sluice_partial_lines_total", "CRI fragments joined"), &Stats::partials_joined},
      {&r.GetCounter("sluice_read_errors_total", "Failed reads"), &Stats::read_errors},
      {&r.GetCounter("sluice_batches_total", "Batches handed to delivery"), &Stats::batches_sent},
      {&r.GetCounter("sluice_budget_waits_total", "Times that reading waited for memory"), &Stats::waits_for_budget},
  };
  mirrors_->budget_used = &r.GetGauge("sluice_memory_budget_used_bytes", "Bytes in buffers, batches and retries");
  mirrors_->budget_limit = &r.GetGauge("sluice_memory_budget_limit_bytes", "The memory budget (-memory-limit)");
  mirrors_->label_sets = &r.GetGauge("sluice_label_sets", "Label sets known to the lanes");
  mirrors_->resident = &r.GetGauge("process_resident_memory_bytes", "Resident memory size in bytes.");
  mirrors_->pump = &r.GetGauge("sluice_lane_longest_turn_seconds", "The longest turn of a lane since the last scrape");
  mirrors_->positions_age = &r.GetGauge("sluice_positions_age_seconds", "Since positions were saved last");
  r.GetGauge("promtail_build_info", "A metric with a constant '1' value", {{"version", Version()}, {"revision", Revision()}})
      .Set(1);
  r.GetGauge("sluice_build_info", "A metric with a constant '1' value", {{"version", Version()}, {"revision", Revision()}})
      .Set(1);
  collector_ = r.AddCollector([this] { Collect(); });
}

AgentStatus::~AgentStatus() = default;

void AgentStatus::Collect() {
  for (Mirrors::Mirror& mirror : mirrors_->counters) {
    uint64_t sum = 0;
    for (const auto& lane : parts_.lanes) sum += (lane->lane().stats().*mirror.source).load(std::memory_order_relaxed);
    mirror.counter->Add(static_cast<double>(sum - mirror.shown));
    mirror.shown = sum;
  }
  mirrors_->budget_used->Set(static_cast<double>(parts_.budget.used()));
  mirrors_->budget_limit->Set(static_cast<double>(parts_.budget.limit()));
  uint64_t sets = 0;
  double longest = 0;
  for (const auto& lane : parts_.lanes) {
    sets += lane->lane().stats().label_sets.load(std::memory_order_relaxed);
    longest = std::max(longest, lane->TakeLongestPump());
  }
  mirrors_->label_sets->Set(static_cast<double>(sets));
  mirrors_->pump->Set(longest);
  mirrors_->resident->Set(static_cast<double>(ResidentBytes()));
  const MonoTime saved = parts_.positions.saved_at();
  if (saved != kNever) {
    mirrors_->positions_age->Set(std::chrono::duration<double>(parts_.clock.Now() - saved).count());
  }
}

admin::Readiness AgentStatus::IsReady() const {
  const auto files = parts_.tailer.Files();
  const bool any = std::any_of(files.begin(), files.end(),
                               [](const source::FileView& file) { return file.state == source::FileState::kFollowed; });
  return {.ready = any, .why_not = any ? "" : "Unable to find any logs to tail."};
}

void AgentStatus::Ready(admin::Reply<admin::Readiness> reply) {
  parts_.io.Post([this, reply = std::move(reply)] { reply(IsReady()); });
}

void AgentStatus::Metrics(admin::Reply<std::string> reply) {
  parts_.io.Post([this, reply = std::move(reply)] { reply(parts_.registry.Text()); });
}

void AgentStatus::ConfigText(admin::Reply<std::string> reply) { reply(parts_.settings.Text()); }

void AgentStatus::Reload(admin::Reply<Status> reply) {
  reply(Fail(Code::kConfig, "this version does not reload; restart the agent, its positions make that safe"));
}

void AgentStatus::Node(admin::Reply<admin::NodeSummary> reply) {
  parts_.io.Post([this, reply = std::move(reply)] { reply(MakeNode()); });
}

void AgentStatus::Pods(admin::Reply<std::vector<admin::PodSummary>> reply) {
  parts_.io.Post([this, reply = std::move(reply)] {
    std::vector<admin::PodSummary> rows;
    for (admin::PodDetail& pod : MakePods()) rows.push_back(std::move(pod.summary));
    reply(std::move(rows));
  });
}

void AgentStatus::Pod(std::string id, admin::Reply<admin::PodDetail> reply) {
  parts_.io.Post([this, id = std::move(id), reply = std::move(reply)] {
    for (admin::PodDetail& pod : MakePods()) {
      if (pod.summary.id == id) return reply(std::move(pod));
    }
    reply({});
  });
}

void AgentStatus::Explain(admin::ExplainQuery query, admin::Reply<admin::Explanation> reply) {
  parts_.io.Post([this, query = std::move(query), reply = std::move(reply)] { reply(MakeExplanation(query)); });
}

void AgentStatus::LossLedger(admin::Reply<admin::Ledger> reply) { reply(MakeLedger()); }

void AgentStatus::LabelCardinality(admin::Reply<admin::Cardinality> reply) { reply(MakeCardinality()); }

void AgentStatus::Targets(admin::Reply<std::vector<admin::TargetView>> reply) {
  parts_.io.Post([this, reply = std::move(reply)] {
    std::vector<admin::TargetView> rows;
    for (const source::FileView& file : parts_.tailer.Files()) {
      admin::TargetView row;
      row.job = file.target->job;
      row.type = "File";
      row.ready = file.state == source::FileState::kFollowed;
      row.labels = LabelsOfFile(*file.target, file.path);
      row.discovered = file.target->discovered;
      const uint64_t committed = file.generations.empty() ? 0 : file.generations.back().committed;
      row.details = row.ready ? file.path + ": " + std::to_string(committed) : file.path + ": " + file.trouble;
      rows.push_back(std::move(row));
    }
    reply(std::move(rows));
  });
}

void AgentStatus::Discovery(admin::Reply<std::vector<admin::DiscoveryView>> reply) {
  parts_.io.Post([this, reply = std::move(reply)] {
    std::vector<admin::DiscoveryView> rows;
    for (size_t i = 0; i < parts_.targets.all().size(); ++i) {
      for (const TargetOrFailure& one : parts_.targets.all()[i]) {
        admin::DiscoveryView row;
        row.job = parts_.settings.scrapes[i].job;
        row.discovered = one.target != nullptr ? one.target->discovered : one.discovered;
        if (one.target != nullptr) row.labels = one.target->labels;
        row.drop_reason = one.why;
        rows.push_back(std::move(row));
      }
    }
    reply(std::move(rows));
  });
}

std::vector<admin::PodDetail> AgentStatus::MakePods() const {
  std::map<std::string, admin::PodDetail> pods;
  for (const source::FileView& view : parts_.tailer.Files()) {
    const LabelMap labels = LabelsOfFile(*view.target, view.path);
    const std::string pod_name = ValueOf(labels, "pod");
    const std::string id = pod_name.empty() ? "job:" + view.target->job : ValueOf(labels, "namespace") + "/" + pod_name;
    admin::PodDetail& pod = pods[id];
    pod.found = true;
    pod.summary.id = id;
    pod.summary.ns = ValueOf(labels, "namespace");
    pod.summary.pod = pod_name;
    pod.summary.job = view.target->job;
    pod.labels = labels;
    ++pod.summary.files;
    const std::string container = ValueOf(labels, "container");
    auto& containers = pod.summary.containers;
    if (!container.empty() && std::find(containers.begin(), containers.end(), container) == containers.end()) {
      containers.push_back(container);
    }
    if (view.seconds_to_loss) {
      auto& nearest = pod.summary.seconds_to_loss;
      nearest = std::min(nearest.value_or(*view.seconds_to_loss), *view.seconds_to_loss);
    }
    if (view.state == source::FileState::kUnreadable) {
      pod.summary.trouble = {admin::Trouble::Severity::kCritical, "unreadable", view.path + ": " + view.trouble};
    }
    AddFiles(view, labels, pod);
  }
  for (const Ledger::Row& row : parts_.ledger.Rows()) {
    const auto found = pods.find(row.pod);
    if (found == pods.end()) continue;
    found->second.summary.counts.lines_lost += row.sum.lines;
    found->second.summary.counts.bytes_lost += row.sum.bytes;
    found->second.events.push_back({row.last, admin::Trouble::Severity::kWarning, row.reason + ": " + row.detail});
  }
  std::vector<admin::PodDetail> out;
  for (auto& [id, pod] : pods) out.push_back(std::move(pod));
  return out;
}

admin::NodeSummary AgentStatus::MakeNode() const {
  admin::NodeSummary node;
  node.version = Version();
  node.node_name = parts_.settings.node_name;
  node.config_file = parts_.settings.file;
  node.now = parts_.clock.Wall();
  node.started = node.config_loaded = started_;
  const admin::Readiness ready = IsReady();
  node.ready = ready.ready;
  node.not_ready_why = ready.why_not;
  for (const auto& lane : parts_.lanes) {
    const flow::LaneStats& stats = lane->lane().stats();
    node.counts.bytes_in += stats.bytes_read.load(std::memory_order_relaxed);
    node.counts.lines_in += stats.lines_read.load(std::memory_order_relaxed);
  }
  node.counts.lines_sent = parts_.observer.entries_stored();
  node.counts.bytes_sent = parts_.observer.bytes_stored();
  const Ledger::Sum lost = parts_.ledger.Lost();
  node.counts.lines_lost = lost.lines;
  node.counts.bytes_lost = lost.bytes;
  for (const admin::PodDetail& pod : MakePods()) {
    ++node.pods;
    node.files += pod.files.size();
    node.lag_bytes += pod.summary.lag_bytes;
    const std::optional<double>& to_loss = pod.summary.seconds_to_loss;
    if (to_loss) node.seconds_to_loss = std::min(node.seconds_to_loss.value_or(*to_loss), *to_loss);
  }
  node.files_active = node.files;
  node.streams = parts_.observer.policy().Snapshot().streams;
  node.budget_used = parts_.budget.used();
  node.budget_limit = parts_.budget.limit();
  node.resident_bytes = ResidentBytes();
  node.pinned_bytes = parts_.tailer.pinned_bytes();
  node.inotify_watches = parts_.tailer.watches();
  const MonoTime saved = parts_.positions.saved_at();
  if (saved != kNever) node.positions_age_seconds = std::chrono::duration<double>(parts_.clock.Now() - saved).count();
  if (parts_.tailer.polling()) {
    node.troubles.push_back({admin::Trouble::Severity::kNote, "polling", "some directories cannot be watched and are polled"});
  }
  if (!parts_.positions.trouble().empty()) {
    node.troubles.push_back({admin::Trouble::Severity::kCritical, "positions", parts_.positions.trouble()});
  }
  for (const std::string& trouble : parts_.targets.Troubles()) {
    node.troubles.push_back({admin::Trouble::Severity::kWarning, "kubernetes", trouble});
  }
  for (const push::ClientStatus& client : parts_.pusher.Status()) {
    if (!client.last_error.empty()) {
      node.troubles.push_back({admin::Trouble::Severity::kCritical, "push", client.url + ": " + client.last_error});
    }
    node.clients.push_back({.name = client.name,
                            .url = client.url,
                            .last_status = client.last_status,
                            .last_error = client.last_error,
                            .last_answer = client.last_answer_wall,
                            .last_accepted = client.last_accepted_wall,
                            .batches_waiting = client.batches_waiting,
                            .bytes_waiting = client.bytes_waiting,
                            .in_flight = client.in_flight,
                            .held_streams = client.held_streams,
                            .backoff_seconds = std::chrono::duration<double>(client.backoff).count()});
  }
  return node;
}

}  // namespace agent::app
