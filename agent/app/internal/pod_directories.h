// SPDX-License-Identifier: Apache-2.0
// Which containers have a log directory under the kubelet's root now:
// ROOT/NAMESPACE_POD_UID/CONTAINER. Looks again when asked; a directory whose time of
// change is the same is not listed again.
// Threads: one. Cost: a stat per pod, a listing per pod that changed.
#pragma once

#include <map>
#include <string>

#include "agent/core/time.h"
#include "agent/kube/pod_path.h"
#include "agent/platform/fs.h"

namespace agent::app {

class PodDirectories {
 public:
  struct Container {
    kube::PodPath path;
    std::string directory;
    MonoTime first_seen{};
  };

  PodDirectories(platform::Fs& fs, std::string root) : fs_(fs), root_(std::move(root)) {}

  void Look(MonoTime now);
  // By directory.
  const std::map<std::string, Container>& containers() const { return containers_; }

 private:
  struct Pod {
    int64_t modified_ns = -1;
    bool seen = false;
  };
  void LookAt(const std::string& pod, MonoTime now);
  void Forget(const std::string& pod);

  platform::Fs& fs_;
  const std::string root_;
  std::map<std::string, Pod> pods_;  // by directory
  std::map<std::string, Container> containers_;
};

}  // namespace agent::app
