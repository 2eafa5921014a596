// SPDX-License-Identifier: Apache-2.0
// The part of AgentStatus that shows pods, the ledger and labels.
#include <algorithm>
#include <array>
#include <map>

#include "agent/app/status.h"

namespace agent::app {
namespace {

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
    file.lines = generation.lines;
    if (generation.abandoned) file.state = "abandoned";
    pod.summary.lag_bytes += file.size - std::min(file.size, file.committed);
    pod.files.push_back(std::move(file));
  }
}

}  // namespace

std::vector<admin::PodDetail> AgentStatus::MakePods() const {
  std::map<std::string, admin::PodDetail> pods;
  for (const source::FileView& view : parts_.tailer.Files()) {
    const bool not_read = view.state == source::FileState::kIgnored || view.state == source::FileState::kExcluded;
    if (not_read && view.generations.empty()) continue;
    const LabelMap labels = LabelsOfFile(*view.target, view.path);
    const std::string pod_name = ValueOf(labels, "pod");
    const std::string id = PodIdOf(labels, view.target->job);
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
    pod.summary.lag_seconds = std::max(pod.summary.lag_seconds, parts_.lag.Look(view, parts_.clock.Now()).seconds);
  }
  parts_.lag.EndOfRound();
  for (auto& [id, pod] : pods) AddTally(pod);
  AddLedger(pods);
  std::erase_if(settled_entries_, [&](const auto& entry) { return !pods.contains(entry.first); });
  std::vector<admin::PodDetail> out;
  for (auto& [id, pod] : pods) out.push_back(std::move(pod));
  return out;
}

// What the lanes counted for the pod, and what that says about its state.
void AgentStatus::AddTally(admin::PodDetail& pod) const {
  const std::shared_ptr<const Tally> tally = parts_.tallies.Find(pod.summary.id);
  if (tally == nullptr) return;
  admin::LineCounts& counts = pod.summary.counts;
  counts.bytes_in = tally->bytes_read.load(std::memory_order_relaxed);
  counts.lines_in = tally->lines_read.load(std::memory_order_relaxed);
  counts.lines_dropped = tally->lines_dropped.load(std::memory_order_relaxed);
  counts.bytes_sent = tally->bytes_out.load(std::memory_order_relaxed);
  pod.summary.streams = tally->streams.Count(parts_.clock.Now());
  pod.summary.last_read = tally->last_read.load(std::memory_order_relaxed);
  pod.summary.last_accepted = tally->last_stored.load(std::memory_order_relaxed);
  // What is on its way is not sent yet; how much of it Loki has is known when all is.
  uint64_t& settled = settled_entries_[pod.summary.id];
  const uint64_t out = tally->entries_out.load(std::memory_order_relaxed);
  if (pod.summary.lag_bytes == 0 || out < settled) settled = out;
  counts.lines_sent = settled;
  admin::Trouble& trouble = pod.summary.trouble;
  if (trouble.severity != admin::Trouble::Severity::kOk) return;
  if (counts.lines_dropped > 0 && out == 0) {
    trouble = {admin::Trouble::Severity::kNote, "all_dropped", "Every line of it is dropped by the configuration."};
  } else if (pod.summary.lag_seconds >= 60) {
    trouble = {admin::Trouble::Severity::kWarning, "lagging",
               std::to_string(static_cast<uint64_t>(pod.summary.lag_seconds)) + " s behind: " +
                   std::to_string(pod.summary.lag_bytes) + " bytes are not stored yet."};
  }
}

void AgentStatus::AddLedger(std::map<std::string, admin::PodDetail>& pods) const {
  for (const Ledger::Row& row : parts_.ledger.Rows()) {
    auto found = pods.find(row.pod);
    if (found == pods.end() && row.pod.starts_with('/')) {  // lost before it was opened: only its path is known
      found = std::ranges::find_if(pods, [&](const auto& pod) {
        return std::ranges::find(pod.second.files, row.pod, &admin::FileDetail::path) != pod.second.files.end();
      });
    }
    if (found == pods.end()) continue;
    admin::PodDetail& pod = found->second;
    const std::string text = row.reason + ": " + row.detail;
    pod.events.push_back({row.last, row.intended ? admin::Trouble::Severity::kNote : admin::Trouble::Severity::kWarning, text});
    if (row.intended) continue;
    pod.summary.counts.lines_lost += row.sum.lines;
    pod.summary.counts.bytes_lost += row.sum.bytes;
    pod.summary.counts.lines_sent -= std::min(pod.summary.counts.lines_sent, row.sum.lines);
    if (pod.summary.trouble.severity < admin::Trouble::Severity::kWarning) {
      pod.summary.trouble = {admin::Trouble::Severity::kWarning, "lost", "Lines of it were lost. " + text};
    }
  }
  for (auto& [id, pod] : pods) {
    std::sort(pod.events.begin(), pod.events.end(), [](const auto& a, const auto& b) { return a.at > b.at; });
  }
}

// The stages that have dropped lines of the pod's job.
void AgentStatus::AddStages(admin::PodDetail& pod) const {
  for (const ScrapeConfig& scrape : settings().scrapes) {
    if (scrape.job != pod.summary.job) continue;
    for (const auto& drop : scrape.pipeline->drop_reasons) {
      const size_t dot = drop->stage.rfind('.');
      pod.stages.push_back({.place = drop->stage.substr(0, dot),
                            .stage = dot == std::string::npos ? std::string() : drop->stage.substr(dot + 1),
                            .dropped = drop->lines.load(std::memory_order_relaxed),
                            .failed = 0,
                            .reason = drop->reason});
    }
  }
}

