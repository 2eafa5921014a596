// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/pod_watcher.h"

#include <algorithm>

#include "agent/core/mutex.h"
#include "agent/kube/internal/pod_store.h"
#include "agent/kube/internal/reflector.h"

namespace agent::kube {
namespace {

constexpr Duration kBetweenUpdates = std::chrono::seconds(1);
constexpr Duration kExpireEvery = std::chrono::seconds(10);

std::string Selectors(const PodDiscoveryOptions& options) {
  std::string out = "fieldSelector=" + UrlEscape(options.field_selector);
  if (!options.label_selector.empty()) out += "&labelSelector=" + UrlEscape(options.label_selector);
  return out;
}

std::vector<ReflectorOptions> ReflectorsOf(const PodWatcherOptions& options) {
  ReflectorOptions each;
  each.seed = options.seed;
  each.wanted = options.wanted;
  std::vector<ReflectorOptions> out;
  if (options.discovery.source == PodDiscoveryOptions::Source::kKubelet) {
    each.url = options.access.url + "/pods";
    each.poll = true;
    each.poll_interval = options.discovery.poll_interval;
    out.push_back(each);
    return out;
  }
  each.selectors = Selectors(options.discovery);
  if (options.access.namespaces.empty()) {
    each.url = options.access.url + "/api/v1/pods";
    out.push_back(each);
  }
  for (const std::string& name : options.access.namespaces) {
    each.index = out.size();
    each.url = options.access.url + "/api/v1/namespaces/" + UrlEscape(name) + "/pods";
    ++each.seed;
    out.push_back(each);
  }
  return out;
}

}  // namespace

// Shared with the callbacks of requests, which may come when the watcher is gone.
struct PodWatcher::Impl : std::enable_shared_from_this<PodWatcher::Impl> {
  struct Asked {
    explicit Asked(ReflectorOptions options, PodStore& store) : reflector(std::move(options), store) {}
    Reflector reflector;
    http::RequestId request = 0;
  };

  Impl(PodWatcherOptions o, http::Client& c, metrics::Registry& r, DiscoverySink s, std::function<void()> w)
      : options(std::move(o)), client(c), registry(r), sink(std::move(s)), wake(std::move(w)),
        endpoint(http::MakeEndpoint(options.access.http)) {
    for (ReflectorOptions& each : ReflectorsOf(options)) asked.push_back(std::make_unique<Asked>(std::move(each), store));
  }

  void Submit(Asked& one, Reflector::Wanted wanted) AGENT_REQUIRES(mutex);
  std::vector<DiscoveredTarget> MakeTargets() const AGENT_REQUIRES(mutex);
  void Publish() AGENT_EXCLUDES(mutex);
  bool Up() const AGENT_REQUIRES(mutex);

  // -- immutable --
  const PodWatcherOptions options;
  http::Client& client;
  metrics::Registry& registry;
  const DiscoverySink sink;
  const std::function<void()> wake;
  const std::shared_ptr<http::Endpoint> endpoint;

  mutable Mutex mutex;
  PodStore store AGENT_GUARDED_BY(mutex);
  std::vector<std::unique_ptr<Asked>> asked AGENT_GUARDED_BY(mutex);
  MonoTime update_at AGENT_GUARDED_BY(mutex){};  // not before
  MonoTime expire_at AGENT_GUARDED_BY(mutex) = kNever;
  bool stopped AGENT_GUARDED_BY(mutex) = false;

