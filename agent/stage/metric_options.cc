// SPDX-License-Identifier: Apache-2.0
#include "agent/stage/internal/metric_options.h"

#include <algorithm>
#include <span>

#include "agent/text/number.h"

namespace agent::stage {
namespace {

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return text;
}

struct ActionName {
  std::string_view name;
  MetricAction action;
};
constexpr ActionName kCounterActions[] = {{"inc", MetricAction::kInc}, {"add", MetricAction::kAdd}};
constexpr ActionName kGaugeActions[] = {{"set", MetricAction::kSet}, {"inc", MetricAction::kInc},
                                        {"dec", MetricAction::kDec}, {"add", MetricAction::kAdd},
                                        {"sub", MetricAction::kSub}};

void ReadAction(config::MapReader& reader, std::span<const ActionName> actions, MetricAction& out) {
  std::string text;
  std::string list;
  for (const ActionName& action : actions) list.append(list.empty() ? "" : ", ").append(action.name);
  reader.String("action", text);
  if (text.empty()) {
    reader.Error("action", "an action is needed here: one of " + list);
    return;
  }
  const std::string lower = LowerCase(text);
  const auto found = std::find_if(actions.begin(), actions.end(), [&](const ActionName& a) { return a.name == lower; });
  if (found == actions.end()) {
    reader.Error("action", "\"" + text + "\" is not an action of this metric; write one of " + list);
  } else {
    out = found->action;
  }
}

void ReadCounter(config::MapReader& reader, MetricOptions& out) {
  ReadAction(reader, kCounterActions, out.action);
  reader.Bool("match_all", out.match_all);
  reader.Bool("count_entry_bytes", out.count_bytes);
  if (out.match_all && out.value) reader.Error("match_all", "`match_all: true` and `value` exclude each other; remove one");
  if (out.count_bytes && !out.match_all) reader.Error("count_entry_bytes", "`count_entry_bytes` needs `match_all: true`");
  if (out.count_bytes && out.action != MetricAction::kAdd) {
    reader.Error("count_entry_bytes", "`count_entry_bytes` needs `action: add`");
  }
}

void ReadBuckets(config::MapReader& reader, std::vector<double>& out) {
  const config::Node* node = reader.Child("buckets");
  if (node == nullptr || node->is_null()) return;
  if (!node->is_sequence()) {
    reader.Error("buckets", "a list of numbers is needed here, for example [0.1, 1, 10]");
    return;
  }
  for (const config::Node& item : node->items) {
    double bound = 0;
    const auto type = item.is_scalar() ? item.type() : config::Node::ScalarType::kNull;
    const bool number = type == config::Node::ScalarType::kInt || type == config::Node::ScalarType::kFloat;
    const std::string text = item.scalar.starts_with(".") || item.scalar.starts_with("+.") ? "0" + item.scalar : item.scalar;
    if (!number || !text::ParseFloat(text, bound)) {
      reader.Error("buckets", "\"" + item.scalar + "\" is not a number");
    } else if (!out.empty() && bound <= out.back()) {
      reader.Error("buckets", "the bounds must rise, but " + item.scalar + " does not");
    } else {
      out.push_back(bound);
    }
  }
}

void ReadConfig(const config::Node& node, const std::string& path, BuildContext& context, MetricOptions& out) {
  config::MapReader reader(node, path, context.diagnostics, config::Mode::kStrictStage);
  std::string value;
  if (reader.String("value", value)) out.value = value;
  switch (out.type) {
    case MetricType::kCounter: ReadCounter(reader, out); break;
    case MetricType::kGauge: ReadAction(reader, kGaugeActions, out.action); break;
    case MetricType::kHistogram:
      out.action = MetricAction::kObserve;
      ReadBuckets(reader, out.buckets);
      reader.Ignore("action", "a histogram always observes");
      break;
  }
  reader.Finish();
  if (out.buckets.empty()) out.buckets = metrics::DefaultBuckets();
}

bool IsMetricName(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
  });
}

void ReadIdle(config::MapReader& reader, MetricOptions& out) {
  std::string text;
  if (!reader.String("max_idle_duration", text)) return;
  const auto duration = config::ParseGoDuration(text);
  if (!duration) {
    reader.Error("max_idle_duration", duration.error().what);
  } else if (*duration < std::chrono::seconds(1)) {
    reader.Error("max_idle_duration", "\"" + text + "\" is too short; write at least 1s");
  } else {
    out.max_idle_seconds = std::chrono::duration_cast<std::chrono::seconds>(*duration).count();
  }
}

}  // namespace

void ReadMetricOptions(const std::string& name, const config::Node& node, BuildContext& context, MetricOptions& out,
                       std::string& source) {
  const std::string path = context.path + "." + name;
  config::MapReader reader(node, path, context.diagnostics, config::Mode::kStrictStage);
  std::string type, prefix;
  reader.String("type", type);
  const std::string lower = LowerCase(type);
  out.type = lower == "gauge" ? MetricType::kGauge : lower == "histogram" ? MetricType::kHistogram : MetricType::kCounter;
  const bool known = lower == "counter" || out.type != MetricType::kCounter;
  if (!known) {
    reader.Error("type", "\"" + type + "\" is not a type of metric; write Counter, Gauge or Histogram");
  }
  reader.String("description", out.description);
  reader.String("source", source);
  reader.String("prefix", prefix);
  ReadIdle(reader, out);
  const config::Node* config = reader.Child("config");
  reader.Finish();
  out.name = (prefix.empty() ? "promtail_custom_" : prefix) + name;
  if (!IsMetricName(out.name)) {
    reader.Warning("", "\"" + out.name + "\" is not a metric name that Prometheus allows, so it is not shown");
  }
  const config::Node none;
  if (known) ReadConfig(config == nullptr ? none : *config, path + ".config", context, out);
}

}  // namespace agent::stage
