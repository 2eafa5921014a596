// SPDX-License-Identifier: Apache-2.0
// Positions out: what every file's lane has committed, and what is settled.
#include <algorithm>
#include <map>

#include "agent/source/internal/tailer_impl.h"

namespace agent::source {
namespace {

constexpr Duration kClockTick = std::chrono::milliseconds(20);
constexpr Duration kPolledIsLate = std::chrono::seconds(2);

}  // namespace

bool Tailer::Impl::AnythingToSave() const {
  if (list_changed_ || parts_.positions.cursors_changed()) return true;
  return std::any_of(chains_.begin(), chains_.end(), [](const auto& entry) {
    const auto& generations = entry.second->generations;
    return std::any_of(generations.begin(), generations.end(), [](const auto& generation) {
      return generation->file->committed_offset.load(std::memory_order_relaxed) != generation->saved_offset;
    });
  });
}

bool Tailer::Impl::AnythingUnderway() const {
  return std::any_of(chains_.begin(), chains_.end(), [](const auto& entry) {
    const auto& generations = entry.second->generations;
    return std::any_of(generations.begin(), generations.end(), [](const auto& generation) {
      return generation->packing != Packing::kPlain ||
             generation->file->committed_offset.load(std::memory_order_relaxed) < generation->size;
    });
  });
}

// A node whose pods are silent is not woken to find that nothing has changed: then the
// next look is that at all files, or soon after the next growth.
void Tailer::Impl::TickSave() {
  const bool saved = AnythingToSave() && Save(now_);
  next_save_ = saved || AnythingToSave() || AnythingUnderway() ? now_ + parts_.positions.options().sync_period
                                                               : std::max(next_sync_, now_);
}

void Tailer::Impl::SaveSoon() {
  next_save_ = std::min(next_save_, now_ + parts_.positions.options().sync_period);
}

// Up to when every change is known. File times are behind the clock by a tick of the
// kernel's, and polled directories are seen late.
WallNanos Tailer::Impl::SeenUntil() {
  const Duration late = tree_.any_polled() ? kPolledIsLate : kClockTick;
  const WallNanos before = parts_.clock.Wall() - late.count();
  tree_.HandleEvents();
  Settle();
  // A file that is not followed yet may be rotated away while the agent is down.
  const bool unsure = tree_.any_failed() || std::any_of(chains_.begin(), chains_.end(), [this](const auto& entry) {
                        const Chain& chain = *entry.second;
                        const bool waits = chain.current == nullptr && !chain.ignored &&
                                           (!chain.trouble.empty() || chain.wait_until > now_);
                        return chain.unsure || chain.look_beside || chain.dirty || waits;
                      });
  if (!unsure) seen_until_ = before;
  return seen_until_;
}

SavedPosition Tailer::Impl::SavedOf(Generation& generation) {
  const uint64_t offset = generation.file->committed_offset.load(std::memory_order_relaxed);
  if (offset != generation.saved_offset) {
    generation.mark = {};
    const std::shared_ptr<platform::File> file = generation.source->file();
    if (file != nullptr && generation.packing == Packing::kPlain) {
      auto mark = ReadMark(*file, offset);
      if (mark) generation.mark = *mark;
    }
  }
  // What the lane has read is known, whatever the disk says now.
  const Fingerprint read = generation.source->head();
  if (generation.packing == Packing::kPlain && read.length > generation.identity.head.length) {
    generation.identity.head = read;
  }
  if (!generation.head_complete()) {
    if (const auto file = generation.source->file()) (void)CheckHead(*file, generation.identity.head).has_value();
  }
  const Chain& chain = *generation.chain;
  // Of an archive the size stands only once it is settled: nothing else tells its end.
  const uint64_t size = generation.packing == Packing::kPlain ? generation.size : 0;
  return {chain.slot->target->job, chain.path, generation.last_path, generation.identity,
          generation.packing,      offset,     size,                 generation.mark};
}

// Oldest first within a path. A file that two generations share is saved at the first
// one's offset: the second has not begun as long as the first is not settled.
std::vector<SavedPosition> Tailer::Impl::Collect() {
  std::vector<SavedPosition> all;
  for (const auto& [inode, settled] : settled_) {
    all.push_back({settled->job, settled->follows, settled->path, settled->identity, settled->packing,
                   settled->offset, settled->size, settled->mark});
  }
  std::map<std::tuple<std::string, uint64_t, uint64_t>, size_t> at;
  for (const auto& [path, chain] : chains_) {
    for (const auto& generation : chain->generations) {
      if (generation->sealed) continue;
      const uint64_t committed = generation->file->committed_offset.load(std::memory_order_relaxed);
      if (generation->continued && committed >= generation->limit) continue;
      SavedPosition saved = SavedOf(*generation);
      const auto key = std::make_tuple(saved.job, saved.identity.device, saved.identity.inode);
      const auto [entry, added] = at.try_emplace(key, all.size());
      if (added) all.push_back(std::move(saved));
      else if (saved.offset < all[entry->second].offset) all[entry->second] = std::move(saved);
    }
    if (chain->resume) all.push_back(*chain->resume);
  }
  all.insert(all.end(), unclaimed_.begin(), unclaimed_.end());
  return all;
}

bool Tailer::Impl::Save(MonoTime now) {
  now_ = now;
  const WallNanos seen_until = SeenUntil();
  const std::vector<SavedPosition> all = Collect();
  std::map<std::string, std::string> imported = imported_;
  for (const auto& [job, path] : imported_used_) imported.erase(path);
  // What is committed while the file is being written is for the next time.
  std::vector<std::pair<Generation*, uint64_t>> offsets;
  for (const auto& [path, chain] : chains_) {
    for (const auto& generation : chain->generations) {
      offsets.emplace_back(generation.get(), generation->file->committed_offset.load(std::memory_order_relaxed));
    }
  }
  if (!parts_.positions.Save(all, imported, seen_until, now)) return false;
  for (const auto& [generation, offset] : offsets) generation->saved_offset = offset;
  list_changed_ = false;
  return true;
}

}  // namespace agent::source
