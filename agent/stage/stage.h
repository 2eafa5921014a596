// SPDX-License-Identifier: Apache-2.0
// What a pipeline stage is. Fed by frame/ (through flow/), feeds label/ and batch/.
//
// A StageSpec (one per file, listed in stages.inc) turns options into a StagePlan:
// immutable, shared by all lanes, holding compiled regexes and validated options.
// plan->NewLane() makes a Stage: lane-local, may keep scratch memory and state.
// A stage is pure: records in, records out, time is in the context; no I/O, no clock,
// no thread, no allocation per record in the steady state.
//
// Process() gets the records of a batch in order and leaves in the vector what goes
// on: it may change records in place, remove them (Drop, or keep them back), and
// insert records it makes. Most stages derive from PerRecordStage (per_record.h).
//
// Keeping a record back: copy its bytes, call origin.file->receipts.Hold(begin) for
// every Origin of it, and when it is emitted put the origins into the new record's
// Origin and Release(begin) them. A position never passes a hold.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/decode.h"
#include "agent/core/diagnostics.h"
#include "agent/core/time.h"
#include "agent/metrics/registry.h"
#include "agent/model/record.h"
#include "agent/stage/symbols.h"

namespace agent::stage {

// Why a stage dropped a line. One per (stage instance, reason); shared by lanes.
struct DropReason {
  std::string reason;  // label of logentry_dropped_lines_total
  std::string stage;   // where, for people: "pipeline_stages[2].drop"
  const std::string* place = nullptr;  // `stage`, in memory that is never freed
  metrics::Counter* dropped_lines = nullptr;
  std::atomic<uint64_t> lines{0};
  std::atomic<uint64_t> bytes{0};
};

struct StageContext {
  Arena& arena;           // of the current batch
  LabelInterner& labels;  // of the lane
  WallNanos wall = 0;     // when the batch was read
  MonoTime now{};
  // Set by a stage that wants the lane to read no more for this pipeline until then
  // (limit without drop). Lossless.
  MonoTime pause_until{};
  // The agent ends: a stage that waits only for more to come need not wait on.
  bool stopping = false;

  // Counts a record that is not passed on. The caller removes it from the vector.
  void Drop(const Record& record, DropReason& reason);
};

class Stage {
 public:
  virtual ~Stage() = default;
  virtual void Process(std::vector<Record*>& records, StageContext& context) = 0;
  // When Flush wants to be called even without records.
  virtual MonoTime NextDeadline() const { return kNever; }
  // Appends what is due at context.now to `records` (empty on entry); with `all`,
  // everything kept back (shutdown). Also called for a file's chain that has ended.
  virtual void Flush(std::vector<Record*>& /*records*/, StageContext& /*context*/, bool /*all*/) {}
  // The label sets are about to be swept: forget cached pointers that are not pinned.
  virtual void ForgetLabels() {}
  // TESTING and /api: records kept back now.
  virtual size_t Held() const { return 0; }
};

class StagePlan {
 public:
  virtual ~StagePlan() = default;
  virtual std::unique_ptr<Stage> NewLane() const = 0;
};

// What a stage's builder may use. Nested pipelines (match, cri, docker) build
// their stages through BuildPipeline (pipeline.h) with the same BuildContext.
struct BuildContext {
  SymbolTable& symbols;
  Diagnostics& diagnostics;
  metrics::Registry& metrics;
  std::string job;
  // Keeps everything that outlives the build: one DropReason per call.
  std::vector<std::shared_ptr<DropReason>>& drop_reasons;
  std::string path;  // of the stage being built: scrape_configs[0].pipeline_stages[2].drop
  // Told what every stage does, or null (inspect.h); outlives what is built.
  const std::function<void(const std::string& text)>* inspector = nullptr;

  DropReason* NewDropReason(std::string_view reason);
  // Counts records that a stage could not read (and passes on as Promtail does):
  // sluice_stage_failures_total{stage="..."}.
  metrics::Counter* FailureCounter(std::string_view stage);
};

struct StageSpec {
  std::string_view name;   // "json"
  std::string_view alias;  // another accepted name, or empty
  // Null after an error, which has been added to the diagnostics with its place.
  std::unique_ptr<StagePlan> (*build)(const config::Node& options, BuildContext& context);
};

// The spec of a name or alias, or null.
const StageSpec* FindStage(std::string_view name);
std::vector<std::string> StageNames();

// Every stage's file defines one of these: `const StageSpec kStage_json{...}`.
#define AGENT_STAGE(name) extern const StageSpec kStage_##name;
#include "agent/stage/stages.inc"
#undef AGENT_STAGE

}  // namespace agent::stage
