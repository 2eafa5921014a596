// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/pod_discovery.h"

#include <algorithm>
#include <array>

#include "agent/core/arena.h"
#include "agent/core/log.h"
#include "agent/kube/annotations.h"

namespace agent::app {
namespace {

constexpr Duration kUndrainedFor = std::chrono::seconds(1);

// What MetaLabels takes from a path (and the node's name, which is known).
constexpr std::array<std::string_view, 6> kFromPath = {
    "__meta_kubernetes_namespace",          "__meta_kubernetes_pod_name",
    "__meta_kubernetes_pod_uid",            "__meta_kubernetes_pod_container_name",
    "__meta_kubernetes_pod_node_name",      "__meta_sluice_restart_count",
};
constexpr std::string_view kPodFiles = "__meta_sluice_pod_files";  // as MakeTarget knows it

bool IsDrained(const source::FileView& file) {
  return std::all_of(file.generations.begin(), file.generations.end(), [](const source::GenerationView& one) {
    return one.abandoned || one.committed >= std::max(one.size, one.read);
  });
}

// Whether they read the same labels; what they make of them does not matter here.
bool ReadTheSame(const std::vector<label::RelabelRule>& a, const std::vector<label::RelabelRule>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& one, const auto& other) {
    return one.action == other.action && one.source_labels == other.source_labels && one.regex_text == other.regex_text;
  });
}

// Labels of an API where there are any, those of the path where it says nothing.
LabelMap Joined(std::optional<LabelMap> api, const PodDirectories::Container& container, const std::string& node_name) {
  LabelMap labels = api ? std::move(*api) : LabelMap{};
  labels.merge(kube::MetaLabels(container.path, node_name));
  return labels;
}

}  // namespace

bool CanRead(const label::RelabelRule& rule, std::string_view name) {
  if (rule.action == label::Action::kLabelMap) {
    Arena arena;
    return rule.regex->Matches(name, arena);
  }
  return std::find(rule.source_labels.begin(), rule.source_labels.end(), name) != rule.source_labels.end();
}

bool NeedsMetadata(const ScrapeConfig& scrape) {
  if (scrape.annotations) return true;
  return std::any_of(scrape.relabel.begin(), scrape.relabel.end(), [](const label::RelabelRule& rule) {
    if (rule.action == label::Action::kLabelMap) return true;
    return std::any_of(rule.source_labels.begin(), rule.source_labels.end(), [](const std::string& name) {
      return name.starts_with("__meta_") && std::find(kFromPath.begin(), kFromPath.end(), name) == kFromPath.end();
    });
  });
}

struct PodDiscovery::Watched {
  kube::PodDiscoveryOptions options;
  std::vector<label::RelabelRule> rules;  // that may read its labels
  std::vector<std::string> namespaces;    // with the own one
  std::vector<uint32_t> scrapes;
  std::vector<DiscoveredTarget> targets;
  bool changed = true;
  bool up = false;
  MonoTime down_since{};
  bool says_down = false;
  metrics::Gauge* path_labelled = nullptr;
  std::unique_ptr<Watched> predecessor;  // until this one has read a whole list
  std::unique_ptr<kube::PodWatcher> watcher;  // last: its sink writes into the others

  bool LateAt(MonoTime now) const { return !up && now - down_since >= options.metadata_wait; }
  const Watched& known() const { return predecessor != nullptr ? predecessor->known() : *this; }
  std::optional<LabelMap> LabelsOf(const kube::PodPath& path) const {
    auto labels = watcher->Labels(path.uid, path.container);
    return !labels && predecessor != nullptr ? predecessor->LabelsOf(path) : labels;
  }
};

PodDiscovery::PodDiscovery(Parts parts, MonoTime now) : parts_(std::move(parts)), now_(now) {}

PodDiscovery::~PodDiscovery() = default;

Result<std::unique_ptr<PodDiscovery>> PodDiscovery::Make(std::shared_ptr<const Settings> settings, Parts parts,
                                                         MonoTime now) {
  std::unique_ptr<PodDiscovery> made(new PodDiscovery(std::move(parts), now));
  if (Status used = made->Use(std::move(settings), now); !used) return Forward(used);
  return made;
}

// One for each distinct entry, not begun.
std::vector<std::unique_ptr<PodDiscovery::Watched>> PodDiscovery::Wanted() const {
  std::vector<std::unique_ptr<Watched>> out;
  for (uint32_t i = 0; i < settings_->scrapes.size(); ++i) {
    const ScrapeConfig& scrape = settings_->scrapes[i];
    for (const kube::PodDiscoveryOptions& options : scrape.kubernetes) {
      auto same = std::find_if(out.begin(), out.end(), [&](const auto& one) { return one->options == options; });
      if (same == out.end()) same = out.insert(out.end(), std::make_unique<Watched>());
      Watched& watched = **same;
      watched.options = options;
      watched.scrapes.push_back(i);
      watched.rules.insert(watched.rules.end(), scrape.relabel.begin(), scrape.relabel.end());
    }
  }
  return out;
}

