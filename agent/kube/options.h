// SPDX-License-Identifier: Apache-2.0
// One entry of kubernetes_sd_configs, role pod: whose pods are watched and how the API
// server (or this node's kubelet) is reached. Keys as Promtail has them, and of Sluice:
//   source: api | kubelet          where the list of pods comes from (api)
//   kubelet_url: https://NODE:10250    poll_interval: 10s
//   annotations: true              sluice.io/... annotations of pods are obeyed (false)
//   metadata_wait: 10s             then a pod that is not known is labelled from its path
// Plain data; const once decoded. Entries that are equal can share one PodWatcher.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/config/node.h"
#include "agent/core/diagnostics.h"
#include "agent/core/time.h"
#include "agent/http/options.h"

namespace agent::kube {

struct PodDiscoveryOptions {
  enum class Source { kApi, kKubelet };

  Source source = Source::kApi;
  std::string api_server;       // empty: kubeconfig_file, or the cluster that this runs in
  std::string kubeconfig_file;
  http::ClientOptions http;     // with api_server or kubelet_url only
  bool own_namespace = false;
  std::vector<std::string> namespaces;  // empty, and not own_namespace: all
  std::string label_selector;
  std::string field_selector;           // with spec.nodeName in it
  std::string kubelet_url;
  Duration poll_interval = std::chrono::seconds(10);
  Duration metadata_wait = std::chrono::seconds(10);
  bool attach_deployment = false;  // names of owners' owners, from the owner's name
  bool attach_job = false;
  bool attach_cronjob = false;
  bool annotations = false;

  bool operator==(const PodDiscoveryOptions&) const = default;
};

// Reads one entry. Every problem goes to the diagnostics; null after an error.
// `node_name`: only pods of this node are watched.
std::optional<PodDiscoveryOptions> DecodePodDiscovery(const config::Node& node, const std::string& path,
                                                      const std::string& node_name, Diagnostics& diagnostics);

}  // namespace agent::kube
