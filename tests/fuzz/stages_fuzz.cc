// SPDX-License-Identifier: Apache-2.0
// Pipelines, templates and `replace` among them: the first line of the input is a list
// of stages in YAML, the rest is one record. Whatever is taken runs to its end.
#include "agent/stage/pipeline.h"
#include "tests/fuzz/two_parts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace agent;
  const auto [stages, line] = fuzz::TwoParts(data, size);
  Diagnostics diagnostics;
  metrics::Registry registry;
  const config::Node list = config::ParseYaml(std::string(stages), "t", diagnostics);
  if (!diagnostics.ok()) return 0;
  const auto plan = stage::BuildPipeline(&list, "pipeline_stages", "fuzz", diagnostics, registry);
  if (!diagnostics.ok()) return 0;
  LabelInterner interner;
  RecordBatch batch;
  stage::StageChain chain(plan->stages);
  stage::StageContext context{batch.arena(), interner, 1'709'632'800'000'000'000, MonoTime(), MonoTime()};
  TailedFile file;
  for (int i = 0; i < 2; ++i) {
    Record* record = batch.Append();
    record->line = line;
    record->labels = interner.Intern(LabelMap{{"app", "a"}, {"stream", "stdout"}});
    record->origin.file = &file;
  }
  chain.Process(batch.records(), context);
  std::vector<Record*> rest;
  chain.Flush(rest, context, true);
  return 0;
}
