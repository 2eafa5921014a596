// SPDX-License-Identifier: Apache-2.0
// How to reach the API server (or the kubelet): from the options, a kubeconfig file, or
// the service account of the pod that this runs in. Token and CA files are read by
// http/ at every request, so their rotation needs nothing here.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"
#include "agent/http/options.h"
#include "agent/kube/options.h"

namespace agent::kube {

// The process' surroundings; tests bring their own.
struct Surroundings {
  std::function<const char*(const char* name)> environment;              // null: not set
  std::function<Result<std::string>(const std::string& path)> read_file;
};
Surroundings RealSurroundings();

struct ClusterAccess {
  std::string url;  // without a slash at its end
  http::ClientOptions http;
  std::vector<std::string> namespaces;  // to be watched; empty: all
};

// Errors are kConfig, with what to do.
Result<ClusterAccess> FindCluster(const PodDiscoveryOptions& options, const Surroundings& surroundings);

// A kubeconfig file's current context. `path` is for relative file names and messages.
Result<ClusterAccess> ReadKubeconfig(std::string_view text, const std::string& path);

}  // namespace agent::kube
