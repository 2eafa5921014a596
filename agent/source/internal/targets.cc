// SPDX-License-Identifier: Apache-2.0
// Targets come, change and go. A target is known by its job, path pattern and exclude;
// its labels may change while its files are read.
#include <algorithm>
#include <filesystem>

#include "agent/core/log.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {
namespace {

bool SamePattern(const Target& a, const Target& b) {
  return a.job == b.job && a.path == b.path && a.exclude == b.exclude;
}

bool SameLabels(const Target& a, const Target& b) {
  return a.labels == b.labels && a.pipeline == b.pipeline && a.filename_label == b.filename_label &&
         a.multiline_firstline == b.multiline_firstline && a.rules == b.rules;
}

std::string Absolute(const std::string& path) {
  if (!path.empty() && path[0] == '/') return path;
  std::error_code error;
  const auto here = std::filesystem::current_path(error);
  return error ? path : platform::Join(here.string(), path);
}

}  // namespace

Result<std::unique_ptr<Slot>> Tailer::Impl::MakeSlot(uint32_t scrape_config, std::shared_ptr<const Target> target) {
  auto slot = std::make_unique<Slot>();
  const std::string path = Absolute(target->path);
  // A path that exists is taken as it is, whatever characters are in it.
  const auto stat = parts_.fs.Stat(path);
  if (stat && stat->type == platform::FileType::kRegular) {
    slot->glob = platform::Glob::Literal(path);
  } else {
    auto glob = platform::Glob::Parse(path);
    if (!glob) return Forward(glob);
    slot->glob = std::move(*glob);
  }
  if (!target->exclude.empty()) {
    auto exclude = platform::Glob::Parse(Absolute(target->exclude));
    if (!exclude) return Forward(exclude);
    slot->exclude = std::move(*exclude);
  }
  if (scrape_config < options_.unpacking.size()) {
    slot->packing = options_.unpacking[scrape_config].packing;
    slot->initial_delay = options_.unpacking[scrape_config].initial_delay;
  }
  slot->id = next_id_++;
  slot->scrape_config = scrape_config;
  slot->target = std::move(target);
  return slot;
}

void Tailer::Impl::SetTargets(uint32_t scrape_config, std::vector<std::shared_ptr<const Target>> targets,
                              MonoTime now) {
  now_ = now;
  std::vector<Slot*> old;
  for (auto& [id, slot] : slots_) {
    if (slot->scrape_config == scrape_config && !slot->retired) old.push_back(slot.get());
  }
  // First those that did not change, then those with other labels, then the new ones.
  const auto claim = [&](auto matches) {
    std::erase_if(targets, [&](const std::shared_ptr<const Target>& target) {
      const auto found = std::find_if(old.begin(), old.end(), [&](Slot* slot) { return matches(*slot, target); });
      if (found == old.end()) return false;
      old.erase(found);
      return true;
    });
  };
  claim([](Slot& slot, const auto& target) {
    return SamePattern(*slot.target, *target) && SameLabels(*slot.target, *target);
  });
  claim([this](Slot& slot, const auto& target) {
    if (!SamePattern(*slot.target, *target)) return false;
    Relabel(slot, target);
    return true;
  });
  std::set<PatternId> gone;
  for (Slot* slot : old) {
    gone.insert(slot->id);
    Retire(*slot);
  }
  if (!gone.empty()) tree_.RemovePatterns(gone);
  std::vector<std::pair<PatternId, platform::Glob>> added;
  for (auto& target : targets) {
    auto slot = MakeSlot(scrape_config, target);
    if (!slot) {
      LogError("a target is left out", {{"job", target->job}, {"err", slot.error().what}});
      continue;
    }
    const PatternId id = (*slot)->id;
    added.emplace_back(id, (*slot)->glob);
    slots_.emplace(id, std::move(*slot));
  }
  if (!added.empty()) {
    tree_.AddPatterns(std::move(added));
    Settle();
    RecoverOrphans();
  }
  Settle();
  if (tree_.any_polled()) next_poll_ = std::min(next_poll_, now_);
  EraseDeadSlots();
  UpdateMetrics();
}

void Tailer::Impl::Relabel(Slot& slot, std::shared_ptr<const Target> target) {
  slot.target = std::move(target);
  for (auto& [path, chain] : chains_) {
    if (chain->slot == &slot && slot.target->resolve) MarkDirty(*chain);  // other rules may exclude it, or no more
    if (chain->slot != &slot || chain->current == nullptr || chain->current->finished()) continue;
    Generation& generation = *chain->current;
    generation.relabel = !TryRelabel(generation);
    if (generation.relabel) lingering_.insert(&generation);
  }
}

// Its files are read to their present end, and no further.
void Tailer::Impl::Retire(Slot& slot) {
  slot.retired = true;
  for (auto& [path, chain] : chains_) {
    if (chain->slot != &slot) continue;
    ClearTrouble(*chain);
    chain->current = nullptr;
    for (const auto& generation : chain->generations) {
      if (generation->place == Place::kCurrent) generation->place = Place::kAway;
      generation->relabel = false;
      Finish(*generation);
      lingering_.insert(generation.get());
    }
    MarkDirty(*chain);  // to be erased, if nothing is left
  }
}

void Tailer::Impl::EraseDeadSlots() {
  std::set<const Slot*> used;
  for (const auto& [path, chain] : chains_) used.insert(chain->slot);
  std::erase_if(slots_, [&](const auto& entry) { return entry.second->retired && !used.contains(entry.second.get()); });
}

// Saved positions whose path is not there now: the file may have been rotated away, and
// no new one made yet.
void Tailer::Impl::RecoverOrphans() {
  std::set<std::pair<Slot*, std::string>> orphans;
  for (const SavedPosition& saved : unclaimed_) {
    for (auto& [id, slot] : slots_) {
      if (slot->retired || slot->target->job != saved.job || !slot->glob.Matches(saved.follows)) continue;
      if (slot->exclude && slot->exclude->Matches(saved.follows)) continue;
      if (std::string why; !LabelsFor(*slot, saved.follows, why)) continue;
      orphans.emplace(slot.get(), saved.follows);
    }
  }
  for (const auto& [slot, path] : orphans) RecoverOrphan(*slot, path);
}

void Tailer::Impl::RecoverOrphan(Slot& slot, const std::string& path) {
  Chain& chain = GetChain(slot, path);
  if (chain.recovered) return;
  RecoverLastRun(chain);
  const auto stat = parts_.fs.Stat(path);
  if (!stat && stat.error().code != Code::kNotFound) {
    LookNowhere(chain, stat.error());
    return;
  }
  chain.vanished = !stat.has_value();
  Status recovered = Recover(chain, stat ? &*stat : nullptr);
  if (!recovered) Trouble(chain, recovered.error());
  if (stat) MarkDirty(chain);
  if (recovered) EraseIfEmpty(chain);
}

void Tailer::Impl::TargetsComplete() { targets_complete_ = true; }

}  // namespace agent::source
