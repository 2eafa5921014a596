// SPDX-License-Identifier: Apache-2.0
// The stage `replace`: the first line of the input is the expression, the second the
// template, the rest the text. Whatever is taken runs to its end; and to replace what is
// captured by itself changes nothing.
#include <string>

#include "agent/core/check.h"
#include "agent/stage/pipeline.h"
#include "tests/fuzz/two_parts.h"

namespace {

using namespace agent;

// A text as YAML spells any text.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == '"' || c == '\\') {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// The line after the stage, or nothing if the stage is not taken.
bool Replaced(std::string_view expression, std::string_view with, std::string_view line, std::string& out) {
  Diagnostics diagnostics;
  metrics::Registry registry;
  const std::string yaml = "[{replace: {expression: " + Quoted(expression) + ", replace: " + Quoted(with) + "}}]";
  const config::Node list = config::ParseYaml(yaml, "t", diagnostics);
  if (!diagnostics.ok()) return false;
  const auto plan = stage::BuildPipeline(&list, "pipeline_stages", "fuzz", diagnostics, registry);
  if (!diagnostics.ok()) return false;
  LabelInterner interner;
  RecordBatch batch;
  stage::StageChain chain(plan->stages);
  stage::StageContext context{batch.arena(), interner, 1'709'632'800'000'000'000, MonoTime(), MonoTime()};
  TailedFile file;
  Record* record = batch.Append();
  record->line = line;
  record->labels = interner.Intern(LabelMap{{"app", "a"}});
  record->origin.file = &file;
  chain.Process(batch.records(), context);
  CHECK(batch.records().size() == 1, "no record is lost");
  out = batch.records().front()->line;
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto [expression, rest] = fuzz::TwoParts(data, size);
  const auto [with, line] = fuzz::TwoParts(reinterpret_cast<const uint8_t*>(rest.data()), rest.size());
  std::string out;
  if (!Replaced(expression, with, line, out)) return 0;
  if (Replaced(expression, "{{ .Value }}", line, out)) CHECK(out == line, "each group by itself is the same text");
  return 0;
}
