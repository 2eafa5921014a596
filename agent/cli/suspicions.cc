// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/internal/suspicions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>


namespace agent::cli {
namespace {

// Names of values that are different for every request, user or moment.
constexpr std::array kUnbounded = {
    "trace_id",   "traceid",     "span_id",   "spanid",    "request_id",  "requestid",   "req_id",    "correlation_id",
    "session",    "session_id",  "user_id",   "userid",    "user",        "uuid",        "id",        "ip",
    "client_ip",  "remote_addr", "remote_ip", "url",       "uri",         "path",        "query",     "time",
    "timestamp",  "ts",          "duration",  "latency",   "elapsed",     "msg",         "message",   "line",
    "error",      "stack",       "bytes",     "size",      "port",        "email",       "token"};

// Discovered labels of which every pod, or every restart, has another value.
constexpr std::array kUnboundedMeta = {"__meta_kubernetes_pod_uid", "__meta_kubernetes_pod_ip",
                                       "__meta_kubernetes_pod_container_id", "__meta_docker_container_id"};

bool IsUnbounded(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::any_of(kUnbounded, [&](const char* known) { return lower == known; });
}

// Whether `$` stands before something that must follow it, or `^` behind something:
// neither can match within one line. Knows escapes, classes and (?m); alternatives and
// groups begin and end afresh, so that only sure cases are named.
bool AnchoredAway(std::string_view pattern) {
  if (pattern.find("(?") != std::string_view::npos && pattern.find('m') != std::string_view::npos &&
      pattern.find("(?m") != std::string_view::npos) {
    return false;
  }
  bool consumed = false;  // a character that must be there stands before, in this branch
  bool ended = false;     // a `$` stands before, in this branch
  const auto optional_next = [&](size_t i) {
    return i < pattern.size() && (pattern[i] == '*' || pattern[i] == '?' || pattern.substr(i, 2) == "{0");
  };
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '(' || c == ')' || c == '|') {
      consumed = ended = false;
      if (c == '(' && pattern.substr(i, 2) == "(?") i = std::min(pattern.find_first_of(":>)", i), pattern.size() - 1);
      continue;
    }
    if (c == '^' || c == '$') {
      if (optional_next(i + 1)) continue;
      if (c == '^' && consumed) return true;
      ended = ended || c == '$';
      continue;
    }
    if (c == '*' || c == '+' || c == '?' || c == '{') {
      if (c == '{') i = std::min(pattern.find('}', i), pattern.size() - 1);
      continue;
    }
    size_t last = i;
    if (c == '\\') last = i + 1;
    if (c == '[') last = pattern.find(']', i + 2);
    if (last == std::string_view::npos || last >= pattern.size()) return false;
    const bool assertion = c == '\\' && std::string_view("bBAz").find(pattern[last]) != std::string_view::npos;
    i = last;
    if (assertion || optional_next(i + 1)) continue;
    if (ended) return true;
    consumed = true;
  }
  return false;
}

class Looker {
 public:
  explicit Looker(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void Look(const config::Node& tree) {
    const config::Node* scrapes = tree.Find("scrape_configs");
    for (size_t i = 0; scrapes != nullptr && i < scrapes->items.size(); ++i) {
      const std::string path = fmt::format("scrape_configs[{}]", i);
      LookAtRelabelling(scrapes->items[i], path);
      after_format_ = multiline_ = false;
      if (const config::Node* stages = scrapes->items[i].Find("pipeline_stages")) {
        LookAtStages(*stages, path + ".pipeline_stages");
      }
    }
  }

 private:
  void Warn(const config::Node& node, const std::string& key, const std::string& message) {
    diagnostics_.AddWarning(node.place, key, message);
  }

  void LookAtRelabelling(const config::Node& scrape, const std::string& path) {
    const config::Node* rules = scrape.Find("relabel_configs");
    for (size_t i = 0; rules != nullptr && i < rules->items.size(); ++i) {
      const config::Node& rule = rules->items[i];
      const config::Node* to = rule.Find("target_label");
      const config::Node* from = rule.Find("source_labels");
      if (to == nullptr || from == nullptr || to->scalar.starts_with("__")) continue;
      for (const config::Node& name : from->items) {
        if (std::ranges::none_of(kUnboundedMeta, [&](const char* known) { return name.scalar == known; })) continue;
        Warn(rule, fmt::format("{}.relabel_configs[{}]", path, i),
             fmt::format("label \"{}\" gets another value with every pod or restart ({}): that many streams in Loki",
                         to->scalar, name.scalar));
      }
    }
  }

  void LookAtStages(const config::Node& list, const std::string& path) {
    bool nothing_left = false;
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (!list.items[i].is_map() || list.items[i].members.empty()) continue;
      const auto& [key, options] = list.items[i].members.front();
      const std::string place = fmt::format("{}[{}].{}", path, i, key.scalar);
      if (nothing_left) {
        Warn(key, place, "no line comes here: an earlier stage drops every line");
        return;
      }
      nothing_left = LookAtStage(key, options, place);
    }
  }

