// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/options.h"

#include <algorithm>
#include <array>

#include "agent/config/decode.h"

namespace agent::kube {
namespace {

constexpr std::array<std::string_view, 5> kOtherRoles = {"node", "service", "endpoints", "endpointslice", "ingress"};

void ReadRole(config::MapReader& reader) {
  std::string role;
  if (!reader.String("role", role) || role.empty()) {
    reader.Error("role", "is missing; Sluice discovers pods: role: pod");
  } else if (std::find(kOtherRoles.begin(), kOtherRoles.end(), role) != kOtherRoles.end()) {
    reader.Error("role", "\"" + role + "\" is not read by Sluice: logs belong to pods; use role: pod");
  } else if (role != "pod") {
    reader.Error("role", "\"" + role + "\" is not a role; use role: pod");
  }
}

void ReadNamespaces(config::MapReader& parent, PodDiscoveryOptions& options) {
  const config::Node* node = parent.Child("namespaces");
  if (node == nullptr) return;
  config::MapReader reader(*node, parent.PathOf("namespaces"), parent.diagnostics());
  reader.Bool("own_namespace", options.own_namespace);
  reader.StringList("names", options.namespaces);
  reader.Finish();
}

// One selector at most: with several of one role only the last would have an effect.
void ReadSelectors(config::MapReader& parent, PodDiscoveryOptions& options) {
  const config::Node* list = parent.Child("selectors");
  if (list == nullptr) return;
  if (!list->is_sequence()) {
    parent.Error("selectors", "must be a list of {role, label, field}");
    return;
  }
  if (list->items.size() > 1) parent.Error("selectors", "has more than one entry for the role pod; join them with commas");
  for (size_t i = 0; i < list->items.size(); ++i) {
    config::MapReader reader(list->items[i], parent.PathOf("selectors") + "[" + std::to_string(i) + "]",
                             parent.diagnostics());
    std::string role;
    reader.String("role", role);
    if (!role.empty() && role != "pod") reader.Error("role", "\"" + role + "\": only pods can be selected here");
    reader.String("label", options.label_selector);
    reader.String("field", options.field_selector);
    reader.Finish();
  }
}

void ReadAttachMetadata(config::MapReader& parent, PodDiscoveryOptions& options) {
  const config::Node* node = parent.Child("attach_metadata");
  if (node == nullptr) return;
  config::MapReader reader(*node, parent.PathOf("attach_metadata"), parent.diagnostics());
  for (const char* key : {"node", "namespace"}) {
    bool wanted = false;
    if (reader.Bool(key, wanted) && wanted) {
      reader.Error(key, "labels of the " + std::string(key) + " are not attached by Sluice; leave it out");
    }
  }
  reader.Bool("deployment", options.attach_deployment);
  reader.Bool("job", options.attach_job);
  reader.Bool("cronjob", options.attach_cronjob);
  reader.Finish();
}

void ReadSource(config::MapReader& reader, const std::string& node_name, PodDiscoveryOptions& options) {
  std::string source = "api";
  reader.String("source", source);
  if (source != "api" && source != "kubelet") reader.Error("source", "\"" + source + "\" is neither api nor kubelet");
  options.source = source == "kubelet" ? PodDiscoveryOptions::Source::kKubelet : PodDiscoveryOptions::Source::kApi;
  const bool has_url = reader.String("kubelet_url", options.kubelet_url);
  const bool has_interval = reader.PrometheusDuration("poll_interval", options.poll_interval);
  if (has_interval && options.poll_interval < std::chrono::seconds(1)) reader.Error("poll_interval", "is shorter than 1s");
  if (source == "api" && (has_url || has_interval)) {
    reader.Error(has_url ? "kubelet_url" : "poll_interval", "goes with source: kubelet only");
  }
  if (source != "kubelet") return;
  if (!has_url) options.kubelet_url = "https://" + node_name + ":10250";
  if (const Status good = http::CheckUrl(options.kubelet_url); !good) reader.Error("kubelet_url", good.error().what);
  if (!options.api_server.empty() || !options.kubeconfig_file.empty()) {
    reader.Error("source", "kubelet takes neither api_server nor kubeconfig_file");
  }
}

void CheckAccess(config::MapReader& reader, const PodDiscoveryOptions& options) {
  const bool custom_http = options.http != http::ClientOptions{};
  if (!options.api_server.empty()) {
    if (const Status good = http::CheckUrl(options.api_server); !good) reader.Error("api_server", good.error().what);
    if (!options.kubeconfig_file.empty()) {
      reader.Error("kubeconfig_file", "cannot be given together with api_server; choose one");
    }
  } else if (custom_http && !options.kubeconfig_file.empty()) {
    reader.Error("kubeconfig_file", "says itself how to authenticate; remove the other HTTP options");
  } else if (custom_http && options.source == PodDiscoveryOptions::Source::kApi) {
    reader.Error("api_server", "is missing: options for HTTP need the address that they are for");
  }
}

}  // namespace

std::optional<PodDiscoveryOptions> DecodePodDiscovery(const config::Node& node, const std::string& path,
                                                      const std::string& node_name, Diagnostics& diagnostics) {
  const size_t errors = diagnostics.errors();
  PodDiscoveryOptions options;
  config::MapReader reader(node, path, diagnostics);
  ReadRole(reader);
  reader.String("api_server", options.api_server);
  reader.String("kubeconfig_file", options.kubeconfig_file);
  http::Decode(reader, options.http);
  ReadNamespaces(reader, options);
  ReadSelectors(reader, options);
  ReadAttachMetadata(reader, options);
  ReadSource(reader, node_name, options);
  reader.Bool("annotations", options.annotations);
  reader.PrometheusDuration("metadata_wait", options.metadata_wait);
  CheckAccess(reader, options);
  reader.Finish();
  while (options.api_server.ends_with('/')) options.api_server.pop_back();
  while (options.kubelet_url.ends_with('/')) options.kubelet_url.pop_back();
  options.field_selector += (options.field_selector.empty() ? "" : ",") + ("spec.nodeName=" + node_name);
  if (diagnostics.errors() > errors) return std::nullopt;
  return options;
}

}  // namespace agent::kube
