// SPDX-License-Identifier: Apache-2.0
// Relabelling: any rules that are taken can be applied, and make no empty label.
#include "agent/core/check.h"
#include "agent/label/relabel.h"
#include "tests/fuzz/two_parts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace agent;
  const auto [rules_text, value] = fuzz::TwoParts(data, size);
  Diagnostics diagnostics;
  const config::Node node = config::ParseYaml(std::string(rules_text), "t", diagnostics);
  if (!diagnostics.ok()) return 0;
  const auto rules = label::DecodeRelabelRules(&node, "relabel_configs", diagnostics);
  if (!diagnostics.ok()) return 0;
  const auto out = label::Relabel(rules, {{"a", std::string(value)}, {"b", "x"}, {"__meta_c", "1"}});
  for (const auto& [name, text] : out.labels) CHECK(!name.empty() && !text.empty(), "no label is empty");
  return 0;
}
