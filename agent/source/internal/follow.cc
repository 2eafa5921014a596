// SPDX-License-Identifier: Apache-2.0
// What a path leads to now, compared with what it led to before. Everything here looks
// at the file system; events only say where to look.
#include <algorithm>
#include <utility>

#include "agent/core/log.h"
#include "agent/source/internal/rotated_names.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {

using platform::FileType;

namespace {

constexpr Duration kFirstRetry = std::chrono::seconds(1);
constexpr int kMostRounds = 100;  // of paths that keep changing while they are looked at

}  // namespace

Chain& Tailer::Impl::GetChain(Slot& slot, const std::string& path) {
  const auto [first, last] = chains_.equal_range(path);
  for (auto it = first; it != last; ++it) {
    if (it->second->slot == &slot) return *it->second;
  }
  auto chain = std::make_unique<Chain>();
  chain->id = next_id_++;
  chain->slot = &slot;
  chain->path = path;
  if (slot.initial_delay > Duration::zero()) chain->wait_until = now_ + slot.initial_delay;
  return *chains_.emplace(chain->path, std::move(chain))->second;
}

void Tailer::Impl::MarkDirty(Chain& chain) {
  if (chain.dirty) return;
  chain.dirty = true;
  dirty_.push_back(&chain);
}

// -- hints --

void Tailer::Impl::Appeared(const std::string& path, const std::vector<PatternId>& patterns) {
  for (const PatternId id : patterns) {
    const auto found = slots_.find(id);
    if (found == slots_.end() || found->second->retired) continue;
    if (found->second->exclude && found->second->exclude->Matches(path)) continue;
    MarkDirty(GetChain(*found->second, path));
  }
  VisitChainsAt(path, [this](Chain& chain) { MarkDirty(chain); });
  CheckSettledAt(path);
}

void Tailer::Impl::RotatedAppeared(const std::string& base, const std::vector<PatternId>& patterns) {
  Appeared(base, patterns);
  VisitChainsAt(base, [](Chain& chain) { chain.look_beside = true; });
}

void Tailer::Impl::Vanished(const std::string& path) {
  VisitChainsAt(path, [this](Chain& chain) { MarkDirty(chain); });
  VisitGenerationsAt(path, [this](Generation& generation) {
    SetLocation(generation, "");
    generation.look_at = MonoTime{};
    if (generation.place != Place::kCurrent) next_linger_ = std::min(next_linger_, now_);
  });
  CheckSettledAt(path);
}

void Tailer::Impl::Moved(const std::string& from, const std::string& to) {
  VisitGenerationsAt(to, [this](Generation& replaced) {
    SetLocation(replaced, "");
    replaced.look_at = MonoTime{};
    next_linger_ = std::min(next_linger_, now_);
  });
  std::set<const Slot*> followed;
  const auto there = parts_.fs.Stat(to);
  VisitGenerationsAt(from, [&](Generation& generation) {
    // An event may be older than the file that is at the path now.
    if (there && !generation.identity.SameInode(*there)) return;
    followed.insert(generation.chain->slot);
    SetLocation(generation, to);
  });
  for (Chain* chain : dirty_) std::replace(chain->missed.begin(), chain->missed.end(), from, to);
  for (Chain* chain : troubled_) std::replace(chain->missed.begin(), chain->missed.end(), from, to);
  VisitChainsAt(from, [&](Chain& chain) {
    if (!followed.contains(chain.slot)) chain.missed.push_back(to);
    MarkDirty(chain);
  });
  VisitChainsAt(to, [this](Chain& chain) { MarkDirty(chain); });
  MoveSettled(from, to);
}

void Tailer::Impl::Modified(const std::string& path) {
  bool followed = false;
  VisitGenerationsAt(path, [&](Generation& generation) {
    followed = true;
    Inspect(generation, true);
  });
  if (followed) {
    NoteWrite(std::string(platform::DirectoryOf(path)));
    return;
  }
  VisitChainsAt(path, [this](Chain& chain) {
    if (chain.current == nullptr && !chain.ignored) MarkDirty(chain);
    if (chain.suspect_copy) MarkDirty(chain);
  });
  CheckGrownAt(path);
}

// Any of the files that linger may have changed.
void Tailer::Impl::LingerNow() {
  for (Generation* generation : lingering_) generation->look_at = MonoTime{};
  next_linger_ = lingering_.empty() ? next_linger_ : std::min(next_linger_, now_);
}

