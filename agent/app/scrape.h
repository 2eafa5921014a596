// SPDX-License-Identifier: Apache-2.0
// One entry of scrape_configs: where targets come from, how they are relabelled, and
// the pipeline of their lines. Plain data; const once decoded.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/node.h"
#include "agent/core/diagnostics.h"
#include "agent/kube/options.h"
#include "agent/label/relabel.h"
#include "agent/metrics/registry.h"
#include "agent/model/target.h"
#include "agent/source/options.h"
#include "agent/stage/pipeline.h"

namespace agent::app {

// `pod_logs`: Sluice's own source, the kubelet's log directory, labelled from paths.
struct PodLogsOptions {
  bool enabled = false;
  std::string root = "/var/log/pods";
  // As kubernetes_sd_configs would find them: no labels but those of the rules, one of
  // which must set __path__ (pods_from_paths.h).
  bool as_discovered = false;
};

struct ScrapeConfig {
  std::string job;
  std::string path;  // key path, for messages: scrape_configs[0]
  std::vector<label::RelabelRule> relabel;
  std::shared_ptr<const stage::PipelinePlan> pipeline;
  std::string pipeline_text;  // as YAML, to see whether it changed
  std::string relabel_text;
  std::string text;           // of all of it
  bool retired = false;       // of an older configuration; without targets (reload.h)
  PodLogsOptions pod_logs;
  std::vector<DiscoveredTarget> static_targets;
  std::vector<source::FileSdConfig> file_sd;
  // kubernetes_sd_configs. With `pod_logs` they only add labels to what that finds.
  std::vector<kube::PodDiscoveryOptions> kubernetes;
  bool annotations = false;  // wishes of pods are obeyed
  source::TailerOptions::Unpacking unpacking;  // decompression
};

// Reads the list (null: none). `pipelines`: the top level's map of named pipelines; each
// becomes a scrape config without a source, behind the others. `inspector` (or null) outlives them.
std::vector<ScrapeConfig> DecodeScrapeConfigs(const config::Node* list, const config::Node* pipelines,
                                              const std::string& node_name, Diagnostics& diagnostics,
                                              metrics::Registry& metrics, const stage::Inspector* inspector);

// The pipelines that a pod may choose, and which scrape config stands for each.
using PipelineNames = std::map<std::string, uint32_t>;
PipelineNames NamedPipelines(const std::vector<ScrapeConfig>& scrapes);

// -- from what was discovered to targets --

struct TargetOrFailure {
  std::shared_ptr<const Target> target;  // or null, and:
  std::string reason;                    // "dropped", "wrong_host", "no_path", as Promtail counts them
  std::string why;                       // one sentence, for people
  LabelMap discovered;
  std::vector<std::string> problems;  // of the pod's annotations, one sentence each
};

// Relabels one discovered target of scrape config `index`.
TargetOrFailure MakeTarget(const ScrapeConfig& scrape, uint32_t index, const DiscoveredTarget& discovered,
                           const std::string& host_name, const PipelineNames& pipelines = {});

// The one target of `pod_logs`: its files get their labels from their paths, through
// the scrape config's relabelling.
std::shared_ptr<const Target> MakePodLogsTarget(const ScrapeConfig& scrape, uint32_t index,
                                                const std::string& node_name);

// The labels that a file of the target starts with; from its path where the target
// says so. None if a rule excludes the file: `why` names it.
std::optional<LabelMap> ResolveLabels(const Target& target, const std::string& path, std::string& why);
// For people: also of excluded files, as far as their labels are known.
LabelMap LabelsOfFile(const Target& target, const std::string& path);

}  // namespace agent::app
