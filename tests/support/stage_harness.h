// SPDX-License-Identifier: Apache-2.0
// Runs a pipeline over lines, by hand, and shows what came out as canonical text.
// One harness is one lane with one file: state of stages lives from call to call.
//
//   StageHarness run("- json: {expressions: {level: }}\n- labels: {level: }\n", {{"job", "x"}});
//   EXPECT_EQ(run.Push({R"({"level":"info"})"}), "1.000000000 {job=\"x\", level=\"info\"} ...\n");
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/frame/framer.h"
#include "agent/stage/pipeline.h"

namespace agent::test {

class StageHarness {
 public:
  static constexpr WallNanos kStart = 1'000'000'000;  // one second after 1970

  // `yaml` is a pipeline_stages list. The labels are those of every line, unless a
  // call names others.
  explicit StageHarness(std::string_view yaml, LabelMap labels = {});
  ~StageHarness();

  // -- building --
  bool ok() const { return diagnostics_.ok(); }
  // All problems, one a line, as people see them ("" if none).
  std::string problems() const { return diagnostics_.Text(); }
  const stage::PipelinePlan& plan() const { return *plan_; }

  // -- running: each returns the canonical dump of the records that came out --
  // One batch of lines. A leading cri or docker stage is done by the framer.
  std::string Push(const std::vector<std::string>& lines);
  std::string PushWith(const LabelMap& labels, const std::vector<std::string>& lines);
  // What is due now, or everything.
  std::string Flush(bool all = false);

  // Adds to every record in the dump its extracted map: ` <a="x", n=1, b=true, z=null>`.
  void ShowExtracted() { show_extracted_ = true; }

  // -- time --
  void SetWall(WallNanos wall) { wall_ = wall; }
  WallNanos wall() const { return wall_; }
  // Moves both clocks on.
  void Advance(Duration by) {
    now_ += by;
    wall_ += by.count();
  }
  MonoTime now() const { return now_; }
  MonoTime NextDeadline() const { return chain_->NextDeadline(); }
  MonoTime pause_until() const { return pause_until_; }

  // -- what was counted and kept --
  // `reason: lines, bytes` for every reason with a drop, one a line, in order of reason.
  std::string Drops() const;
  size_t Held() const { return chain_->Held(); }
  TailedFile& file() { return *file_; }
  metrics::Registry& metrics() { return metrics_; }
  LabelInterner& interner() { return interner_; }
  // As a lane does between batches.
  void SweepLabels();

 private:
  std::string Run(const LabelMap& labels, const std::vector<std::string>& lines);
  std::string Text(const std::vector<Record*>& records) const;
  std::string ExtractedText(const Record& record) const;

  metrics::Registry metrics_;
  Diagnostics diagnostics_;
  std::shared_ptr<const stage::PipelinePlan> plan_;
  LabelInterner interner_;
  LabelMap labels_;
  std::shared_ptr<TailedFile> file_;
  uint64_t offset_ = 0;
  std::unique_ptr<stage::StageChain> chain_;
  frame::FrameCounters counters_;
  std::unique_ptr<frame::Framer> framer_;  // null for plain lines
  RecordBatch batch_;
  WallNanos wall_ = kStart;
  MonoTime now_{std::chrono::seconds(1000)};
  MonoTime pause_until_{};
  bool show_extracted_ = false;
};

// A row of a stage's table: lines in, and what comes out, one text a record, with its
// extracted map: `1.000000000 {job="test"} "the line" <a="x", job="test">`. Dropped
// records are counted in a last text `drops: reason: lines, bytes`.
struct StageCase {
  const char* name;
  const char* yaml;
  std::vector<std::string> lines;
  std::vector<std::string> expected;
};
// Every case runs in a harness of its own with the labels {job="test"}.
void ExpectStageCases(const std::vector<StageCase>& cases);
// Every one of these options of a stage must be an error at the stage's place.
void ExpectBadOptions(const std::string& stage, const std::vector<std::string>& options);

// The problems of a pipeline_stages list ("" if it is good).
std::string PipelineProblems(std::string_view yaml);

}  // namespace agent::test