  // True if it lets no line through.
  bool LookAtStage(const config::Node& key, const config::Node& options, const std::string& place) {
    const std::string& name = key.scalar;
    if (name == "cri" || name == "docker") after_format_ = true;
    if (name == "multiline") multiline_ = true;
    if (name == "labels") LookAtLabels(options, place);
    if (name == "regex" || name == "replace") LookAtRegex(options, place);
    if (name == "drop") return LookAtDrop(options, place);
    if (name == "sampling") {
      const config::Node* rate = options.Find("rate");
      return rate != nullptr && (rate->scalar == "0" || rate->scalar == "0.0");
    }
    if (name == "match") {
      if (const config::Node* stages = options.Find("stages")) LookAtStages(*stages, place + ".stages");
    }
    return false;
  }

  void LookAtLabels(const config::Node& options, const std::string& place) {
    for (const auto& [label, source] : options.members) {
      const bool plain = source.is_null() || source.scalar.empty();
      if (!IsUnbounded(label.scalar) && (plain || !IsUnbounded(source.scalar))) continue;
      Warn(label, place + "." + label.scalar,
           fmt::format("label \"{}\" looks as if it had values without a bound, and every value is a stream in Loki; "
                       "use structured_metadata for it (the cardinality guard will, when it passes its budget)",
                       label.scalar));
    }
  }

  void LookAtRegex(const config::Node& options, const std::string& place) {
    const config::Node* expression = options.FindNoCase("expression");
    if (expression == nullptr) return;
    const std::string& pattern = expression->scalar;
    const std::string at = place + ".expression";
    if (AnchoredAway(pattern)) {
      Warn(*expression, at, "can never match: it wants something before ^ or behind $ (for lines within a text, begin it with (?m))");
    }
    if (!multiline_ && pattern.find("\\n") != std::string::npos && options.FindNoCase("source") == nullptr) {
      Warn(*expression, at, "can never match: it wants a line break (\\n), and a line has none without a multiline stage before");
    }
    const bool head = pattern.find("stdout|stderr") != std::string::npos || pattern.find("stderr|stdout") != std::string::npos;
    if (after_format_ && head && options.FindNoCase("source") == nullptr) {
      Warn(*expression, at, "can never match: it wants the runtime's head (time, stdout or stderr), which an earlier cri or docker "
                            "stage has taken off");
    }
  }

  bool LookAtDrop(const config::Node& options, const std::string& /*place*/) {
    for (const char* condition : {"source", "value", "older_than", "longer_than"}) {
      if (options.FindNoCase(condition) != nullptr) return false;
    }
    const config::Node* expression = options.FindNoCase("expression");
    if (expression == nullptr) return false;
    static constexpr std::array kEverything = {"", ".*", "^.*$", "^.*", ".*$", "(.*)", "^", "$", "^(.*)$"};
    return std::ranges::any_of(kEverything, [&](const char* all) { return expression->scalar == all; });
  }

  Diagnostics& diagnostics_;
  bool after_format_ = false;
  bool multiline_ = false;
};

}  // namespace

void FindSuspicions(const config::Node& tree, Diagnostics& diagnostics) { Looker(diagnostics).Look(tree); }

}  // namespace agent::cli
