// SPDX-License-Identifier: Apache-2.0
#include "agent/stage/stage.h"

#include <set>

#include "agent/core/mutex.h"

namespace agent::stage {
namespace {

// Files remember which stage dropped their last line, and may outlive the pipeline
// when the configuration is read again. There are few different places.
const std::string* KeepPlace(const std::string& place) {
  struct Kept {
    Mutex mutex;
    std::set<std::string> places AGENT_GUARDED_BY(mutex);
  };
  static Kept* const kept = new Kept;
  MutexLock lock(kept->mutex);
  return &*kept->places.insert(place).first;
}

}  // namespace

void StageContext::Drop(const Record& record, DropReason& reason) {
  if (reason.dropped_lines != nullptr) reason.dropped_lines->Add(1);
  reason.lines.fetch_add(1, std::memory_order_relaxed);
  reason.bytes.fetch_add(record.line.size(), std::memory_order_relaxed);
  if (TailedFile* file = record.origin.file; file != nullptr) {
    file->dropped_lines.fetch_add(1, std::memory_order_relaxed);
    file->last_drop.store(reason.place, std::memory_order_relaxed);
    if (file->tally != nullptr) file->tally->lines_dropped.fetch_add(1, std::memory_order_relaxed);
  }
}

DropReason* BuildContext::NewDropReason(std::string_view reason) {
  auto made = std::make_shared<DropReason>();
  made->reason = reason;
  made->stage = path;
  made->place = KeepPlace(path);
  made->dropped_lines = &metrics.GetCounter(
      "logentry_dropped_lines_total", "Lines dropped on purpose by a stage of a pipeline or by a limit.",
      {{"reason", made->reason}});
  drop_reasons.push_back(made);
  return made.get();
}

metrics::Counter* BuildContext::FailureCounter(std::string_view stage) {
  return &metrics.GetCounter("sluice_stage_failures_total",
                             "Records that a stage of a pipeline could not read; they go on unchanged.",
                             {{"stage", std::string(stage)}});
}

}  // namespace agent::stage
