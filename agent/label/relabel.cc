// SPDX-License-Identifier: Apache-2.0
#include "agent/label/relabel.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "agent/text/letter_case.h"

namespace agent::label {
namespace {

struct ActionName {
  std::string_view name;
  Action action;
};

constexpr ActionName kActions[] = {
    {"replace", Action::kReplace},     {"keep", Action::kKeep},           {"drop", Action::kDrop},
    {"keepequal", Action::kKeepEqual}, {"dropequal", Action::kDropEqual}, {"hashmod", Action::kHashMod},
    {"labelmap", Action::kLabelMap},   {"labeldrop", Action::kLabelDrop}, {"labelkeep", Action::kLabelKeep},
    {"lowercase", Action::kLowercase}, {"uppercase", Action::kUppercase},
};

constexpr std::string_view kDefaultRegex = "(.*)";
constexpr size_t kMaxGroups = 64;

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string_view GroupOf(const text::Regex& regex, std::string_view name, std::span<const std::string_view> groups) {
  const bool number = std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (number && (name.size() == 1 || name.front() != '0')) {  // 01 is a name, to Go
    const size_t index = name.size() > 4 ? kMaxGroups : std::stoul(std::string(name));
    return index < groups.size() && index <= regex.groups() ? groups[index] : std::string_view{};
  }
  for (size_t i = 1; i <= regex.groups() && i < groups.size(); ++i) {
    if (regex.names()[i] == name && groups[i].data() != nullptr) return groups[i];
  }
  return {};
}

std::string Expand(const text::Regex& regex, std::string_view pattern, std::span<const std::string_view> groups) {
  std::string out;
  while (!pattern.empty()) {
    const size_t dollar = pattern.find('$');
    out.append(pattern.substr(0, dollar));
    if (dollar == std::string_view::npos) break;
    pattern.remove_prefix(dollar + 1);
    if (!pattern.empty() && pattern.front() == '$') {
      out += '$';
      pattern.remove_prefix(1);
      continue;
    }
    std::string_view name;
    if (text::TakeReference(pattern, name)) {
      out.append(GroupOf(regex, name, groups));
    } else {
      out += '$';
    }
  }
  return out;
}

// The last eight bytes of the MD5 sum, big endian, modulo.
uint64_t HashMod(std::string_view text, uint64_t modulus) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr);
  uint64_t value = 0;
  for (size_t i = 8; i < 16; ++i) value = (value << 8) | digest[i];
  return value % modulus;
}

void SetLabel(LabelMap& labels, const std::string& name, std::string value) {
  if (value.empty()) {
    labels.erase(name);
  } else {
    labels[name] = std::move(value);
  }
}

std::string Joined(const RelabelRule& rule, const LabelMap& labels) {
  std::string out;
  for (size_t i = 0; i < rule.source_labels.size(); ++i) {
    if (i > 0) out += rule.separator;
    if (const auto found = labels.find(rule.source_labels[i]); found != labels.end()) out += found->second;
  }
  return out;
}

bool Matches(const RelabelRule& rule, std::string_view text, std::span<std::string_view> groups) {
  Arena arena;
  return rule.regex->Find(text, 0, groups, arena);
}

void Replace(const RelabelRule& rule, const std::string& value, LabelMap& labels) {
  const bool no_references = rule.replacement.find('$') == std::string::npos &&
                             rule.target_label.find('$') == std::string::npos;
  if (value.empty() && rule.regex_text == kDefaultRegex && no_references) {
    SetLabel(labels, rule.target_label, rule.replacement);
    return;
  }
  std::array<std::string_view, kMaxGroups> groups;
  if (!Matches(rule, value, groups)) return;
  const std::string target = Expand(*rule.regex, rule.target_label, groups);
  if (target.empty()) return;
  SetLabel(labels, target, Expand(*rule.regex, rule.replacement, groups));
}

void MapLabels(const RelabelRule& rule, LabelMap& labels) {
  const LabelMap before = labels;
  std::array<std::string_view, kMaxGroups> groups;
  for (const auto& [name, value] : before) {
    if (Matches(rule, name, groups)) SetLabel(labels, Expand(*rule.regex, rule.replacement, groups), value);
  }
}

void FilterLabels(const RelabelRule& rule, LabelMap& labels) {
  std::array<std::string_view, kMaxGroups> groups;
  std::erase_if(labels, [&](const auto& label) {
    return Matches(rule, label.first, groups) == (rule.action == Action::kLabelDrop);
  });
}

// False: the target is dropped.
bool Apply(const RelabelRule& rule, LabelMap& labels) {
  const std::string value = Joined(rule, labels);
  std::array<std::string_view, 1> whole;
  const auto target = [&]() -> std::string {
    const auto found = labels.find(rule.target_label);
    return found == labels.end() ? std::string() : found->second;
  };
  switch (rule.action) {
    case Action::kReplace: Replace(rule, value, labels); break;
    case Action::kKeep: return Matches(rule, value, whole);
    case Action::kDrop: return !Matches(rule, value, whole);
    case Action::kKeepEqual: return target() == value;
    case Action::kDropEqual: return target() != value;
    case Action::kHashMod:
      SetLabel(labels, rule.target_label, std::to_string(HashMod(value, rule.modulus)));
      break;
    case Action::kLabelMap: MapLabels(rule, labels); break;
    case Action::kLabelDrop:
    case Action::kLabelKeep: FilterLabels(rule, labels); break;
    case Action::kLowercase: SetLabel(labels, rule.target_label, text::ToLower(value)); break;
    case Action::kUppercase: SetLabel(labels, rule.target_label, text::ToUpper(value)); break;
  }
  return true;
}