// Goes on with the watcher of an equal entry, or stands behind the one that its scrape
// config had before.
void PodDiscovery::Succeed(Watched& watched, std::vector<std::unique_ptr<Watched>>& old) {
  const auto same = std::find_if(old.begin(), old.end(), [&](const auto& one) {
    return one != nullptr && one->options == watched.options && ReadTheSame(one->rules, watched.rules);
  });
  const auto shares = [&](const auto& one) {
    return one != nullptr && std::find(one->scrapes.begin(), one->scrapes.end(), watched.scrapes.front()) != one->scrapes.end();
  };
  const auto before = same != old.end() ? same : std::find_if(old.begin(), old.end(), shares);
  if (before != old.end()) watched.predecessor = std::move(*before);
}

Status PodDiscovery::Use(std::shared_ptr<const Settings> settings, MonoTime now) {
  settings_ = std::move(settings);
  for (const ScrapeConfig& scrape : settings_->scrapes) {
    const std::string& root = scrape.pod_logs.enabled ? scrape.pod_logs.root : parts_.pods_root;
    if (!scrape.kubernetes.empty()) directories_.try_emplace(root, parts_.fs, root);
  }
  std::vector<std::unique_ptr<Watched>> old = std::exchange(watched_, {});
  Status first_error;
  for (std::unique_ptr<Watched>& watched : Wanted()) {
    Succeed(*watched, old);
    Watched* before = watched->predecessor.get();
    if (before != nullptr && before->options == watched->options && ReadTheSame(before->rules, watched->rules)) {
      before->scrapes = watched->scrapes;
      before->changed = true;
      watched_.push_back(std::move(watched->predecessor));
      continue;
    }
    if (Status begun = Begin(*watched, now); !begun) {
      if (first_error) first_error = std::move(begun);
      continue;
    }
    watched_.push_back(std::move(watched));
  }
  return first_error;
}

Status PodDiscovery::Begin(Watched& watched, MonoTime now) {
  auto access = kube::FindCluster(watched.options, parts_.surroundings);
  const ScrapeConfig& first = settings_->scrapes[watched.scrapes.front()];
  if (!access) return Fail(Code::kConfig, first.path + ".kubernetes_sd_configs: " + access.error().what);
  watched.namespaces = access->namespaces;
  watched.down_since = now;
  watched.path_labelled = &parts_.registry.GetGauge(
      "sluice_kubernetes_path_labelled_containers",
      "Containers that are labelled from their paths because Kubernetes has not named their pods", {{"job", first.job}});
  kube::PodWatcherOptions options;
  options.discovery = watched.options;
  options.access = std::move(*access);
  options.scrape_configs = {0};  // the sink knows better
  options.job = first.job;
  options.in_use = [this](std::string_view uid) { return InUse(uid); };
  // Asked on the net thread: owns what it looks at.
  options.wanted = [rules = watched.rules, annotations = watched.options.annotations](std::string_view name) {
    if (kube::IsWish(name)) return annotations;
    return std::any_of(rules.begin(), rules.end(), [&](const auto& rule) { return CanRead(rule, name); });
  };
  options.seed = ++parts_.seed;
  watched.watcher = std::make_unique<kube::PodWatcher>(
      std::move(options), parts_.http, parts_.registry,
      [&watched](uint32_t, std::vector<DiscoveredTarget> targets) {
        watched.targets = std::move(targets);
        watched.changed = true;
      },
      parts_.wake);
  return {};
}

// Files whose bytes are not all settled need their pod's labels.
bool PodDiscovery::InUse(std::string_view uid) {
  if (now_ - kUndrainedFor >= undrained_at_) {
    undrained_at_ = now_;
    undrained_.clear();
    for (const source::FileView& file : parts_.tailer.Files()) {
      const auto path = kube::ParsePodPath(file.path);
      if (path && !IsDrained(file)) undrained_.insert(path->uid);
    }
  }
  return undrained_.contains(uid);
}

bool PodDiscovery::TickOne(Watched& watched, MonoTime now) {
  watched.watcher->Tick(now);
  if (watched.predecessor != nullptr && watched.watcher->Synced()) {
    watched.predecessor.reset();
    watched.changed = true;
  }
  const kube::PodWatcher::View view = watched.watcher->Snapshot();
  if (view.up != watched.up) {
    watched.up = view.up;
    watched.down_since = now;
    watched.changed = true;
    if (view.up && watched.says_down) LogInfo("Kubernetes answers again", {{"url", view.url}, {"pods", view.pods}});
    watched.says_down = false;
  }
  if (watched.LateAt(now) && !watched.says_down) {
    watched.says_down = true;
    watched.changed = true;
    LogWarn("Kubernetes does not answer; pods that it has not named are labelled from their log paths until it does",
            {{"url", view.url}});
  }
  return std::exchange(watched.changed, false);
}

