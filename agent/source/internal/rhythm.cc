// SPDX-License-Identifier: Apache-2.0
// What happens by the clock: hot directories, files on their way out, polling, retries,
// the periodic look at everything, saving.
#include <algorithm>
#include <limits>

#include "agent/source/internal/rotated_names.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {
namespace {

constexpr Duration kBurstGap = std::chrono::milliseconds(100);
constexpr Duration kColdAfter = std::chrono::seconds(1);
constexpr int kBurstIsHot = 5;
constexpr Duration kLingerTick = std::chrono::milliseconds(250);
constexpr Duration kSlowLingerTick = std::chrono::seconds(1);
constexpr Duration kPolledRescan = std::chrono::seconds(1);
constexpr uint32_t kSyncsPerRescan = 6;
constexpr Duration kEventRush = std::chrono::milliseconds(20);
constexpr int kRushAfter = 5;

template <class Metric>
void Show(Metric* metric, double value) {
  if (metric != nullptr) metric->Set(value);
}

}  // namespace

Duration Tailer::Impl::HandleEvents(MonoTime now) {
  now_ = now;
  const size_t events = tree_.HandleEvents();
  Settle();
  if (tree_.any_polled() || tree_.any_failed()) next_poll_ = std::min(next_poll_, now_ + kPolledRescan);
  if (events == 0) return Duration::zero();
  SaveSoon();
  event_burst_ = now - last_events_ <= kEventRush ? event_burst_ + 1 : 0;
  last_events_ = now;
  return event_burst_ >= kRushAfter ? kEventRush : Duration::zero();
}

void Tailer::Impl::Tick(MonoTime now) {
  now_ = now;
  if (now_ >= next_hot_) TickHot();
  if (now_ >= next_poll_) TickPolled();
  TickRetries();
  if (now_ >= next_sync_) TickSync();
  Settle();
  if (now_ >= next_linger_) TickLinger();
  Settle();
  if (now_ >= next_save_) TickSave();
  if (tree_.any_polled() || tree_.any_failed()) next_poll_ = std::min(next_poll_, now_ + kPolledRescan);
}

MonoTime Tailer::Impl::NextDeadline() const {
  MonoTime next = std::min({next_hot_, next_linger_, next_poll_, next_sync_, next_save_});
  for (const Chain* chain : troubled_) next = std::min(next, chain->retry_at);
  return next;
}

// A directory that is written to without a pause is not worth an event per write.
void Tailer::Impl::NoteWrite(const std::string& path) {
  const auto found = directories_.find(path);
  if (found == directories_.end()) return;
  Directory& directory = *found->second;
  if (directory.hot || now_ == directory.last_write) return;  // one batch of events is one
  directory.burst = now_ - directory.last_write <= kBurstGap ? directory.burst + 1 : 0;
  directory.last_write = now_;
  if (directory.burst < kBurstIsHot || !tree_.SetQuiet(path, true)) return;
  directory.hot = true;
  hot_.push_back(&directory);
  next_hot_ = std::min(next_hot_, now_ + options_.hot_tick);
}

void Tailer::Impl::TickHot() {
  const std::vector<Directory*> hot = hot_;
  for (Directory* directory : hot) {
    // When its last file leaves it the directory is gone.
    const auto there = [&] { return std::find(hot_.begin(), hot_.end(), directory) != hot_.end(); };
    if (!there()) continue;
    const std::vector<Generation*> generations = directory->generations;
    const auto look = [&] {
      for (Generation* generation : generations) {
        if (now_ < generation->look_at) continue;
        const uint64_t before = generation->size;
        Inspect(*generation, false);
        if (generation->size != before && there()) directory->last_write = now_;
      }
    };
    look();
    if (!there()) continue;
    if (now_ - directory->last_write < kColdAfter) continue;
    directory->hot = false;
    directory->burst = 0;
    std::erase(hot_, directory);
    tree_.SetQuiet(directory->path, false);
    look();  // what was written between the last look and the new watch
  }
  next_hot_ = hot_.empty() ? kNever : now_ + options_.hot_tick;
}

void Tailer::Impl::TickLinger() {
  const std::vector<Generation*> all(lingering_.begin(), lingering_.end());
  bool open = false;
  for (Generation* generation : all) {
    if (!lingering_.contains(generation)) continue;
    Linger(*generation);
    open = open || !generation->finished();
  }
  for (Generation* generation : all) {
    if (lingering_.contains(generation)) TryClose(*generation);
  }
  EnforcePinnedBudget();
  if (lingering_.empty()) next_linger_ = kNever;
  else next_linger_ = now_ + (open ? kLingerTick : kSlowLingerTick);
  EraseDeadSlots();
}

