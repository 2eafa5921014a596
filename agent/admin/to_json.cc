// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/internal/to_json.h"

#include <algorithm>

#include "agent/admin/internal/json.h"

namespace agent::admin::internal {
namespace {

const char* Name(Trouble::Severity severity) {
  switch (severity) {
    case Trouble::Severity::kOk: return "ok";
    case Trouble::Severity::kNote: return "note";
    case Trouble::Severity::kWarning: return "warning";
    case Trouble::Severity::kCritical: return "critical";
  }
  return "ok";
}

const char* Name(ExplainLink::State state) {
  switch (state) {
    case ExplainLink::State::kOk: return "ok";
    case ExplainLink::State::kBroken: return "broken";
    case ExplainLink::State::kUnknown: return "unknown";
    case ExplainLink::State::kSkipped: return "skipped";
  }
  return "unknown";
}

void Write(Json& json, const Trouble& trouble) {
  json.Object().Field("severity", Name(trouble.severity)).Field("code", trouble.code).Field("text", trouble.text);
  json.EndObject();
}

void Write(Json& json, const LineCounts& counts) {
  json.Object()
      .Field("bytes_in", counts.bytes_in)
      .Field("lines_in", counts.lines_in)
      .Field("lines_sent", counts.lines_sent)
      .Field("bytes_sent", counts.bytes_sent)
      .Field("lines_dropped", counts.lines_dropped)
      .Field("lines_lost", counts.lines_lost)
      .Field("bytes_lost", counts.bytes_lost)
      .EndObject();
}

void Write(Json& json, const ClientSummary& client) {
  json.Object()
      .Field("name", client.name)
      .Field("url", client.url)
      .Field("last_status", client.last_status)
      .Field("last_error", client.last_error)
      .Time("last_answer", client.last_answer)
      .Time("last_accepted", client.last_accepted)
      .Field("batches_waiting", client.batches_waiting)
      .Field("bytes_waiting", client.bytes_waiting)
      .Field("in_flight", client.in_flight)
      .Field("held_streams", client.held_streams)
      .Field("retries", client.retries)
      .Field("wire_bytes", client.wire_bytes)
      .Field("backoff_seconds", client.backoff_seconds)
      .EndObject();
}

void Write(Json& json, const PodSummary& pod) {
  json.Object()
      .Field("id", pod.id)
      .Field("namespace", pod.ns)
      .Field("pod", pod.pod)
      .Field("uid", pod.uid)
      .Field("job", pod.job)
      .ListOf("containers", pod.containers, [&](const std::string& name) { json.Value(name); });
  Write(json.Key("trouble"), pod.trouble);
  Write(json.Key("counts"), pod.counts);
  json.Field("bytes_per_second", pod.bytes_per_second)
      .Field("lines_per_second", pod.lines_per_second)
      .Field("files", pod.files)
      .Field("streams", pod.streams)
      .Field("lag_bytes", pod.lag_bytes)
      .Field("lag_seconds", pod.lag_seconds)
      .Field("seconds_to_loss", pod.seconds_to_loss)
      .Time("last_read", pod.last_read)
      .Time("last_accepted", pod.last_accepted)
      .EndObject();
}

void Write(Json& json, const FileDetail& file) {
  json.Object()
      .Field("path", file.path)
      .Field("location", file.location)
      .Field("container", file.container)
      .Field("job", file.job)
      .Field("state", file.state)
      .Field("trouble", file.trouble)
      .Field("inode", file.inode)
      .Field("size", file.size)
      .Field("read", file.read)
      .Field("committed", file.committed)
      .Field("lag_bytes", file.size > file.committed ? file.size - file.committed : 0)
      .Field("lines", file.lines)
      .Field("generation", file.generation)
      .Time("last_read", file.last_read)
      .EndObject();
}

void Write(Json& json, const Streams& streams) {
  json.ListOf("streams", streams.busiest, [&](const StreamDetail& stream) {
    json.Object().Field("labels", stream.labels).Field("lines", stream.lines).Field("bytes", stream.bytes);
    json.Time("last", stream.last).EndObject();
  });
  json.Field("other_streams", streams.others);
}

void Write(Json& json, const LossRow& row) {
  json.Field("reason", row.reason)
      .Field("text", row.text)
      .Field("lines", row.lines)
      .Field("bytes", row.bytes)
      .Time("last", row.last);
}

bool Contains(std::string_view text, std::string_view part) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return part.empty() || std::ranges::search(text, part, {}, lower, lower).begin() != text.end();
}

const char* Name(LiveTail tail) {
  switch (tail) {
    case LiveTail::kLoopback: return "loopback";
    case LiveTail::kOn: return "on";
    case LiveTail::kOff: return "off";
  }
  return "off";
}

}  // namespace