std::set<uint32_t> PodDiscovery::Tick(MonoTime now) {
  now_ = now;
  std::set<uint32_t> changed;
  bool look = false;
  bool late = false;
  for (const auto& watched : watched_) {
    if (TickOne(*watched, now)) changed.insert(watched->scrapes.begin(), watched->scrapes.end());
    late = late || watched->LateAt(now);
  }
  for (const auto& watched : watched_) {
    for (const uint32_t scrape : watched->scrapes) look = look || late || settings_->scrapes[scrape].pod_logs.enabled;
  }
  // Waits that end show at the next look: a wait is a bound, not an appointment.
  const bool due = look && (look_at_ <= now || look_at_ == kNever || !changed.empty());
  if (due) {
    for (auto& [root, directories] : directories_) directories.Look(now);
    for (const auto& watched : watched_) changed.insert(watched->scrapes.begin(), watched->scrapes.end());
  }
  if (!look) look_at_ = kNever;
  if (due) look_at_ = now + kLookEvery;
  return changed;
}

MonoTime PodDiscovery::NextDeadline() const {
  MonoTime next = look_at_;
  for (const auto& watched : watched_) {
    next = std::min(next, watched->watcher->NextDeadline());
    if (!watched->up && !watched->says_down) next = std::min(next, watched->down_since + watched->options.metadata_wait);
  }
  return next;
}

// Whether the entry would name this pod, as far as a path can tell.
bool PodDiscovery::MayHave(const Watched& watched, const kube::PodPath& path) const {
  if (!watched.options.label_selector.empty()) return false;
  if (watched.options.field_selector.find(',') != std::string::npos) return false;  // more than the node's name
  return watched.namespaces.empty() ||
         std::find(watched.namespaces.begin(), watched.namespaces.end(), path.name_space) != watched.namespaces.end();
}

// Containers that Kubernetes has not named, and for which the wait is over.
void PodDiscovery::FromPaths(const Watched& watched, uint32_t scrape, std::vector<DiscoveredTarget>& out) const {
  size_t labelled = 0;
  const ScrapeConfig& config = settings_->scrapes[scrape];
  const std::string& root = config.pod_logs.enabled ? config.pod_logs.root : parts_.pods_root;
  const bool must_wait = NeedsMetadata(config);
  for (const auto& [directory, container] : directories_.at(root).containers()) {
    std::optional<LabelMap> api = watched.LabelsOf(container.path);
    if (!api) {
      const bool waited = now_ - container.first_seen >= watched.options.metadata_wait;
      const bool late = config.pod_logs.enabled ? waited || !must_wait : watched.LateAt(now_) && waited;
      if (!late || !MayHave(watched, container.path)) continue;
      ++labelled;
    } else if (!config.pod_logs.enabled) {
      continue;  // a target already
    }
    LabelMap labels = Joined(std::move(api), container, settings_->node_name);
    if (config.pod_logs.enabled) {
      labels.merge(kube::DefaultLabels(container.path, settings_->node_name));
      labels["__path__"] = directory + "/*.log";
      labels[std::string(kPodFiles)] = "true";
    }
    out.push_back({std::move(labels)});
  }
  watched.path_labelled->Set(static_cast<double>(labelled));
}

std::vector<DiscoveredTarget> PodDiscovery::Targets(uint32_t scrape) const {
  std::vector<DiscoveredTarget> out;
  for (const auto& watched : watched_) {
    if (std::find(watched->scrapes.begin(), watched->scrapes.end(), scrape) == watched->scrapes.end()) continue;
    if (!settings_->scrapes[scrape].pod_logs.enabled) {
      const std::vector<DiscoveredTarget>& known = watched->known().targets;
      out.insert(out.end(), known.begin(), known.end());
    }
    FromPaths(*watched, scrape, out);
  }
  return out;
}

bool PodDiscovery::Complete() const {
  return std::all_of(watched_.begin(), watched_.end(), [this](const auto& one) {
    return one->watcher->Synced() || (one->LateAt(now_) && MayHave(*one, {}));
  });
}

std::vector<std::string> PodDiscovery::Troubles() const {
  std::vector<std::string> out;
  for (const auto& watched : watched_) {
    if (watched->says_down) {
      out.push_back(watched->watcher->Snapshot().url +
                    " does not answer; pods that it has not named are labelled from their log paths");
    }
  }
  return out;
}

}  // namespace agent::app
