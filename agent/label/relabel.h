// SPDX-License-Identifier: Apache-2.0
// relabel_configs: from the labels that a discovery found to those of a target.
// Evaluated once per target (for per-line sources once per line), never on the hot
// path of files. Rules are immutable and thread-safe once decoded.
// Semantics: Prometheus' relabelling as Promtail 3.6 has it (all actions).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/config/decode.h"
#include "agent/core/diagnostics.h"
#include "agent/model/label_set.h"
#include "agent/text/regex.h"

namespace agent::label {

enum class Action {
  kReplace, kKeep, kDrop, kKeepEqual, kDropEqual, kHashMod, kLabelMap, kLabelDrop, kLabelKeep,
  kLowercase, kUppercase,
};

struct RelabelRule {
  Action action = Action::kReplace;
  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::string regex_text = "(.*)";
  std::shared_ptr<const text::Regex> regex;  // anchored, dot matches newline
  uint64_t modulus = 0;
  std::string target_label;
  std::string replacement = "$1";
  Place place;  // for "dropped by the rule at ..."
};

// Reads a list (or null). Every problem goes to the diagnostics.
std::vector<RelabelRule> DecodeRelabelRules(const config::Node* list, const std::string& path,
                                            Diagnostics& diagnostics);

struct Relabelled {
  bool kept = true;
  LabelMap labels;
  const RelabelRule* dropped_by = nullptr;  // if not kept
};

Relabelled Relabel(const std::vector<RelabelRule>& rules, LabelMap labels);

// What Promtail does to a name that is not a label name: every character outside
// [A-Za-z0-9_] becomes '_'.
std::string SanitizeLabelName(std::string_view name);
// [A-Za-z_][A-Za-z0-9_]*
bool IsLegalLabelName(std::string_view name);

}  // namespace agent::label