void DecodeAction(config::MapReader& reader, RelabelRule& rule) {
  std::string action = "replace";
  if (!reader.String("action", action)) return;
  const std::string lower = text::ToLower(action);
  for (const ActionName& known : kActions) {
    if (known.name != lower) continue;
    rule.action = known.action;
    return;
  }
  std::vector<std::string> names;
  for (const ActionName& known : kActions) names.emplace_back(known.name);
  const std::string guess = config::DidYouMean(lower, names);
  reader.Error("action", "unknown relabel action \"" + action + "\"" +
                             (guess.empty() ? "; known are replace, keep, drop, keepequal, dropequal, hashmod, labelmap, "
                                              "labeldrop, labelkeep, lowercase, uppercase"
                                            : "; did you mean \"" + guess + "\"?"));
}

void CheckRule(config::MapReader& reader, const RelabelRule& rule, bool has_other_fields) {
  const bool needs_target = rule.action == Action::kReplace || rule.action == Action::kHashMod ||
                            rule.action == Action::kLowercase || rule.action == Action::kUppercase ||
                            rule.action == Action::kKeepEqual || rule.action == Action::kDropEqual;
  if (needs_target && rule.target_label.empty()) {
    reader.Error("target_label", "this action needs a target_label; name the label that it sets");
  }
  if (rule.action == Action::kHashMod && rule.modulus == 0) {
    reader.Error("modulus", "the hashmod action needs a modulus above 0");
  }
  if ((rule.action == Action::kLowercase || rule.action == Action::kUppercase) && rule.replacement != "$1") {
    reader.Error("replacement", "\"" + rule.replacement + "\": lowercase and uppercase take no replacement");
  }
  const bool equal = rule.action == Action::kKeepEqual || rule.action == Action::kDropEqual;
  const bool names_only = rule.action == Action::kLabelDrop || rule.action == Action::kLabelKeep;
  if (equal && has_other_fields) {
    reader.Error("action", "keepequal and dropequal take source_labels and target_label only");
  }
  if (std::ranges::find(rule.source_labels, "") != rule.source_labels.end()) {
    reader.Error("source_labels", "a label's name cannot be empty");
  }
  if (rule.action == Action::kLabelMap && rule.replacement.empty()) {
    reader.Error("replacement", "labelmap needs a replacement: the new name");
  }
  if (names_only && (reader.Child("source_labels") != nullptr || !rule.target_label.empty() || rule.modulus != 0 ||
                     rule.separator != ";" || rule.replacement != "$1")) {
    reader.Error("action", "labeldrop and labelkeep take a regex only");
  }
}

// Without a value these are the empty text, not the default: `replacement:` deletes the label, and
// `regex:` matches what is empty.
void EmptyOrText(const config::Node& node, config::MapReader& reader, std::string_view key, std::string& out) {
  const config::Node* value = node.Find(key);
  if (value != nullptr && value->is_null()) out.clear();
  reader.String(key, out);
}

RelabelRule DecodeRule(const config::Node& node, const std::string& path, Diagnostics& diagnostics) {
  RelabelRule rule;
  rule.place = node.place;
  config::MapReader reader(node, path, diagnostics);
  DecodeAction(reader, rule);
  reader.StringList("source_labels", rule.source_labels);
  EmptyOrText(node, reader, "separator", rule.separator);
  EmptyOrText(node, reader, "regex", rule.regex_text);
  reader.Unsigned("modulus", rule.modulus);
  reader.String("target_label", rule.target_label);
  EmptyOrText(node, reader, "replacement", rule.replacement);
  CheckRule(reader, rule, node.Find("regex") != nullptr || rule.modulus != 0 || rule.separator != ";" ||
                              rule.replacement != "$1");
  auto compiled = text::Regex::Compile("^(?s:" + rule.regex_text + ")$");
  if (compiled) {
    rule.regex = std::move(*compiled);
  } else {
    reader.Error("regex", "\"" + rule.regex_text + "\" is no regular expression: " + compiled.error().what);
  }
  reader.Finish();
  return rule;
}

}  // namespace

std::vector<RelabelRule> DecodeRelabelRules(const config::Node* list, const std::string& path,
                                            Diagnostics& diagnostics) {
  std::vector<RelabelRule> rules;
  if (list == nullptr || list->is_null()) return rules;
  if (!list->is_sequence()) {
    diagnostics.AddError(list->place, path, "must be a list of relabelling rules");
    return rules;
  }
  for (size_t i = 0; i < list->items.size(); ++i) {
    rules.push_back(DecodeRule(list->items[i], path + "[" + std::to_string(i) + "]", diagnostics));
  }
  return rules;
}

Relabelled Relabel(const std::vector<RelabelRule>& rules, LabelMap labels) {
  Relabelled out;
  out.labels = std::move(labels);
  // An empty label is none, so labelmap must not find it: `app: ""` of a pod would take away
  // the `app` that an earlier rule has set.
  std::erase_if(out.labels, [](const auto& label) { return label.second.empty(); });
  for (const RelabelRule& rule : rules) {
    if (Apply(rule, out.labels)) continue;
    out.kept = false;
    out.dropped_by = &rule;
    break;
  }
  return out;
}

std::string SanitizeLabelName(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (!IsNameChar(c)) c = '_';
  }
  return out;
}

bool IsLegalLabelName(std::string_view name) {
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
  return std::all_of(name.begin(), name.end(), IsNameChar);
}

}  // namespace agent::label