admin::Streams AgentStatus::StreamsOf(const std::string& pod) const {
  admin::Streams out;
  const std::shared_ptr<const Tally> tally = parts_.tallies.Find(pod);
  if (tally == nullptr) return out;
  const MonoTime now = parts_.clock.Now();
  const WallNanos wall = parts_.clock.Wall();
  for (const StreamList::Row& row : tally->streams.Named(now, out.others)) {
    out.busiest.push_back({.labels = row.use->labels,
                           .lines = row.use->lines.load(std::memory_order_relaxed),
                           .bytes = row.use->bytes.load(std::memory_order_relaxed),
                           .last = wall - (now - row.last).count()});
  }
  std::ranges::sort(out.busiest, [](const auto& a, const auto& b) {
    return a.bytes != b.bytes ? a.bytes > b.bytes : a.labels < b.labels;
  });
  return out;
}

AgentStatus::PodNumbers AgentStatus::NumbersOf(const admin::PodDetail& pod) const {
  PodNumbers out;
  for (const admin::FileDetail& file : pod.files) {
    out.size += file.size;
    out.read += file.read;
    out.committed += file.committed;
  }
  if (const std::shared_ptr<const Tally> tally = parts_.tallies.Find(pod.summary.id); tally != nullptr) {
    out.lines = tally->lines_read.load(std::memory_order_relaxed);
    out.out = tally->entries_out.load(std::memory_order_relaxed);
    out.dropped = tally->lines_dropped.load(std::memory_order_relaxed);
    out.last_read = tally->last_read.load(std::memory_order_relaxed);
    out.last_stored = tally->last_stored.load(std::memory_order_relaxed);
  }
  for (const source::FileView& view : parts_.tailer.Files()) {
    for (const source::GenerationView& generation : view.generations) {
      const bool of_pod = std::any_of(pod.files.begin(), pod.files.end(), [&](const auto& file) { return file.path == view.path; });
      if (of_pod && generation.last_drop != nullptr) out.last_drop = *generation.last_drop;
    }
  }
  static constexpr std::array kUnread = {source::LossReason::kTruncated, source::LossReason::kPinnedBudget,
                                         source::LossReason::kDeletedWhileDown};
  for (const Ledger::Row& row : parts_.ledger.Rows()) {
    const bool by_path = std::any_of(pod.files.begin(), pod.files.end(), [&](const auto& file) { return file.path == row.pod; });
    if (row.pod != pod.summary.id && !by_path) continue;
    const bool unread = std::any_of(kUnread.begin(), kUnread.end(), [&](auto reason) { return row.reason == source::NameOf(reason); });
    std::shared_ptr<const Ledger::Row>& place = row.intended ? out.limit : unread ? out.loss : out.refusal;
    if (place == nullptr || place->last < row.last) place = std::make_shared<Ledger::Row>(row);
  }
  return out;
}

admin::Ledger AgentStatus::MakeLedger() const {
  admin::Ledger out;
  out.since = started_;
  std::map<std::string, admin::LossRow> by_reason;
  std::map<std::string, admin::LossRow> limited;
  for (const Ledger::Row& row : parts_.ledger.Rows()) {
    if (row.intended) {
      limited[row.reason].reason = row.reason;
      limited[row.reason].text = row.detail;
      limited[row.reason].lines += row.sum.lines;
      limited[row.reason].bytes += row.sum.bytes;
      limited[row.reason].last = std::max(limited[row.reason].last, row.last);
      out.counts.lines_dropped += row.sum.lines;
      continue;
    }
    admin::LossRow& sum = by_reason[row.reason];
    sum.reason = row.reason;
    sum.text = row.detail;
    sum.lines += row.sum.lines;
    sum.bytes += row.sum.bytes;
    sum.last = std::max(sum.last, row.last);
    out.by_pod.push_back({row.pod, {row.reason, row.detail, row.sum.lines, row.sum.bytes, row.last}});
  }
  for (auto& [reason, row] : by_reason) out.lost.push_back(std::move(row));
  for (auto& [reason, row] : limited) out.dropped.push_back(std::move(row));
  for (const ScrapeConfig& scrape : settings().scrapes) {
    for (const auto& drop : scrape.pipeline->drop_reasons) {
      const uint64_t lines = drop->lines.load(std::memory_order_relaxed);
      if (lines == 0) continue;
      out.dropped.push_back({drop->reason, drop->stage, lines, drop->bytes.load(std::memory_order_relaxed), 0});
      out.counts.lines_dropped += lines;
    }
  }
  const Ledger::Sum lost = parts_.ledger.Lost();
  out.counts.lines_lost = lost.lines;
  out.counts.bytes_lost = lost.bytes;
  return out;
}

admin::Cardinality AgentStatus::MakeCardinality() const {
  const label::Cardinality now = parts_.observer.policy().Snapshot();
  admin::Cardinality out;
  out.streams = now.streams;
  out.streams_limit = now.max_streams;
  out.window_seconds = std::chrono::duration<double>(now.window).count();
  for (const label::LabelCardinality& label : now.labels) {
    out.labels.push_back({.name = label.name,
                          .job = {},
                          .origin = "pipeline",
                          .distinct = label.values,
                          .estimated = !label.exact,
                          .budget = label.budget,
                          .action = now.action,
                          .demoted = label.demoted,
                          .demoted_since = label.since,
                          .demoted_lines = label.demoted_lines,
                          .examples = label.samples});
  }
  return out;
}

}  // namespace agent::app
