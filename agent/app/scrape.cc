// SPDX-License-Identifier: Apache-2.0
#include "agent/app/scrape.h"

#include <algorithm>
#include <array>

#include "agent/config/decode.h"
#include "agent/kube/annotations.h"
#include "agent/kube/pod_path.h"
#include "agent/platform/glob.h"
#include "agent/source/discovery.h"
#include "agent/source/tailer.h"

namespace agent::app {
namespace {

constexpr std::string_view kPipelineJob = "pipeline ";  // before the name of a named pipeline

// Set on what `pod_logs` found with kubernetes_sd_configs beside it.
constexpr std::string_view kPodFiles = "__meta_sluice_pod_files";

constexpr std::string_view kSeeTable = "see the table of scrape kinds in docs/CONFIGURATION.md";

// Promtail's scrape kinds that are not built here: those that discover files,
constexpr std::array kOtherDiscoveries = {
    "dns_sd_configs", "consul_sd_configs", "consulagent_sd_configs",
    "digitalocean_sd_configs", "dockerswarm_sd_configs", "serverset_sd_configs", "nerve_sd_configs",
    "marathon_sd_configs", "gce_sd_configs", "ec2_sd_configs", "openstack_sd_configs", "azure_sd_configs",
    "triton_sd_configs"};
// and those that read from elsewhere. Promtail looks at one of these only in a job that
// has no discovery.
constexpr std::array kOtherSources = {
    "journal",        "syslog",         "gcplog",        "loki_push_api", "windows_events",
    "kafka",          "azure_event_hubs", "gelf",        "cloudflare",    "docker_sd_configs",
    "heroku_drain"};

void DecodePodLogs(const config::Node& node, const std::string& path, ScrapeConfig& out, Diagnostics& diagnostics) {
  out.pod_logs.enabled = true;
  config::MapReader reader(node, path, diagnostics);
  reader.String("root", out.pod_logs.root);
  if (out.pod_logs.root.empty() || out.pod_logs.root.front() != '/') {
    reader.Error("root", "\"" + out.pod_logs.root + "\" is not an absolute path");
  }
  reader.Finish();
}

// Null: UTF-8 as it is.
std::shared_ptr<const text::Charset> DecodeEncoding(config::MapReader& reader) {
  std::string name;
  if (!reader.String("encoding", name) || name.empty()) return nullptr;
  auto charset = text::Charset::Find(name);
  if (charset) return *charset;
  reader.Error("encoding", charset.error().what);
  return nullptr;
}

void DecodeKubernetes(const config::Node& list, const std::string& path, const std::string& node_name,
                      ScrapeConfig& out, Diagnostics& diagnostics) {
  if (!list.is_sequence()) {
    diagnostics.AddError(list.place, path, "must be a list; write - role: pod");
    return;
  }
  for (size_t i = 0; i < list.items.size(); ++i) {
    auto options = kube::DecodePodDiscovery(list.items[i], path + "[" + std::to_string(i) + "]", node_name, diagnostics);
    if (!options) continue;
    out.annotations = out.annotations || options->annotations;
    out.kubernetes.push_back(std::move(*options));
  }
}

// `pipelines: {NAME: [stages]}`
void DecodePipelines(const config::Node& map, std::vector<ScrapeConfig>& out, Diagnostics& diagnostics,
                     metrics::Registry& metrics, const stage::Inspector* inspector) {
  if (!map.is_map()) {
    diagnostics.AddError(map.place, "pipelines", "must be a map of names to lists of stages");
    return;
  }
  for (const auto& [key, stages] : map.members) {
    ScrapeConfig named;
    named.job = std::string(kPipelineJob) + key.scalar;
    named.path = "pipelines." + key.scalar;
    auto pipeline = stage::BuildPipeline(&stages, named.path, named.job, diagnostics, metrics, inspector);
    stage::AddPodMultiline(*pipeline);
    named.pipeline = std::move(pipeline);
    named.pipeline_text = config::WriteYaml(stages);
    out.push_back(std::move(named));
  }
}

// What the pod's annotations ask for. False: its logs are not wanted.
bool ObeyWishes(const PipelineNames& pipelines, Target& target, TargetOrFailure& out) {
  std::vector<std::string> names;
  for (const auto& [name, index] : pipelines) names.push_back(name);
  kube::PodWishes wishes = kube::ReadWishes(out.discovered, names);
  out.problems = std::move(wishes.problems);
  if (wishes.exclude) {
    out.reason = "dropped";
    out.why = "its pod's annotation sluice.io/exclude says so";
    return false;
  }
  if (!wishes.pipeline.empty()) target.pipeline = pipelines.at(wishes.pipeline);
  target.multiline_firstline = std::move(wishes.multiline_firstline);
  return true;
}

// The kinds that are not built here are refused by name, unless they ask for nothing, or for
// what Promtail would not do either. True if the job has a kind.
bool DecodeOtherKinds(config::MapReader& reader, bool files) {
  bool found = files;
  const auto is_empty = [](const config::Node& value) { return value.is_sequence() && value.items.empty(); };
  const auto refuse = [&reader](const char* kind) {
    reader.Error(kind, "Sluice does not read from " + std::string(kind) + "; " + std::string(kSeeTable));
  };
  for (const char* kind : kOtherDiscoveries) {
    const config::Node* value = reader.Child(kind);
    if (value == nullptr) continue;
    found = files = true;
    if (!is_empty(*value)) refuse(kind);
  }
  for (const char* kind : kOtherSources) {
    const config::Node* value = reader.Child(kind);
    if (value == nullptr) continue;
    found = true;
    if (is_empty(*value)) continue;
    if (files) {
      reader.Warning(kind, "is ignored, as in Promtail, because the job reads files; give it a job of its own");
    } else {
      refuse(kind);
    }
  }
  return found;
}

ScrapeConfig DecodeScrapeConfig(const config::Node& node, const std::string& path, const std::string& node_name,
                                Diagnostics& diagnostics, metrics::Registry& metrics,
                                const stage::Inspector* inspector) {
  ScrapeConfig out;
  out.path = path;
  config::MapReader reader(node, path, diagnostics);
  reader.Require("job_name", reader.String("job_name", out.job) && !out.job.empty());
  out.relabel = label::DecodeRelabelRules(reader.Child("relabel_configs"), path + ".relabel_configs", diagnostics);
  if (const config::Node* pods = reader.Child("kubernetes_sd_configs")) {
    DecodeKubernetes(*pods, path + ".kubernetes_sd_configs", node_name, out, diagnostics);
  }
  auto pipeline = stage::BuildPipeline(reader.Child("pipeline_stages"), path + ".pipeline_stages", out.job,
                                       diagnostics, metrics, inspector);
  if (out.annotations) stage::AddPodMultiline(*pipeline);
  pipeline->charset = DecodeEncoding(reader);
  if (const config::Node* packed = reader.Child("decompression")) {
    out.unpacking = source::DecodeDecompression(*packed, path + ".decompression", diagnostics);
    pipeline->unpacked = out.unpacking.packing != source::Packing::kPlain;
  }
  out.pipeline = std::move(pipeline);
  if (const config::Node* stages = node.Find("pipeline_stages")) out.pipeline_text = config::WriteYaml(*stages);
  out.text = config::WriteYaml(node);
  if (const config::Node* rules = node.Find("relabel_configs")) out.relabel_text = config::WriteYaml(*rules);
  // Whether annotations count is said there, and adds a stage.
  if (const config::Node* kubernetes = node.Find("kubernetes_sd_configs")) out.pipeline_text += config::WriteYaml(*kubernetes);
  if (const config::Node* charset = node.Find("encoding")) out.pipeline_text += "\nencoding: " + charset->scalar;
  const config::Node* static_configs = reader.Child("static_configs");
  if (static_configs != nullptr) {
    out.static_targets =
        source::StaticTargets(source::DecodeStaticConfigs(*static_configs, path + ".static_configs", diagnostics));
  }
  const config::Node* file_sd = reader.Child("file_sd_configs");
  if (file_sd != nullptr) out.file_sd = source::DecodeFileSdConfigs(*file_sd, path + ".file_sd_configs", diagnostics);
  // `pod_logs:` alone, with nothing behind it, is a wish too.
  for (const auto& [key, value] : node.members) {
    if (key.scalar == "pod_logs") DecodePodLogs(value, path + ".pod_logs", out, diagnostics);
  }
  reader.Child("pod_logs");
  const bool files = static_configs != nullptr || file_sd != nullptr || out.pod_logs.enabled ||
                     reader.Child("kubernetes_sd_configs") != nullptr;
  if (!DecodeOtherKinds(reader, files) && node.is_map()) {
    reader.Error("", "no valid target scrape config defined for \"" + out.job +
                         "\"; add pod_logs, static_configs, file_sd_configs or kubernetes_sd_configs");
  }
  reader.Finish();
  return out;
}

void DropPrivateLabels(LabelMap& labels) {
  std::erase_if(labels, [](const auto& label) { return label.first.starts_with("__"); });
}

std::string ValueOf(const LabelMap& labels, std::string_view name) {
  const auto found = labels.find(name);
  return found == labels.end() ? std::string() : found->second;
}

// Whether a pod's __path__ names the file. One that was copied elsewhere passes for a log of its pod.
bool IsNamed(const LabelMap& labels, const std::string& root, const std::string& path, std::string& why) {
  const std::string wanted = ValueOf(labels, "__path__");
  if (wanted.empty()) {
    why = "it has no __path__ label";
    return false;
  }
  const auto glob = platform::Glob::Parse(wanted);
  if (glob && (glob->Matches(path) || !path.starts_with(root + "/"))) return true;
  why = "its __path__ is \"" + wanted + "\"";
  return false;
}

}  // namespace

std::vector<ScrapeConfig> DecodeScrapeConfigs(const config::Node* list, const config::Node* pipelines,
                                              const std::string& node_name, Diagnostics& diagnostics,
                                              metrics::Registry& metrics, const stage::Inspector* inspector) {
  std::vector<ScrapeConfig> out;
  if (list == nullptr || list->is_null()) return out;
  if (!list->is_sequence()) {
    diagnostics.AddError(list->place, "scrape_configs", "must be a list");
    return out;
  }
  for (size_t i = 0; i < list->items.size(); ++i) {
    const std::string path = "scrape_configs[" + std::to_string(i) + "]";
    out.push_back(DecodeScrapeConfig(list->items[i], path, node_name, diagnostics, metrics, inspector));
    const auto same = std::find_if(out.begin(), out.end() - 1,
                                   [&](const ScrapeConfig& other) { return other.job == out.back().job; });
    if (same != out.end() - 1 && !out.back().job.empty()) {
      diagnostics.AddError(list->items[i].place, path + ".job_name",
                           "job_name \"" + out.back().job + "\" is used twice; names must differ");
    }
  }
  if (pipelines != nullptr) DecodePipelines(*pipelines, out, diagnostics, metrics, inspector);
  return out;
}

PipelineNames NamedPipelines(const std::vector<ScrapeConfig>& scrapes) {
  PipelineNames out;
  for (uint32_t i = 0; i < scrapes.size(); ++i) {
    if (scrapes[i].path.starts_with("pipelines.") && !scrapes[i].retired) out[scrapes[i].job.substr(kPipelineJob.size())] = i;
  }
  return out;
}

TargetOrFailure MakeTarget(const ScrapeConfig& scrape, uint32_t index, const DiscoveredTarget& discovered,
                           const std::string& host_name, const PipelineNames& pipelines) {
  TargetOrFailure out;
  out.discovered = discovered.labels;
  label::Relabelled relabelled = label::Relabel(scrape.relabel, discovered.labels);
  if (!relabelled.kept) {
    out.reason = "dropped";
    out.why = "dropped by the relabelling rule at line " + std::to_string(relabelled.dropped_by->place.line);
    return out;
  }
  LabelMap& labels = relabelled.labels;
  const std::string host = ValueOf(labels, "__host__");
  if (!host.empty() && host != host_name) {
    out.reason = "wrong_host";
    out.why = "its __host__ is \"" + host + "\", this host is \"" + host_name + "\"";
    return out;
  }
  const std::string path = ValueOf(labels, "__path__");
  if (path.empty()) {
    out.reason = "no_path";
    out.why = "it has no __path__ label";
    return out;
  }
  auto target = std::make_shared<Target>();
  target->job = scrape.job;
  target->pipeline = index;
  target->path = path;
  target->exclude = ValueOf(labels, "__path_exclude__");
  target->discovered = discovered.labels;
  target->filename_label = !scrape.pod_logs.enabled || !discovered.labels.contains(kPodFiles);
  if (scrape.annotations && !ObeyWishes(pipelines, *target, out)) return out;
  std::erase_if(labels, [](const auto& label) { return label.second.empty(); });  // as Promtail since 2.9
  DropPrivateLabels(labels);
  target->labels = std::move(labels);
  out.target = std::move(target);
  return out;
}

std::shared_ptr<const Target> MakePodLogsTarget(const ScrapeConfig& scrape, uint32_t index,
                                                const std::string& node_name) {
  auto target = std::make_shared<Target>();
  target->job = scrape.job;
  target->pipeline = index;
  target->path = scrape.pod_logs.root + "/*/*/*.log";
  target->filename_label = scrape.pod_logs.as_discovered;
  target->rules = node_name + "\n" + scrape.relabel_text;
  target->resolve = [rules = scrape.relabel, pods = scrape.pod_logs, node_name](const std::string& path, LabelMap& labels,
                                                                               std::string& why) {
    const auto pod = kube::ParsePodPath(path);
    if (!pod) {
      why = "the path is not of the form NAMESPACE_POD_UID/CONTAINER/N.log";
      return false;
    }
    labels = pods.as_discovered ? LabelMap() : kube::DefaultLabels(*pod, node_name);
    LabelMap all = kube::MetaLabels(*pod, node_name);
    all.insert(labels.begin(), labels.end());
    label::Relabelled relabelled = label::Relabel(rules, std::move(all));
    if (!relabelled.kept) {
      why = "dropped by the relabelling rule at line " + std::to_string(relabelled.dropped_by->place.line);
      return false;
    }
    if (pods.as_discovered && !IsNamed(relabelled.labels, pods.root, path, why)) return false;
    DropPrivateLabels(relabelled.labels);
    labels = std::move(relabelled.labels);
    if (pods.as_discovered) labels["filename"] = path;
    return true;
  };
  return target;
}

LabelMap LabelsOfFile(const Target& target, const std::string& path) {
  if (!target.resolve) return source::LabelsOf(target, path);
  LabelMap labels = target.labels;
  std::string why;
  (void)target.resolve(path, labels, why);
  return labels;
}

std::optional<LabelMap> ResolveLabels(const Target& target, const std::string& path, std::string& why) {
  if (!target.resolve) return source::LabelsOf(target, path);
  LabelMap labels = target.labels;
  if (!target.resolve(path, labels, why)) return std::nullopt;
  return labels;
}

}  // namespace agent::app