void Tailer::Impl::DirectoryGone(const std::string& directory) {
  const std::string prefix = directory == "/" ? directory : directory + "/";
  for (auto it = chains_.lower_bound(prefix); it != chains_.end() && it->first.starts_with(prefix); ++it) {
    MarkDirty(*it->second);
  }
  for (auto it = chains_by_real_.lower_bound(prefix); it != chains_by_real_.end() && it->first.starts_with(prefix);
       ++it) {
    MarkDirty(*it->second);
  }
  LingerNow();
}

void Tailer::Impl::Overflowed() {
  for (auto& [path, chain] : chains_) {
    chain->missed.clear();  // moved on since, unheard
    chain->look_beside = true;
    MarkDirty(*chain);
  }
  LingerNow();
}

// -- looking --

// Looks at every path that may have changed, the older numbers of a container first. After a start
// the directories with the most files to be read on come first: they are nearest to a loss, and an
// agent that is killed again and again would never come to the last ones.
void Tailer::Impl::Settle() {
  for (int round = 0; !dirty_.empty() && round < kMostRounds; ++round) {
    listings_.clear();
    std::map<std::string_view, size_t> behind;
    for (const SavedPosition& saved : unclaimed_) {
      const bool unread = saved.packing == Packing::kPlain ? saved.offset < saved.size : saved.size == 0;
      if (unread) ++behind[platform::DirectoryOf(saved.follows)];
    }
    struct Turn {
      size_t behind;
      std::string path;
      uint64_t slot;
      uint64_t chain;
    };
    std::vector<Turn> turns;
    for (const Chain* chain : std::exchange(dirty_, {})) {
      const auto found = behind.find(platform::DirectoryOf(chain->path));
      turns.push_back({found == behind.end() ? 0 : found->second, chain->path, chain->slot->id, chain->id});
    }
    std::sort(turns.begin(), turns.end(), [](const Turn& a, const Turn& b) {
      if (a.behind != b.behind) return a.behind > b.behind;
      return a.path != b.path ? NaturalLess(a.path, b.path) : a.slot < b.slot;
    });
    // A look may erase another chain; what is still dirty is still there.
    for (const Turn& turn : turns) {
      const auto [first, last] = chains_.equal_range(turn.path);
      const auto found = std::find_if(first, last, [&](const auto& entry) { return entry.second->id == turn.chain; });
      if (found != last && found->second->dirty) Look(*found->second);
    }
  }
  listings_.clear();
}

void Tailer::Impl::Look(Chain& chain) {
  chain.dirty = false;
  // What the last run has left is to come first.
  if (const Chain* before = LastRun(chain); before != nullptr && before->dirty) {
    MarkDirty(chain);
    return;
  }
  if (chain.slot->retired) {
    EraseIfEmpty(chain);
    return;
  }
  if (chain.wait_until > now_) {
    RetryAt(chain, chain.wait_until);
    return;
  }
  auto stat = parts_.fs.Stat(chain.path);
  if (!stat) {
    LookNowhere(chain, stat.error());
    return;
  }
  chain.vanished = false;
  std::string why;
  if (!LabelsFor(*chain.slot, chain.path, why)) {
    Exclude(chain, std::move(why), *stat);
    return;
  }
  if (stat->type != FileType::kRegular) {
    if (chain.current != nullptr) Detach(*chain.current);
    Ignore(chain, "it is not a regular file", *stat);
    return;
  }
  if (chain.current != nullptr && chain.current->identity.SameInode(*stat)) {
    ClearTrouble(chain);
    if (chain.current->location() != chain.real_path()) SetLocation(*chain.current, chain.real_path());
    chain.unsure = false;
    Inspect(*chain.current, true);
    // A file may have come and gone at the path while the inode stayed (copytruncate).
    if (chain.unsure || !std::exchange(chain.look_beside, false) || chain.current == nullptr) return;
    if (Status adopted = AdoptSiblings(chain, &*stat); !adopted) {
      chain.look_beside = true;
      RetryAt(chain, now_ + kFirstRetry);
    }
    return;
  }
  chain.look_beside = false;
  if (chain.current != nullptr) Detach(*chain.current);
  if (chain.resume && !chain.resume->identity.SameInode(*stat)) GiveBackResume(chain);
  if (chain.ignored && !chain.suspect_copy && chain.ignored_file.SameInode(*stat)) {
    if (FindGeneration(*chain.slot, *stat) != nullptr) return;
    const auto settled = FindSettled(chain.slot->target->job, *stat, chain.path);
    if (!settled || *settled != nullptr) {
      CheckSettledAt(chain.path);
      return;
    }
  }
  Status ready;
  if (!chain.recovered) {
    RecoverLastRun(chain);
    ready = Recover(chain, &*stat);
  } else if (chain.slot->packing == Packing::kPlain) {
    ready = AdoptMissed(chain);
    if (ready) ready = AdoptSiblings(chain, &*stat);
  }
  chain.unsure = !ready.has_value();
  if (ready) Attach(chain, *stat);
  else Trouble(chain, ready.error());
}