void Tailer::Impl::TickPolled() {
  next_poll_ = kNever;
  if (!tree_.any_polled() && !tree_.any_failed()) return;
  tree_.Rescan(DirTree::Scope::kPolled, false);
  next_poll_ = now_ + kPolledRescan;
  std::vector<std::string> polled;
  for (const auto& [path, directory] : directories_) {
    if (tree_.Polled(directory->path)) polled.push_back(directory->path);
  }
  for (const std::string& path : polled) {
    auto found = directories_.find(path);
    if (found == directories_.end()) continue;
    Directory* directory = found->second.get();
    if (now_ >= directory->poll_at) {
      bool changed = false;
      const std::vector<Generation*> generations = directory->generations;
      for (Generation* generation : generations) {
        const uint64_t before = generation->size;
        Inspect(*generation, true);
        changed = changed || generation->size != before;
      }
      found = directories_.find(path);  // gone, if its last file has left it
      if (found == directories_.end()) continue;
      directory = found->second.get();
      directory->poll_interval =
          changed ? options_.poll_period
                  : std::clamp(directory->poll_interval * 2, options_.poll_period, options_.longest_poll);
      directory->poll_at = now_ + directory->poll_interval;
    }
    next_poll_ = std::min(next_poll_, directory->poll_at);
  }
}

void Tailer::Impl::TickRetries() {
  std::vector<Chain*> due;
  for (Chain* chain : troubled_) {
    if (chain->retry_at <= now_) due.push_back(chain);
  }
  for (Chain* chain : due) {
    troubled_.erase(chain);
    chain->retry_at = kNever;
    MarkDirty(*chain);
  }
}

// One cheap look at everything, in case an event was missed: a stat per path, and less
// often one per directory.
void Tailer::Impl::TickSync() {
  next_sync_ = now_ + options_.sync_period;
  if (++syncs_ % kSyncsPerRescan == 0) {
    tree_.Rescan(DirTree::Scope::kAll, false);
    std::vector<std::string> paths;
    for (const auto& [path, settled] : settled_by_path_) paths.emplace_back(path);
    for (const std::string& path : paths) CheckSettledAt(path);
  } else if (tree_.any_polled()) {
    tree_.Rescan(DirTree::Scope::kPolled, true);
  }
  for (auto& [path, chain] : chains_) {
    if (troubled_.contains(chain.get()) || chain->slot->retired) continue;
    const auto stat = parts_.fs.Stat(chain->path);
    const Generation* current = chain->current;
    const bool unchanged = stat && current != nullptr && current->identity.SameInode(*stat) &&
                           current->size == stat->size && current->modified_ns == stat->modified_ns &&
                           current->head_complete();
    const bool ignored = stat && chain->ignored && chain->ignored_file.SameInode(*stat);
    const bool still_gone = !stat && chain->vanished;
    if (!unchanged && !ignored && !still_gone) MarkDirty(*chain);
  }
  RecoverOrphans();
  GiveUpUnclaimed();
  UpdateRates();
  UpdateMetrics();
}

void Tailer::Impl::UpdateMetrics() {
  size_t open = 0, unreadable = 0;
  double to_loss = std::numeric_limits<double>::infinity();
  for (const auto& [path, chain] : chains_) {
    to_loss = std::min(to_loss, SecondsToLoss(*chain).value_or(to_loss));
    if (!chain->generations.empty()) ++open;
    if (!chain->trouble.empty() && !chain->ignored) ++unreadable;
  }
  const TailerMetrics& metrics = parts_.metrics;
  Show(metrics.active_files, static_cast<double>(open));
  Show(metrics.unreadable, static_cast<double>(unreadable));
  Show(metrics.seconds_to_loss, to_loss);
  Show(metrics.watches, static_cast<double>(tree_.watches()));
  Show(metrics.polled, tree_.any_polled() ? 1 : 0);
  Show(metrics.pinned_bytes, static_cast<double>(pinned_));
  if (metrics.overflows != nullptr && tree_.overflows() > overflows_seen_) {
    metrics.overflows->Add(static_cast<double>(tree_.overflows() - overflows_seen_));
  }
  overflows_seen_ = tree_.overflows();
}

}  // namespace agent::source
