// SPDX-License-Identifier: Apache-2.0
// What the server shows, as plain values that app/ fills in. docs/API.md is the JSON
// that they become; internal/to_json.cc writes it.
//
// Conventions: counters run since the start of the process; a WallNanos of 0 means
// never; an empty std::optional means unknown. Texts are sentences for people. Label
// values and paths may be any bytes; JSON gets valid UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/time.h"
#include "agent/model/label_set.h"

namespace agent::admin {

// Something that is not as it should be, worst last.
struct Trouble {
  enum class Severity { kOk, kNote, kWarning, kCritical };
  Severity severity = Severity::kOk;
  std::string code;  // stable, for scripts: "unreadable", "lagging", "refused", ...
  std::string text;  // what is wrong, and what to do
};

// What happened to lines. `in` = sent + dropped + lost + what is still on its way.
struct LineCounts {
  uint64_t bytes_in = 0;       // read from files
  uint64_t lines_in = 0;       // records that came out of them
  uint64_t lines_sent = 0;     // accepted by Loki (by every client)
  uint64_t bytes_sent = 0;     // line bytes of those
  uint64_t lines_dropped = 0;  // on purpose: by a stage or a limit of the configuration
  uint64_t lines_lost = 0;     // neither: see the ledger
  uint64_t bytes_lost = 0;
};

struct ClientSummary {
  std::string name;
  std::string url;  // password masked
  int last_status = 0;  // HTTP status; -1: no answer; 0: nothing sent yet
  std::string last_error;
  WallNanos last_answer = 0;
  WallNanos last_accepted = 0;
  uint64_t batches_waiting = 0;
  uint64_t bytes_waiting = 0;
  uint64_t in_flight = 0;
  uint64_t held_streams = 0;
  uint64_t retries = 0;
  uint64_t wire_bytes = 0;  // compressed bytes of accepted requests
  double backoff_seconds = 0;
};

struct NodeSummary {
  std::string version;
  std::string node_name;
  std::string config_file;
  WallNanos now = 0;
  WallNanos started = 0;
  WallNanos config_loaded = 0;
  std::string reload_error;  // of the last reload; empty: it went well
  bool ready = false;
  std::string not_ready_why;
  std::vector<Trouble> troubles;  // of the node, not of single pods

