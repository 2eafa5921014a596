// SPDX-License-Identifier: Apache-2.0
// `docker` where it is not the first stage (there the framer does it): lines of
// Docker's json-file driver, by the stages that it stands for. The line keeps the
// newline that Docker stores; what is not JSON passes as it is.
#include <vector>

#include "agent/stage/fields.h"
#include "agent/stage/pipeline.h"

namespace agent::stage {
namespace {

constexpr std::string_view kStages =
    "- json: {expressions: {output: log, stream: stream, timestamp: time}}\n"
    "- labels: {stream: }\n"
    "- timestamp: {source: timestamp, format: RFC3339Nano}\n"
    "- output: {source: output}\n";

struct DockerPlan : StagePlan {
  explicit DockerPlan(const SymbolTable& symbols) : fields(symbols) {}
  std::unique_ptr<Stage> NewLane() const override;
  FieldAccess fields;
  std::vector<std::unique_ptr<StagePlan>> stages;
};

class DockerStage : public Stage {
 public:
  explicit DockerStage(const DockerPlan& plan) : plan_(plan), nested_(plan.stages) {}

  void Process(std::vector<Record*>& records, StageContext& context) override {
    for (Record* record : records) plan_.fields.EnterPipeline(*record, context.arena);
    nested_.Process(records, context);
  }
  void ForgetLabels() override { nested_.ForgetLabels(); }

 private:
  const DockerPlan& plan_;
  StageChain nested_;
};

std::unique_ptr<Stage> DockerPlan::NewLane() const { return std::make_unique<DockerStage>(*this); }

std::unique_ptr<StagePlan> BuildDocker(const config::Node& options, BuildContext& context) {
  // Promtail ignores whatever stands under this stage.
  if (!options.is_null() && !(options.is_map() && options.members.empty())) {
    context.diagnostics.AddWarning(options.place, context.path,
                                   "this stage has no options; write `docker: {}`");
  }
  auto plan = std::make_unique<DockerPlan>(context.symbols);
  const config::Node list = config::ParseYaml(kStages, "docker", context.diagnostics);
  plan->stages = BuildStages(list, context);
  return plan;
}

}  // namespace

const StageSpec kStage_docker{"docker", "", BuildDocker};

}  // namespace agent::stage
