// SPDX-License-Identifier: Apache-2.0
// The part of AgentStatus that answers "why are there no logs of ...?", and its views of
// the ledger and of labels.
#include <algorithm>
#include <map>

#include "agent/app/status.h"

namespace agent::app {
namespace {

using State = admin::ExplainLink::State;

admin::ExplainLink Link(std::string name, bool ok, std::string text, std::string advice) {
  return {.name = std::move(name), .state = ok ? State::kOk : State::kBroken, .text = std::move(text),
          .advice = ok ? std::string() : std::move(advice)};
}

bool Names(const std::string& id, const std::string& wanted) {
  return id == wanted || id.ends_with("/" + wanted) || id == "job:" + wanted;
}

// Everything behind the first broken link is skipped; the verdict is that link.
void Conclude(admin::Explanation& out) {
  bool broken = false;
  for (admin::ExplainLink& link : out.links) {
    if (broken) {
      link.state = State::kSkipped;
      link.advice.clear();
    } else if (link.state == State::kBroken) {
      broken = true;
      out.verdict = link.text + (link.advice.empty() ? "" : " " + link.advice);
    }
  }
  if (!broken) out.verdict = "Nothing is broken: its lines are read, and Loki takes them.";
}

}  // namespace

admin::Explanation AgentStatus::MakeExplanation(const admin::ExplainQuery& query) const {
  admin::Explanation out;
  out.pod = query.pod;
  const std::vector<admin::PodDetail> pods = MakePods();
  const auto pod = std::find_if(pods.begin(), pods.end(), [&](const admin::PodDetail& one) {
    return Names(one.summary.id, query.pod) ||
           std::any_of(one.files.begin(), one.files.end(), [&](const auto& file) { return file.path == query.pod; });
  });
  if (pod == pods.end()) {
    for (const admin::PodDetail& one : pods) {
      if (one.summary.id.find(query.pod) != std::string::npos) out.similar.push_back(one.summary.id);
    }
    std::string text = "No file of \"" + query.pod + "\" is known.";
    for (const std::string& sentence : parts_.tailer.Explain(query.pod)) text += " " + sentence;
    out.links.push_back(Link("files", false, text,
                             "Check the name, that the pod ran on this node, and that a scrape config's path covers its "
                             "log files (see /service-discovery)."));
    Conclude(out);
    return out;
  }
  out.pod = pod->summary.id;
  const auto excluded = std::find_if(pod->files.begin(), pod->files.end(),
                                     [](const admin::FileDetail& file) { return file.state == "excluded"; });
  const bool none_left = std::all_of(pod->files.begin(), pod->files.end(),
                                     [](const admin::FileDetail& file) { return file.state == "excluded"; });
  out.links.push_back(none_left && excluded != pod->files.end()
                          ? Link("files", false, excluded->path + " is excluded: " + excluded->trouble + ".",
                                 "It is never opened; change that rule of the configuration to read it.")
                          : Link("files", true, std::to_string(pod->files.size()) + " files match", ""));
  const bool unreadable = pod->summary.trouble.code == "unreadable";
  out.links.push_back(Link("opened", !unreadable, unreadable ? pod->summary.trouble.text : "they are open",
                           "The agent's user must be able to read the file and its directories."));
  uint64_t read = 0;
  uint64_t committed = 0;
  uint64_t size = 0;
  for (const admin::FileDetail& file : pod->files) {
    read += file.read;
    committed += file.committed;
    size += file.size;
  }
  out.links.push_back(Link("read", read > 0, "read " + std::to_string(read) + " of " + std::to_string(size) + " bytes",
                           size == 0 ? "The files are empty: the container has written nothing."
                                     : "Reading waits: is the memory budget used up because Loki does not answer?"));
  const auto clients = parts_.pusher.Status();
  const auto failing = std::find_if(clients.begin(), clients.end(),
                                    [](const push::ClientStatus& client) { return !client.last_error.empty(); });
  const bool push_fails = failing != clients.end() && committed < read;
  out.links.push_back(Link("loki", !push_fails, push_fails ? failing->url + ": " + failing->last_error : "no push is failing",
                           "Lines wait in their files until Loki takes them."));
  const bool lost = pod->summary.counts.lines_lost + pod->summary.counts.bytes_lost > 0;
  out.links.push_back(Link("refused", !lost, lost ? pod->events.front().text : "nothing of it was refused or lost",
                           "See the ledger for counts and Loki's own words."));
  out.links.push_back(Link("accepted", committed > 0, std::to_string(committed) + " bytes are stored or settled",
                           "Nothing has been stored yet."));
  Conclude(out);
  return out;
}

admin::Ledger AgentStatus::MakeLedger() const {
  admin::Ledger out;
  out.since = started_;
  std::map<std::string, admin::LossRow> by_reason;
  for (const Ledger::Row& row : parts_.ledger.Rows()) {
    admin::LossRow& sum = by_reason[row.reason];
    sum.reason = row.reason;
    sum.text = row.detail;
    sum.lines += row.sum.lines;
    sum.bytes += row.sum.bytes;
    sum.last = std::max(sum.last, row.last);
    out.by_pod.push_back({row.pod, {row.reason, row.detail, row.sum.lines, row.sum.bytes, row.last}});
  }
  for (auto& [reason, row] : by_reason) out.lost.push_back(std::move(row));
  for (const ScrapeConfig& scrape : parts_.settings.scrapes) {
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
