// SPDX-License-Identifier: Apache-2.0
// A pod's identity from the path of its log file, without the API server. Pure.
// Format: the kubelet's log directories,
//   ROOT/<namespace>_<pod>_<uid>/<container>/<restart count>.log[.<rotation time>[.gz]]
// and the older links, <pod>_<namespace>_<container>-<container id>.log. None of the
// names may contain '_', so the split is exact. The uid of a static pod is the hash of
// its manifest.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/model/label_set.h"

namespace agent::kube {

struct PodPath {
  std::string name_space;
  std::string pod;
  std::string uid;           // empty for the older links
  std::string container;
  std::string restart_count;  // empty for the older links
  std::string container_id;   // of the older links only
  bool static_pod = false;    // the uid is a manifest's hash
};

std::optional<PodPath> ParsePodPath(std::string_view path);

// The identity as discovery labels, named as Prometheus names them
// (`__meta_kubernetes_namespace`, `..._pod_name`, `..._pod_uid`,
// `..._pod_container_name`, `..._pod_node_name`), and `__meta_sluice_restart_count`.
LabelMap MetaLabels(const PodPath& path, const std::string& node_name);
// The labels that a line gets without any rule: namespace, pod, container, node_name.
LabelMap DefaultLabels(const PodPath& path, const std::string& node_name);

}  // namespace agent::kube
