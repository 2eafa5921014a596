// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/pod_path.h"

#include <algorithm>
#include <vector>

namespace agent::kube {
namespace {

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool AllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool IsManifestHash(std::string_view uid) {
  return uid.size() == 32 && std::all_of(uid.begin(), uid.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

std::optional<PodPath> ParseKubeletTree(std::string_view pod_dir, std::string_view container, std::string_view file) {
  const auto parts = Split(pod_dir, '_');
  const size_t log = file.find(".log");
  if (parts.size() != 3 || log == std::string_view::npos || container.empty()) return std::nullopt;
  const std::string_view count = file.substr(0, log);
  if (!AllDigits(count)) return std::nullopt;
  if (std::any_of(parts.begin(), parts.end(), [](std::string_view part) { return part.empty(); })) return std::nullopt;
  PodPath out;
  out.name_space = parts[0];
  out.pod = parts[1];
  out.uid = parts[2];
  out.container = container;
  out.restart_count = count;
  out.static_pod = IsManifestHash(parts[2]);
  return out;
}

std::optional<PodPath> ParseContainerLink(std::string_view file) {
  if (!file.ends_with(".log")) return std::nullopt;
  const auto parts = Split(file.substr(0, file.size() - 4), '_');
  if (parts.size() != 3) return std::nullopt;
  const size_t dash = parts[2].rfind('-');
  if (dash == std::string_view::npos || dash == 0 || parts[0].empty() || parts[1].empty()) return std::nullopt;
  PodPath out;
  out.pod = parts[0];
  out.name_space = parts[1];
  out.container = parts[2].substr(0, dash);
  out.container_id = parts[2].substr(dash + 1);
  return out;
}

}  // namespace

std::optional<PodPath> ParsePodPath(std::string_view path) {
  const auto parts = Split(path, '/');
  if (parts.size() >= 3) {
    const size_t n = parts.size();
    if (auto found = ParseKubeletTree(parts[n - 3], parts[n - 2], parts[n - 1])) return found;
  }
  return ParseContainerLink(parts.back());
}

LabelMap MetaLabels(const PodPath& path, const std::string& node_name) {
  LabelMap labels = {
      {"__meta_kubernetes_namespace", path.name_space},
      {"__meta_kubernetes_pod_name", path.pod},
      {"__meta_kubernetes_pod_container_name", path.container},
  };
  if (!path.uid.empty()) labels["__meta_kubernetes_pod_uid"] = path.uid;
  if (!path.container_id.empty()) labels["__meta_kubernetes_pod_container_id"] = path.container_id;
  if (!path.restart_count.empty()) labels["__meta_sluice_restart_count"] = path.restart_count;
  if (!node_name.empty()) labels["__meta_kubernetes_pod_node_name"] = node_name;
  return labels;
}

LabelMap DefaultLabels(const PodPath& path, const std::string& node_name) {
  LabelMap labels = {{"namespace", path.name_space}, {"pod", path.pod}, {"container", path.container}};
  if (!node_name.empty()) labels["node_name"] = node_name;
  return labels;
}

}  // namespace agent::kube
