// SPDX-License-Identifier: Apache-2.0
// A pipeline: stages in order. PipelinePlan is immutable and shared by lanes;
// Pipeline is one lane's instance. Pure, lane-local.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/stage/inspect.h"
#include "agent/stage/stage.h"
#include "agent/text/charset.h"

namespace agent::stage {

// How the framer reads lines before the first stage sees them: a leading `cri` or
// `docker` stage is done there (frame/), and is not among the stages.
enum class LineFormat { kPlain, kCri, kDocker };

struct CriOptions {
  uint32_t max_partial_lines = 100;
  uint64_t max_partial_line_size = 0;
  bool truncate = false;
};

class PipelinePlan {
 public:
  LineFormat format = LineFormat::kPlain;
  CriOptions cri;
  std::shared_ptr<const text::Charset> charset;  // of the files; null: UTF-8
  bool unpacked = false;  // `decompression`: a line loses one carriage return at its end
  SymbolTable symbols;
  std::vector<std::unique_ptr<StagePlan>> stages;
  std::vector<std::string> stage_names;  // "json", "match", ...: parallel to `stages`
  std::vector<std::shared_ptr<DropReason>> drop_reasons;
};

// Builds from a `pipeline_stages` list (or null). Errors go to the diagnostics, all of
// them; the result is complete only if there were none. What the files are is left to the caller.
// `inspector` outlives the pipeline.
std::shared_ptr<PipelinePlan> BuildPipeline(const config::Node* stages, const std::string& path,
                                            const std::string& job, Diagnostics& diagnostics,
                                            metrics::Registry& metrics,
                                            const Inspector* inspector = nullptr);

// Lines of a target that asks for it (Target::multiline_firstline) are joined before
// the pipeline's own stages.
void AddPodMultiline(PipelinePlan& plan);

// The stages of a nested list, sharing the symbols of the outer pipeline.
std::vector<std::unique_ptr<StagePlan>> BuildStages(const config::Node& list, BuildContext& context);

// One lane's stages. Also used by nested pipelines.
class StageChain {
 public:
  explicit StageChain(const std::vector<std::unique_ptr<StagePlan>>& plans);

  void Process(std::vector<Record*>& records, StageContext& context);
  MonoTime NextDeadline() const;
  // Appends everything due (or all) to `records`, each passed through later stages.
  void Flush(std::vector<Record*>& records, StageContext& context, bool all);
  void ForgetLabels();
  size_t Held() const;
  bool empty() const { return stages_.empty(); }

 private:
  std::vector<std::unique_ptr<Stage>> stages_;
  std::vector<Record*> scratch_;
};

}  // namespace agent::stage
