// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/pods_from_paths.h"

#include <algorithm>
#include <set>

#include "agent/kube/pod_path.h"

namespace agent::app {
namespace {

constexpr std::string_view kMeta = "__meta_kubernetes_";
constexpr size_t kMostNamed = 12;

// What every path of the kubelet's tells.
LabelMap Known(const std::string& node_name) {
  return kube::MetaLabels(*kube::ParsePodPath("/var/log/pods/n_p_0/c/0.log"), node_name);
}

void AddUnknown(const ScrapeConfig& scrape, const LabelMap& known, std::set<std::string>& unknown) {
  for (const label::RelabelRule& rule : scrape.relabel) {
    for (const std::string& name : rule.source_labels) {
      if (name.starts_with(kMeta) && !known.contains(name)) unknown.insert(name);
    }
    // What a labelmap would copy.
    if (rule.regex_text.find(kMeta) != std::string::npos) unknown.insert(rule.regex_text);
  }
}

}  // namespace

ScrapeConfig PodsFromPaths(ScrapeConfig scrape) {
  if (scrape.kubernetes.empty()) return scrape;
  scrape.kubernetes.clear();
  scrape.pod_logs.as_discovered = !scrape.pod_logs.enabled;
  scrape.pod_logs.enabled = true;
  return scrape;
}

std::string NoteOnPaths(const Settings& settings) {
  std::set<std::string> unknown;
  const LabelMap known = Known(settings.node_name);
  bool asks = false;
  for (const ScrapeConfig& scrape : settings.scrapes) {
    if (scrape.kubernetes.empty()) continue;
    asks = true;
    AddUnknown(scrape, known, unknown);
  }
  if (!asks) return {};
  std::string note = "a dry run asks no cluster: pods are labelled from the paths of their logs (namespace, pod, uid, container";
  note += settings.node_name.empty() ? ")" : ", node)";
  if (unknown.empty()) return note;
  note += "; not known, and empty here: ";
  size_t named = 0;
  for (const std::string& name : unknown) {
    if (named == kMostNamed) return note + " and " + std::to_string(unknown.size() - named) + " more";
    note += (named++ == 0 ? "" : ", ") + name;
  }
  return note;
}

}  // namespace agent::app