  LineCounts counts;
  uint64_t pods = 0;
  uint64_t files = 0;
  uint64_t files_active = 0;
  uint64_t streams = 0;
  uint64_t lag_bytes = 0;
  double lag_seconds = 0;                 // of the pod that lags most
  std::optional<double> seconds_to_loss;  // of the pod that is nearest to losing bytes
  uint64_t budget_used = 0;
  uint64_t budget_limit = 0;
  uint64_t resident_bytes = 0;
  uint64_t pinned_bytes = 0;  // disk held by deleted files that are still being read
  uint64_t inotify_watches = 0;
  double positions_age_seconds = 0;
  std::vector<ClientSummary> clients;
};

// A pod, or (ns and pod empty) the files of one job that belong to no pod.
struct PodSummary {
  std::string id;  // "namespace/pod", or "job:NAME"
  std::string ns;
  std::string pod;
  std::string uid;
  std::string job;
  std::vector<std::string> containers;
  Trouble trouble;  // the worst one
  LineCounts counts;
  std::optional<double> bytes_per_second;  // if it is known; readers may also derive it
  std::optional<double> lines_per_second;
  uint64_t files = 0;
  uint64_t streams = 0;
  uint64_t lag_bytes = 0;
  double lag_seconds = 0;  // age of the oldest byte that is not settled
  std::optional<double> seconds_to_loss;
  WallNanos last_read = 0;
  WallNanos last_accepted = 0;
};

struct FileDetail {
  std::string path;      // as the glob named it
  std::string location;  // where it is now; empty: deleted
  std::string container;
  std::string job;
  std::string state;  // followed, waiting, unreadable, ignored, finished, abandoned
  std::string trouble;
  uint64_t inode = 0;
  uint64_t size = 0;
  uint64_t read = 0;
  uint64_t committed = 0;
  uint64_t lines = 0;
  uint64_t generation = 0;  // 0 is the newest
  WallNanos last_read = 0;
};

struct StreamDetail {
  std::string labels;  // {a="x", b="y"}
  uint64_t lines = 0;
  uint64_t bytes = 0;  // of its entries, before compression
  WallNanos last = 0;
};

// What a pod has fed within the last hour.
struct Streams {
  std::vector<StreamDetail> busiest;  // first; at most 50
  uint64_t others = 0;                // that are only counted
};

struct StageCounts {
  std::string place;  // scrape_configs[0].pipeline_stages[2]
  std::string stage;  // drop
  uint64_t dropped = 0;
  uint64_t failed = 0;  // lines that went on although the stage could not work on them
  std::string reason;   // the drop counter's reason, if there is one
};

struct Event {
  WallNanos at = 0;
  Trouble::Severity severity = Trouble::Severity::kNote;
  std::string text;
};

struct PodDetail {
  bool found = false;
  PodSummary summary;
  LabelMap labels;
  std::vector<FileDetail> files;
  Streams streams;
  std::vector<StageCounts> stages;
  std::vector<Event> events;  // the newest first; at most 50
};

// -- "why are there no logs for ...?" --

struct ExplainQuery {
  std::string pod;  // "namespace/pod", "pod", or a path
  std::string container;
};

struct ExplainLink {
  enum class State { kOk, kBroken, kUnknown, kSkipped };  // skipped: an earlier link is broken
  std::string name;  // directory, files, opened, read, pipeline, limits, loki, accepted
  State state = State::kUnknown;
  std::string text;    // what was found
  std::string advice;  // what to do; only of a broken link
};

struct Explanation {
  std::string pod;      // whom it is about, as far as that could be found out
  std::string verdict;  // one sentence
  std::vector<ExplainLink> links;  // in the order of a line's way
  std::vector<std::string> similar;  // pods with a like name, if none has this one
  Streams streams;                   // of the pod that was found
};

// -- the loss ledger --

struct LossRow {
  std::string reason;  // stable: truncated_unread, refused_line_too_long, ...
  std::string text;    // what it means
  uint64_t lines = 0;  // 0 where only bytes are known
  uint64_t bytes = 0;
  WallNanos last = 0;
};

struct PodLoss {
  std::string id;  // as PodSummary::id
  LossRow row;
};

struct Ledger {
  WallNanos since = 0;
  LineCounts counts;
  std::vector<LossRow> dropped;  // on purpose
  std::vector<LossRow> lost;
  std::vector<PodLoss> by_pod;  // the largest few
};

// -- cardinality --

struct LabelUse {
  std::string name;
  std::string job;
  std::string origin;  // "path" (never demoted), "pipeline", "target"
  uint64_t distinct = 0;
  bool estimated = false;
  uint64_t budget = 0;  // 0: none
  std::string action;   // what happens past the budget: structured_metadata, overflow, ...
  bool demoted = false;
  WallNanos demoted_since = 0;
  uint64_t demoted_lines = 0;
  std::vector<std::string> examples;
};

struct Cardinality {
  uint64_t streams = 0;
  uint64_t streams_limit = 0;  // 0: none
  double window_seconds = 0;
  std::vector<LabelUse> labels;  // the most values first
};

// -- targets and discovery, as Promtail shows them --

struct TargetView {
  std::string job;
  std::string type;  // File, Journal, ...
  bool ready = false;
  LabelMap labels;
  LabelMap discovered;
  std::string details;  // path and position, or why it is not ready
};

struct DiscoveryView {
  std::string job;
  LabelMap discovered;
  LabelMap labels;         // empty if dropped
  std::string drop_reason;  // empty: kept
};

}  // namespace agent::admin
