// SPDX-License-Identifier: Apache-2.0
#include "agent/app/status.h"

#include <algorithm>
#include <map>

#include "agent/app/version.h"
#include "agent/metrics/process.h"

namespace agent::app {

AgentStatus::AgentStatus(StatusParts parts) : parts_(parts), started_(parts.clock.Wall()) {}

AgentStatus::~AgentStatus() = default;

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

void AgentStatus::ConfigText(admin::Reply<std::string> reply) {
  parts_.io.Post([this, reply = std::move(reply)] { reply(settings().Text()); });
}

void AgentStatus::Reload(admin::Reply<Status> reply) {
  parts_.io.Post([this, reply = std::move(reply)] { reply(parts_.reloader.Reload("/reload")); });
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
      if (pod.summary.id != id) continue;
      AddStages(pod);
      pod.streams = StreamsOf(pod.summary.id);
      return reply(std::move(pod));
    }
    reply({});
  });
}

void AgentStatus::Explain(admin::ExplainQuery query, admin::Reply<admin::Explanation> reply) {
  parts_.io.Post([this, query = std::move(query), reply = std::move(reply)] { reply(MakeExplanation(query)); });
}

void AgentStatus::LossLedger(admin::Reply<admin::Ledger> reply) {
  parts_.io.Post([this, reply = std::move(reply)] { reply(MakeLedger()); });
}

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
        row.job = settings().scrapes[i].job;
        row.discovered = one.target != nullptr ? one.target->discovered : one.discovered;
        if (one.target != nullptr) row.labels = one.target->labels;
        row.drop_reason = one.why;
        rows.push_back(std::move(row));
      }
    }
    reply(std::move(rows));
  });
}

admin::NodeSummary AgentStatus::MakeNode() const {
  admin::NodeSummary node;
  node.version = Version();
  node.node_name = settings().node_name;
  node.config_file = settings().file;
  node.now = parts_.clock.Wall();
  node.started = started_;
  node.config_loaded = parts_.reloader.loaded_at();
  node.reload_error = parts_.reloader.last_error();
  if (!node.reload_error.empty()) {
    node.troubles.push_back({admin::Trouble::Severity::kWarning, "reload", "The new configuration was refused, the old one goes on: " + node.reload_error});
  }
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
    node.lag_seconds = std::max(node.lag_seconds, pod.summary.lag_seconds);
    node.counts.lines_dropped += pod.summary.counts.lines_dropped;
  }
  node.files_active = node.files;
  node.streams = parts_.observer.policy().Snapshot().streams;
  node.budget_used = parts_.budget.used();
  node.budget_limit = parts_.budget.limit();
  node.resident_bytes = metrics::ResidentBytes();
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
  for (const push::ClientStatus& client : parts_.pushers.Status()) {
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
