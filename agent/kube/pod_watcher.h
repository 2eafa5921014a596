// SPDX-License-Identifier: Apache-2.0
// kubernetes_sd_configs: the pods of this node, watched at the API server (or polled at
// the kubelet), as discovered targets with Prometheus' __meta_kubernetes_ labels.
// Stands on http/; feeds relabelling in app/ through model::DiscoverySink.
//
// Metadata may be late, change or never come: nothing waits for it here. A deleted pod
// stays a target for `linger`, and for as long as `in_use` says that its files are not
// drained. Positions have nothing to do with any of it.
//
// Threads: Tick and NextDeadline belong to one thread (io); the sink and
// `in_use` are called there, inside Tick. Answers come on the http::Client's polling
// thread, are parsed there, and call `wake` (from that thread), which is to have Tick
// called soon. Labels and Snapshot may be called by any thread.
// Ownership: borrows the client, which must outlive it (its destruction cancels what is
// under way; late callbacks find nothing).
// Cost: a pod that changes is parsed once; targets are made anew for each change of any
// pod's labels, at most once per second. Memory: about 1 KiB per pod; lists are read in
// pages of 500 and cut into pods as they come.
// Failure: backs off from 1 s to 30 s with jitter, for ever; each failure is logged with
// what to do, and sluice_kubernetes_up says 0. 401 and 403 are failures like others:
// the token is read again for every request.
// Tested by tests/kube/pod_watcher_test.cc against a scripted API server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/time.h"
#include "agent/http/client.h"
#include "agent/kube/cluster.h"
#include "agent/kube/options.h"
#include "agent/metrics/registry.h"
#include "agent/model/target.h"

namespace agent::kube {

struct PodWatcherOptions {
  PodDiscoveryOptions discovery;
  ClusterAccess access;                  // FindCluster(discovery, ...)
  std::vector<uint32_t> scrape_configs;  // that get the targets; several may share a watcher
  std::string job;                       // for metrics: of the first of them
  Duration linger = std::chrono::minutes(2);
  // Whether files of the pod with this uid (or hash) are still being read; null: no.
  std::function<bool(std::string_view uid)> in_use;
  // Whether any rule can read the label of this name; null: yes. Long annotations that
  // no rule can read are cut.
  std::function<bool(std::string_view name)> wanted;
  uint64_t seed = 0;  // of the jitter
};

class PodWatcher {
 public:
  // `client` and `registry` outlive the watcher.
  PodWatcher(PodWatcherOptions options, http::Client& client, metrics::Registry& registry, DiscoverySink sink,
             std::function<void()> wake);
  ~PodWatcher();
  PodWatcher(const PodWatcher&) = delete;
  PodWatcher& operator=(const PodWatcher&) = delete;

  // Submits what is due, acts on answers, hands over targets if they have changed.
  void Tick(MonoTime now);
  MonoTime NextDeadline() const;

  // All labels of a container of a pod, by the uid (a static pod: the hash) that its log
  // directory is named after; also of a pod without an IP. Null: not known (yet).
  std::optional<LabelMap> Labels(std::string_view uid, std::string_view container) const;
  // A whole list has been read: a pod that is not known does not exist, or is new.
  bool Synced() const;

  struct View {
    std::string url;
    bool up = false;
    bool synced = false;
    size_t pods = 0;          // without deleted ones
    size_t deleted = 0;       // that are still targets
    size_t memory_bytes = 0;
  };
  View Snapshot() const;
  // The targets as they are now, for people.
  std::vector<DiscoveredTarget> Targets() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace agent::kube