  ReflectorCounts published;  // the collector's own
  std::shared_ptr<void> collector;
};

void PodWatcher::Impl::Submit(Asked& one, Reflector::Wanted wanted) {
  http::Request request;
  request.url = std::move(wanted.url);
  request.headers = {{"Accept", "application/json"}};
  request.endpoint = endpoint;
  request.timeout = wanted.timeout;
  request.idle_timeout = wanted.idle_timeout;
  // The reflectors live as long as the Impl, which the callbacks keep.
  request.on_chunk = [self = shared_from_this(), &one](std::string_view bytes) {
    bool go_on = false;
    bool changed = false;
    {
      MutexLock lock(self->mutex);
      if (self->stopped) return false;
      go_on = one.reflector.Feed(bytes);
      changed = self->store.changed() || self->store.removed() > 0;
    }
    if (changed) self->wake();
    return go_on;
  };
  one.request = client.Submit(std::move(request), [self = shared_from_this(), &one](Result<http::Response> result) {
    {
      MutexLock lock(self->mutex);
      if (self->stopped) return;
      one.request = 0;
      one.reflector.Done(std::move(result));
    }
    self->wake();
  });
}

std::vector<DiscoveredTarget> PodWatcher::Impl::MakeTargets() const {
  std::vector<DiscoveredTarget> targets;
  store.AppendTargets(options.discovery, targets);
  return targets;
}

bool PodWatcher::Impl::Up() const {
  return std::all_of(asked.begin(), asked.end(), [](const auto& one) { return one->reflector.up(); });
}

void PodWatcher::Impl::Publish() {
  ReflectorCounts sum;
  bool up = false;
  double pods = 0;
  {
    MutexLock lock(mutex);
    up = Up();
    pods = static_cast<double>(store.size() - store.removed());
    for (const auto& one : asked) {
      const ReflectorCounts& counts = one->reflector.counts();
      sum.lists += counts.lists;
      sum.watches += counts.watches;
      sum.events += counts.events;
      sum.gone += counts.gone;
      sum.failures += counts.failures;
    }
  }
  const metrics::Labels labels = {{"job", options.job}};
  registry.GetGauge("sluice_kubernetes_up", "1 while pods can be read from Kubernetes", labels).Set(up ? 1 : 0);
  registry.GetGauge("sluice_kubernetes_pods", "Pods of this node that Kubernetes knows", labels).Set(pods);
  const auto count = [&](const char* name, const char* help, uint64_t ReflectorCounts::*member) {
    const uint64_t before = std::exchange(published.*member, sum.*member);
    registry.GetCounter(name, help, labels).Add(static_cast<double>(sum.*member - before));
  };
  count("sluice_kubernetes_lists_total", "Pages of lists of pods that were asked for", &ReflectorCounts::lists);
  count("sluice_kubernetes_watches_total", "Watches of pods that were begun", &ReflectorCounts::watches);
  count("sluice_kubernetes_events_total", "Events of watches", &ReflectorCounts::events);
  count("sluice_kubernetes_gone_total", "Times that the API no longer had the version of a watch", &ReflectorCounts::gone);
  count("sluice_kubernetes_failures_total", "Requests to Kubernetes that failed", &ReflectorCounts::failures);
}

PodWatcher::PodWatcher(PodWatcherOptions options, http::Client& client, metrics::Registry& registry, DiscoverySink sink,
                       std::function<void()> wake)
    : impl_(std::make_shared<Impl>(std::move(options), client, registry, std::move(sink), std::move(wake))) {
  impl_->collector = registry.AddCollector([impl = impl_.get()] { impl->Publish(); });
}

PodWatcher::~PodWatcher() {
  impl_->collector.reset();
  MutexLock lock(impl_->mutex);
  impl_->stopped = true;
  for (const auto& one : impl_->asked) {
    if (one->request != 0) impl_->client.Cancel(one->request);
  }
}

void PodWatcher::Tick(MonoTime now) {
  std::optional<std::vector<DiscoveredTarget>> targets;
  {
    MutexLock lock(impl_->mutex);
    for (const auto& one : impl_->asked) {
      if (auto wanted = one->reflector.Next(now)) impl_->Submit(*one, std::move(*wanted));
    }
    impl_->store.Expire(now, impl_->options.linger, impl_->options.in_use);
    impl_->expire_at = impl_->store.removed() > 0 ? now + kExpireEvery : kNever;
    if (now >= impl_->update_at && impl_->store.TakeChanged()) {
      targets = impl_->MakeTargets();
      impl_->update_at = now + kBetweenUpdates;
    }
  }
  if (!targets) return;
  const auto& configs = impl_->options.scrape_configs;
  for (size_t i = 0; i + 1 < configs.size(); ++i) impl_->sink(configs[i], *targets);
  if (!configs.empty()) impl_->sink(configs.back(), std::move(*targets));
}

MonoTime PodWatcher::NextDeadline() const {
  MutexLock lock(impl_->mutex);
  MonoTime next = impl_->expire_at;
  if (impl_->store.changed()) next = std::min(next, impl_->update_at);
  for (const auto& one : impl_->asked) next = std::min(next, one->reflector.NextDeadline());
  return next;
}

std::optional<LabelMap> PodWatcher::Labels(std::string_view uid, std::string_view container) const {
  MutexLock lock(impl_->mutex);
  const std::string* packed = impl_->store.Find(uid);
  if (packed == nullptr) return std::nullopt;
  return LabelsOfContainer(*packed, impl_->options.discovery, container);
}

bool PodWatcher::Synced() const {
  MutexLock lock(impl_->mutex);
  return std::all_of(impl_->asked.begin(), impl_->asked.end(), [](const auto& one) { return one->reflector.synced(); });
}

PodWatcher::View PodWatcher::Snapshot() const {
  MutexLock lock(impl_->mutex);
  View view{.url = impl_->options.access.url,
            .up = impl_->Up(),
            .synced = std::all_of(impl_->asked.begin(), impl_->asked.end(),
                                  [](const auto& one) { return one->reflector.synced(); }),
            .pods = impl_->store.size() - impl_->store.removed(),
            .deleted = impl_->store.removed(),
            .memory_bytes = impl_->store.MemoryBytes()};
  return view;
}

std::vector<DiscoveredTarget> PodWatcher::Targets() const {
  MutexLock lock(impl_->mutex);
  return impl_->MakeTargets();
}

}  // namespace agent::kube