std::string ToJson(const NodeSummary& node, const ServerOptions& options, bool may_tail) {
  Json json;
  json.Object()
      .Field("version", node.version)
      .Field("node_name", node.node_name)
      .Field("config_file", node.config_file)
      .Time("now", node.now)
      .Time("started", node.started)
      .Time("config_loaded", node.config_loaded)
      .Field("reload_error", node.reload_error)
      .Field("ready", node.ready)
      .Field("not_ready_why", node.not_ready_why)
      .ListOf("troubles", node.troubles, [&](const Trouble& trouble) { Write(json, trouble); });
  Write(json.Key("counts"), node.counts);
  json.Field("pods", node.pods)
      .Field("files", node.files)
      .Field("files_active", node.files_active)
      .Field("streams", node.streams)
      .Field("lag_bytes", node.lag_bytes)
      .Field("lag_seconds", node.lag_seconds)
      .Field("seconds_to_loss", node.seconds_to_loss)
      .Field("budget_used", node.budget_used)
      .Field("budget_limit", node.budget_limit)
      .Field("resident_bytes", node.resident_bytes)
      .Field("pinned_bytes", node.pinned_bytes)
      .Field("inotify_watches", node.inotify_watches)
      .Field("positions_age_seconds", node.positions_age_seconds)
      .ListOf("clients", node.clients, [&](const ClientSummary& client) { Write(json, client); });
  json.Key("server").Object();
  json.Field("live_tail", Name(options.live_tail))
      .Field("may_tail", may_tail)
      .Field("reload", options.enable_runtime_reload)
      .Field("metrics", options.register_instrumentation)
      .Field("external_url", options.external_url)
      .EndObject();
  return json.EndObject().Take();
}

std::string ToJson(const std::vector<PodSummary>& pods, const PodsQuery& query, WallNanos now) {
  std::vector<const PodSummary*> matching;
  uint64_t in_trouble = 0;
  for (const PodSummary& pod : pods) {
    const bool trouble = pod.trouble.severity >= Trouble::Severity::kWarning;
    if (trouble) ++in_trouble;
    if (query.only_trouble && !trouble) continue;
    if (Contains(pod.id, query.search)) matching.push_back(&pod);
  }
  const size_t begin = std::min(query.offset, matching.size());
  const size_t count = query.limit == 0 ? matching.size() : query.limit;
  const size_t end = begin + std::min(count, matching.size() - begin);
  Json json;
  json.Object().Time("now", now).Field("total", pods.size()).Field("in_trouble", in_trouble);
  json.Field("matching", matching.size()).Field("offset", begin).Key("pods").List();
  for (size_t i = begin; i < end; ++i) Write(json, *matching[i]);
  return json.EndList().EndObject().Take();
}

std::string ToJson(const PodDetail& detail, WallNanos now) {
  Json json;
  json.Object().Time("now", now);
  Write(json.Key("summary"), detail.summary);
  json.Field("labels", detail.labels);
  json.ListOf("files", detail.files, [&](const FileDetail& file) { Write(json, file); });
  Write(json, detail.streams);
  json.ListOf("stages", detail.stages, [&](const StageCounts& stage) {
    json.Object().Field("place", stage.place).Field("stage", stage.stage).Field("dropped", stage.dropped);
    json.Field("failed", stage.failed).Field("reason", stage.reason).EndObject();
  });
  json.ListOf("events", detail.events, [&](const Event& event) {
    json.Object().Time("at", event.at).Field("severity", Name(event.severity)).Field("text", event.text).EndObject();
  });
  return json.EndObject().Take();
}

