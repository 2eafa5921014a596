// SPDX-License-Identifier: Apache-2.0
// Positions out: what every file's lane has committed, and what is settled.
#include <algorithm>
#include <tuple>

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

// A file has one position: what was read on in it on its own waits for what stands before it.
bool Tailer::Impl::BehindAHole(const Generation& generation) const {
  const auto& all = generation.chain->generations;
  return std::any_of(all.begin(), all.end(), [&](const auto& other) {
    const bool before = other->continued && other->file->start_offset < generation.file->start_offset;
    return before && !other->drained() && other->identity.inode == generation.identity.inode &&
           other->identity.device == generation.identity.device;
  });
}

PositionView Tailer::Impl::SavedOf(Generation& generation) {
  const uint64_t offset = generation.file->committed_offset.load(std::memory_order_relaxed);
  if (offset != generation.saved_offset || (generation.mark.length == 0 && offset > 0)) {
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
  PositionView saved;
  saved.job = chain.slot->target->job;
  saved.follows = chain.path;
  saved.path = generation.last_path();
  saved.identity = generation.identity;
  saved.packing = generation.packing;
  saved.offset = offset;
  saved.size = size;
  saved.mark = generation.mark;
  return saved;
}

namespace {

// Of one job's positions in one file only the first stays, with the lowest offset.
// `order`: where those of generations are.
void MergeShared(std::vector<PositionView>& all, std::vector<uint32_t> order) {
  const auto file_of = [&](uint32_t i) {
    const PositionView& saved = all[i];
    return std::tie(saved.identity.inode, saved.identity.device, saved.job);
  };
  std::ranges::stable_sort(order, {}, file_of);
  for (size_t first = 0, next = 1; next < order.size(); ++next) {
    if (file_of(order[first]) != file_of(order[next])) {
      first = next;
      continue;
    }
    PositionView& kept = all[order[first]];
    PositionView& more = all[order[next]];
    if (more.offset < kept.offset) kept = more;
    more.path = {};
  }
  std::erase_if(all, [](const PositionView& saved) { return saved.path.empty(); });
}

}  // namespace

// Oldest first within a path. A file that two generations share is saved at the first
// one's offset: the second has not begun as long as the first is not settled. Texts are
// those of chains and settled files: good until these change.
std::vector<PositionView> Tailer::Impl::Collect() {
  std::vector<PositionView> all;
  all.reserve(unclaimed_.size() + settled_.size() + chains_.size() + chains_.size() / 8);
  for (const auto& [inode, settled] : settled_) {
    PositionView& saved = all.emplace_back();
    saved.job = settled->job;
    saved.follows = settled->follows;
    saved.path = settled->path;
    saved.identity = settled->identity;
    saved.packing = settled->packing;
    saved.offset = settled->offset;
    saved.size = settled->size;
    saved.mark = settled->mark;
  }
  std::vector<uint32_t> generations;
  generations.reserve(chains_.size());
  for (const auto& [path, chain] : chains_) {
    for (const auto& generation : chain->generations) {
      if (generation->sealed && !generation->given_up) continue;
      const uint64_t committed = generation->file->committed_offset.load(std::memory_order_relaxed);
      if (generation->continued && committed >= generation->limit) continue;
      generations.push_back(static_cast<uint32_t>(all.size()));
      all.push_back(SavedOf(*generation));
    }
    if (chain->resume) all.push_back(*chain->resume);
  }
  MergeShared(all, std::move(generations));
  all.insert(all.end(), unclaimed_.begin(), unclaimed_.end());
  return all;
}

bool Tailer::Impl::Save(MonoTime now) {
  now_ = now;
  const WallNanos seen_until = SeenUntil();
  const std::vector<PositionView> all = Collect();
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
