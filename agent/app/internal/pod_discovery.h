// SPDX-License-Identifier: Apache-2.0
// kubernetes_sd_configs at work: one PodWatcher for each distinct entry, and what its
// pods are as discovered targets of the scrape configs that have it.
//
// Where `pod_logs` stands beside it, every log directory is a target, with the pod's
// labels added; else the targets are those of Prometheus' discovery. A directory whose
// pod Kubernetes does not name is labelled from its path after `metadata_wait`: with
// `pod_logs` always (at once, if no rule can read more than the path says), without it
// while Kubernetes does not answer. Positions have nothing to do with any of it: they
// belong to files.
//
// Threads: io thread only, but for `wake`, which the net thread calls.
// Ownership: borrows everything in Parts.
// Another configuration: watchers whose entry and rules are the same go on; one that is
// replaced serves until its successor has read a whole list.
// Cost: a look at the log directories every kLookEvery, and only where they are needed.
// Failure: an API that is down is logged once, and sluice_kubernetes_up says so.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/app/internal/pod_directories.h"
#include "agent/app/settings.h"
#include "agent/http/client.h"
#include "agent/kube/cluster.h"
#include "agent/kube/pod_watcher.h"
#include "agent/metrics/registry.h"
#include "agent/platform/fs.h"
#include "agent/source/tailer.h"

namespace agent::app {

class PodDiscovery {
 public:
  static constexpr Duration kLookEvery = std::chrono::seconds(2);

  struct Parts {
    http::Client& http;
    metrics::Registry& registry;
    const source::Tailer& tailer;  // what is still being read
    platform::Fs& fs;
    std::function<void()> wake;    // Tick soon; from any thread
    kube::Surroundings surroundings;
    std::string pods_root;         // for scrape configs without pod_logs
    uint64_t seed = 0;
  };

  // An Error (kConfig): there is no cluster to ask.
  static Result<std::unique_ptr<PodDiscovery>> Make(std::shared_ptr<const Settings> settings, Parts parts, MonoTime now);
  ~PodDiscovery();

  // Other settings, whose scrape configs have the same indexes. An Error names the first
  // entry that has no cluster to ask; the others are in use.
  Status Use(std::shared_ptr<const Settings> settings, MonoTime now);

  // The scrape configs whose targets may have changed.
  std::set<uint32_t> Tick(MonoTime now);
  MonoTime NextDeadline() const;
  // As of the last Tick.
  std::vector<DiscoveredTarget> Targets(uint32_t scrape) const;
  // What is known is enough to say that a file belongs to nobody.
  bool Complete() const;
  // One sentence for each that does not answer, for people.
  std::vector<std::string> Troubles() const;

 private:
  struct Watched;
  PodDiscovery(Parts parts, MonoTime now);
  std::vector<std::unique_ptr<Watched>> Wanted() const;
  Status Begin(Watched& watched, MonoTime now);
  void Succeed(Watched& watched, std::vector<std::unique_ptr<Watched>>& old);
  bool TickOne(Watched& watched, MonoTime now);
  bool InUse(std::string_view uid);
  void FromPaths(const Watched& watched, uint32_t scrape, std::vector<DiscoveredTarget>& out) const;
  bool MayHave(const Watched& watched, const kube::PodPath& path) const;

  std::shared_ptr<const Settings> settings_;
  Parts parts_;
  MonoTime now_;
  std::vector<std::unique_ptr<Watched>> watched_;
  std::map<std::string, PodDirectories> directories_;  // by root
  MonoTime look_at_ = kNever;
  std::set<std::string, std::less<>> undrained_;  // uids, as of undrained_at_
  MonoTime undrained_at_ = MonoTime::min();
};

// Whether a rule can read this discovered label.
bool CanRead(const label::RelabelRule& rule, std::string_view name);
// Whether a rule can read anything that a path does not say.
bool NeedsMetadata(const ScrapeConfig& scrape);

}  // namespace agent::app