std::string ToJson(const Explanation& explanation) {
  Json json;
  json.Object().Field("pod", explanation.pod).Field("verdict", explanation.verdict);
  const auto broken = std::ranges::find(explanation.links, ExplainLink::State::kBroken, &ExplainLink::state);
  json.Key("first_broken");
  if (broken == explanation.links.end()) {
    json.Null();
  } else {
    json.Value(broken->name);
  }
  json.ListOf("links", explanation.links, [&](const ExplainLink& link) {
    json.Object().Field("name", link.name).Field("state", Name(link.state)).Field("text", link.text);
    json.Field("advice", link.advice).EndObject();
  });
  json.ListOf("similar", explanation.similar, [&](const std::string& name) { json.Value(name); });
  Write(json, explanation.streams);
  return json.EndObject().Take();
}

std::string ToJson(const Ledger& ledger) {
  Json json;
  const auto row = [&json](const LossRow& loss) {
    json.Object();
    Write(json, loss);
    json.EndObject();
  };
  json.Object().Time("since", ledger.since);
  Write(json.Key("counts"), ledger.counts);
  json.ListOf("lost", ledger.lost, row).ListOf("dropped", ledger.dropped, row);
  json.ListOf("by_pod", ledger.by_pod, [&](const PodLoss& loss) {
    json.Object().Field("id", loss.id);
    Write(json, loss.row);
    json.EndObject();
  });
  return json.EndObject().Take();
}

std::string ToJson(const Cardinality& cardinality) {
  Json json;
  json.Object().Field("streams", cardinality.streams).Field("streams_limit", cardinality.streams_limit);
  json.Field("window_seconds", cardinality.window_seconds);
  json.ListOf("labels", cardinality.labels, [&](const LabelUse& label) {
    json.Object()
        .Field("name", label.name)
        .Field("job", label.job)
        .Field("origin", label.origin)
        .Field("distinct", label.distinct)
        .Field("estimated", label.estimated)
        .Field("budget", label.budget)
        .Field("action", label.action)
        .Field("demoted", label.demoted)
        .Time("demoted_since", label.demoted_since)
        .Field("demoted_lines", label.demoted_lines)
        .ListOf("examples", label.examples, [&](const std::string& value) { json.Value(value); })
        .EndObject();
  });
  return json.EndObject().Take();
}

std::string ToJson(const std::vector<TargetView>& targets) {
  Json json;
  json.Object().ListOf("targets", targets, [&](const TargetView& target) {
    json.Object().Field("job", target.job).Field("type", target.type).Field("ready", target.ready);
    json.Field("labels", target.labels).Field("discovered", target.discovered).Field("details", target.details);
    json.EndObject();
  });
  return json.EndObject().Take();
}

std::string ToJson(const std::vector<DiscoveryView>& targets) {
  Json json;
  json.Object().ListOf("targets", targets, [&](const DiscoveryView& target) {
    json.Object().Field("job", target.job).Field("discovered", target.discovered).Field("labels", target.labels);
    json.Field("drop_reason", target.drop_reason).EndObject();
  });
  return json.EndObject().Take();
}

std::string ToJson(const TailLine& line) {
  Json json;
  json.Object().Time("time", line.time).Field("labels", line.labels).Key("metadata").Object();
  for (const auto& [name, value] : line.metadata) json.Field(name, value);
  json.EndObject().Field("line", line.line);
  if (line.cut) json.Field("cut", true);
  return json.EndObject().Take();
}

std::string ErrorJson(std::string_view message) {
  return Json().Object().Field("error", message).EndObject().Take();
}

}  // namespace agent::admin::internal
