// SPDX-License-Identifier: Apache-2.0
// `output`: the line becomes an extracted value. A value that is missing or not
// convertible to text leaves the line as it was.
//
//   output: {source: message}
#include "agent/stage/fields.h"
#include "agent/stage/per_record.h"

namespace agent::stage {
namespace {

struct OutputPlan;

class OutputStage : public PerRecordStage<OutputStage> {
 public:
  explicit OutputStage(const OutputPlan& plan) : plan_(plan) {}
  bool One(Record& record, StageContext& context);

 private:
  const OutputPlan& plan_;
};

struct OutputPlan : SimplePlan<OutputStage, OutputPlan> {
  explicit OutputPlan(const SymbolTable& symbols) : fields(symbols) {}
  FieldAccess fields;
  Symbol source = 0;
};

bool OutputStage::One(Record& record, StageContext& context) {
  ToText(plan_.fields.Get(record, plan_.source), context.arena, record.line);
  return true;
}

std::unique_ptr<StagePlan> BuildOutput(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kStrictStage);
  std::string source;
  reader.String("source", source);
  reader.Require("source", !source.empty());
  reader.Finish();
  auto plan = std::make_unique<OutputPlan>(context.symbols);
  plan->source = context.symbols.Intern(source);
  return plan;
}

}  // namespace

const StageSpec kStage_output{"output", "", BuildOutput};

}  // namespace agent::stage