// What is open of it is read to its end; nothing more is opened.
void Tailer::Impl::Exclude(Chain& chain, std::string why, const platform::FileStat& stat) {
  if (chain.current != nullptr) Detach(*chain.current);
  for (const auto& generation : chain.generations) Finish(*generation);
  Ignore(chain, std::move(why), stat);
  chain.excluded = true;
}

std::optional<LabelMap> Tailer::Impl::LabelsFor(const Slot& slot, const std::string& path, std::string& why) const {
  return parts_.labels_of ? parts_.labels_of(*slot.target, path, why) : LabelsOf(*slot.target, path);
}

void Tailer::Impl::LookNowhere(Chain& chain, const Error& error) {
  if (error.code != Code::kNotFound) {
    chain.unsure = true;  // whatever is there may be rotated away before the next try
    Trouble(chain, error);
    return;
  }
  // Another file may have been at the path since it was left, and rotated, too.
  const bool beside = std::exchange(chain.look_beside, false) || chain.current != nullptr;
  if (chain.current != nullptr) Detach(*chain.current);
  GiveBackResume(chain);
  Status ready;
  if (beside || !chain.missed.empty() || !chain.recovered || chain.unsure) {
    ready = AdoptMissed(chain);
    if (ready) ready = chain.recovered ? AdoptSiblings(chain, nullptr) : Recover(chain, nullptr);
  }
  chain.unsure = !ready.has_value();
  if (!ready) {
    chain.look_beside = true;
    Trouble(chain, ready.error());
    return;
  }
  const auto link = parts_.fs.LinkStat(chain.path);
  if (link && link->type != FileType::kSymlink) {  // created between the two calls
    MarkDirty(chain);
    return;
  }
  if (link) {
    Trouble(chain, {Code::kNotFound, chain.path + ": a symlink that leads nowhere", error.sys_errno});
    return;
  }
  chain.vanished = true;
  ClearTrouble(chain);
  EraseIfEmpty(chain);
}

void Tailer::Impl::EraseIfEmpty(Chain& chain) {
  if (!chain.generations.empty() || chain.dirty) return;
  // What was not seen for a disk error is not forgotten either: it would be history after a restart.
  const bool over = chain.vanished && !chain.unsure && !chain.look_beside;
  if (!over && !chain.slot->retired) return;
  GiveBackResume(chain);
  ClearTrouble(chain);
  const auto [real_first, real_last] = chains_by_real_.equal_range(chain.symlinked);
  const auto real = std::find_if(real_first, real_last, [&](const auto& entry) { return entry.second == &chain; });
  if (real != real_last) chains_by_real_.erase(real);
  const auto [first, last] = chains_.equal_range(chain.path);
  const auto found = std::find_if(first, last, [&](const auto& entry) { return entry.second.get() == &chain; });
  if (found != last) chains_.erase(found);
}

Generation* Tailer::Impl::FindGeneration(const Slot& slot, const platform::FileStat& stat) {
  const auto [first, last] = by_inode_.equal_range(stat.inode);
  for (auto it = first; it != last; ++it) {
    if (it->second->chain->slot == &slot && it->second->identity.SameInode(stat)) return it->second;
  }
  return nullptr;
}

Generation* Tailer::Impl::FindRetired(const Slot& slot, const platform::FileStat& stat) {
  const auto [first, last] = by_inode_.equal_range(stat.inode);
  for (auto it = first; it != last; ++it) {
    const Slot& other = *it->second->chain->slot;
    if (!other.retired || other.target->job != slot.target->job || it->second->continued) continue;
    if (it->second->identity.SameInode(stat)) return it->second;
  }
  return nullptr;
}

}  // namespace agent::source
