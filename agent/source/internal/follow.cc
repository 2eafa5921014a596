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
constexpr Duration kCopyRetry = std::chrono::seconds(10);
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
  return *chains_.emplace(path, std::move(chain))->second;
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
    if (generation.place != Place::kCurrent) next_linger_ = std::min(next_linger_, now_);
  });
  CheckSettledAt(path);
}

void Tailer::Impl::Moved(const std::string& from, const std::string& to) {
  VisitGenerationsAt(to, [this](Generation& replaced) {
    SetLocation(replaced, "");
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
  CheckSettledAt(path);
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
  next_linger_ = lingering_.empty() ? next_linger_ : std::min(next_linger_, now_);
}

void Tailer::Impl::Overflowed() {
  for (auto& [path, chain] : chains_) {
    chain->missed.clear();  // moved on since, unheard
    chain->look_beside = true;
    MarkDirty(*chain);
  }
  next_linger_ = lingering_.empty() ? next_linger_ : std::min(next_linger_, now_);
}

// -- looking --

// Looks at every path that may have changed, the older numbers of a container first.
void Tailer::Impl::Settle() {
  for (int round = 0; !dirty_.empty() && round < kMostRounds; ++round) {
    listings_.clear();
    std::vector<Chain*> now;
    now.swap(dirty_);
    std::sort(now.begin(), now.end(), [](const Chain* a, const Chain* b) {
      return a->path != b->path ? NaturalLess(a->path, b->path) : a->slot->id < b->slot->id;
    });
    // A look may erase another chain; what is still dirty is still there.
    std::vector<std::pair<std::string, uint64_t>> names;
    for (const Chain* chain : now) names.emplace_back(chain->path, chain->id);
    for (const auto& [path, id] : names) {
      const auto [first, last] = chains_.equal_range(path);
      const auto found = std::find_if(first, last, [&](const auto& entry) { return entry.second->id == id; });
      if (found != last && found->second->dirty) Look(*found->second);
    }
  }
  listings_.clear();
}

void Tailer::Impl::Look(Chain& chain) {
  chain.dirty = false;
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
  if (stat->type != FileType::kRegular) {
    if (chain.current != nullptr) Detach(*chain.current);
    Ignore(chain, "it is not a regular file", *stat);
    return;
  }
  if (chain.current != nullptr && chain.current->identity.SameInode(*stat)) {
    ClearTrouble(chain);
    if (chain.current->location != chain.real_path) SetLocation(*chain.current, chain.real_path);
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
    ready = Recover(chain, &*stat);
  } else if (chain.slot->packing == Packing::kPlain) {
    ready = AdoptMissed(chain);
    if (ready) ready = AdoptSiblings(chain, &*stat);
  }
  chain.unsure = !ready.has_value();
  if (ready) Attach(chain);
  else Trouble(chain, ready.error());
}

void Tailer::Impl::LookNowhere(Chain& chain, const Error& error) {
  if (error.code != Code::kNotFound) {
    Trouble(chain, error);
    return;
  }
  if (chain.current != nullptr) Detach(*chain.current);
  Status ready;
  if (!chain.missed.empty() || !chain.recovered || std::exchange(chain.look_beside, false)) {
    ready = AdoptMissed(chain);
    if (ready) ready = chain.recovered ? AdoptSiblings(chain, nullptr) : Recover(chain, nullptr);
  }
  chain.unsure = !ready.has_value();
  if (!ready) {
    Trouble(chain, ready.error());
    return;
  }
  if (parts_.fs.LinkStat(chain.path).has_value()) {
    Trouble(chain, {Code::kNotFound, chain.path + ": a symlink that leads nowhere", error.sys_errno});
    return;
  }
  chain.vanished = true;
  ClearTrouble(chain);
  EraseIfEmpty(chain);
}

void Tailer::Impl::Attach(Chain& chain) {
  auto opened = parts_.fs.Open(chain.path, platform::OpenMode::kRead);
  if (!opened) {
    if (opened.error().code == Code::kNotFound) MarkDirty(chain);  // it went between the two calls
    else Trouble(chain, opened.error());
    return;
  }
  auto stat = (*opened)->Stat();
  if (!stat) {
    Trouble(chain, stat.error());
    return;
  }
  auto real = parts_.fs.RealPath(chain.path);
  Start start;
  start.file = std::move(*opened);
  start.stat = *stat;
  start.location = real ? *real : chain.path;
  start.packing = chain.slot->packing;
  ClearTrouble(chain);
  AttachOpen(chain, std::move(start));
}

void Tailer::Impl::AttachOpen(Chain& chain, Start start) {
  if (chain.real_path != start.location) {
    const auto [first, last] = chains_by_real_.equal_range(chain.real_path);
    const auto old = std::find_if(first, last, [&](const auto& entry) { return entry.second == &chain; });
    if (old != last) chains_by_real_.erase(old);
    chain.real_path = start.location;
    if (chain.real_path != chain.path) chains_by_real_.emplace(chain.real_path, &chain);
  }
  const auto elsewhere = AttachElsewhere(chain, start);
  if (!elsewhere) Trouble(chain, elsewhere.error());
  if (!elsewhere || *elsewhere) return;
  if (chain.resume && chain.resume->identity.SameInode(start.stat)) {
    start.offset = chain.resume->offset;
    start.head = chain.resume->identity.head;
    chain.resume.reset();
    Begin(chain, std::move(start));
    return;
  }
  chain.resume.reset();
  if (start.packing == Packing::kPlain && (RefuseAsArchive(chain, start) || SuspectCopy(chain, start))) return;
  if (MayBelongElsewhere(chain)) {
    RetryAt(chain, now_ + kFirstRetry);
    return;
  }
  start.offset = ImportedOffset(chain, start.file, start.stat.size);
  Begin(chain, std::move(start));
}

// A rotated name, and a disk error hides what the path it came from has lost.
bool Tailer::Impl::MayBelongElsewhere(const Chain& chain) const {
  const std::string_view name = platform::BaseOf(chain.path);
  const size_t directory = chain.path.size() - name.size();
  for (size_t at = name.find_first_of(".-_", 1); at != std::string_view::npos; at = name.find_first_of(".-_", at + 1)) {
    if (!IsRotatedName(name.substr(0, at), name)) continue;
    const auto [first, last] = chains_.equal_range(chain.path.substr(0, directory + at));
    if (std::any_of(first, last, [&](const auto& entry) {
          return entry.second->slot == chain.slot && entry.second->unsure;
        })) {
      return true;
    }
  }
  return false;
}

// The file is known in one way or another.
Result<bool> Tailer::Impl::AttachElsewhere(Chain& chain, const Start& start) {
  if (AttachKnown(chain, start)) return true;
  if (chain.resume && chain.resume->identity.SameInode(start.stat)) return false;
  auto unclaimed = AttachUnclaimed(chain, start);
  if (!unclaimed || *unclaimed) return unclaimed;
  return AttachSettled(chain, start);
}

// The file is followed already: under this path before, or under another one.
bool Tailer::Impl::AttachKnown(Chain& chain, const Start& start) {
  if (Generation* known = FindGeneration(*chain.slot, start.stat); known != nullptr) {
    if (known->chain == &chain) Revert(chain, *known);
    else Ignore(chain, "the same file is followed as " + known->chain->path, start.stat);
    return true;
  }
  Generation* retired = FindRetired(*chain.slot, start.stat);
  if (retired == nullptr) return false;
  // A target went and came back: go on where it ended.
  if (chain.generations.empty()) chain.id = retired->file->chain;
  retired->continued = true;
  Unregister(*retired);
  SetLocation(*retired, "");
  Start more = start;
  more.offset = std::min(retired->limit, start.stat.size);
  more.head = retired->identity.head;
  more.after = retired->file;
  Begin(chain, std::move(more));
  return true;
}

Result<bool> Tailer::Impl::AttachUnclaimed(Chain& chain, const Start& start) {
  auto found = FindUnclaimed(*chain.slot, start.stat, *start.file);
  if (!found) return Forward(found);
  const SavedPosition* saved = *found;
  if (saved == nullptr) return false;
  const std::string follows = saved->follows;
  if (follows != chain.path && chain.slot->glob.Matches(follows)) {
    Chain& other = GetChain(*chain.slot, follows);
    if (!other.recovered) {
      const auto there = parts_.fs.Stat(follows);
      other.vanished = !there.has_value();
      MarkDirty(other);
      if (Status recovered = Recover(other, there ? &*there : nullptr); !recovered) return Forward(recovered);
    }
    if (AttachKnown(chain, start)) return true;
    auto settled = AttachSettled(chain, start);
    if (!settled || *settled) return settled;
    found = FindUnclaimed(*chain.slot, start.stat, *start.file);
    if (!found) return Forward(found);
    saved = *found;
    if (saved == nullptr) return false;
  }
  Start more = start;
  more.offset = saved->offset;
  more.head = saved->identity.head;
  more.packing = saved->packing;
  std::erase_if(unclaimed_, [&](const SavedPosition& each) { return &each == saved; });
  Begin(chain, std::move(more));
  return true;
}

Result<bool> Tailer::Impl::AttachSettled(Chain& chain, const Start& start) {
  auto found = FindSettled(chain.slot->target->job, start.stat, chain.path);
  if (!found) return Forward(found);
  const Settled* settled = *found;
  if (settled == nullptr) return false;
  const bool archive = settled->packing != Packing::kPlain && start.packing == Packing::kPlain;
  const bool grown = settled->packing == Packing::kPlain ? start.stat.size > settled->offset
                                                         : start.stat.size > settled->size;
  if (!grown || archive) {
    Ignore(chain, "it was read to its end before", start.stat);
    return true;
  }
  Start more = start;
  more.offset = settled->offset;
  more.head = settled->identity.head;
  const std::string follows = settled->follows;
  EraseSettled(settled);
  if (follows == chain.path || !chain.slot->glob.Matches(follows)) {
    Begin(chain, std::move(more));
    return true;
  }
  more.place = Place::kAway;
  more.own_order = true;
  Begin(GetChain(*chain.slot, follows), std::move(more));
  Ignore(chain, "the same file is followed as " + follows, start.stat);
  return true;
}

// Compressed bytes are no log lines, nor are those that compression is about to write.
bool Tailer::Impl::RefuseAsArchive(Chain& chain, const Start& start) {
  char magic[3] = {};
  const auto got = ReadFully(*start.file, 0, magic);
  const std::string_view found(magic, got ? *got : 0);
  const bool archive = found.starts_with("\x1F\x8B\x08") || found.starts_with("BZh");
  const std::string_view path = chain.path;
  const bool to_be = PackingOf(path) != Packing::kPlain ||
                     (path.ends_with(".tmp") && parts_.fs.LinkStat(std::string(path.substr(0, path.size() - 4))));
  if (archive && (to_be || PackingOf(start.location) != Packing::kPlain)) {
    Ignore(chain, "it is compressed; give its scrape config a decompression section to read it", start.stat);
    return true;
  }
  if (!to_be || found.size() == sizeof magic) return false;
  Ignore(chain, "it is going to be an archive", start.stat);
  chain.suspect_copy = true;
  RetryAt(chain, now_ + kCopyRetry);
  return true;
}

// `cp app.log app.log.1; truncate app.log` begins with a copy that must not be read as
// a new file. It is left alone as long as it begins as the original does.
bool Tailer::Impl::SuspectCopy(Chain& chain, const Start& start) {
  const std::string_view name = platform::BaseOf(start.location);
  const std::string directory(platform::DirectoryOf(start.location));
  chain.suspect_copy = false;
  const auto found = directories_.find(directory);
  if (found == directories_.end()) return false;
  for (Generation* original : found->second->generations) {
    if (original->chain->slot != chain.slot || original->place != Place::kCurrent) continue;
    if (original->packing != Packing::kPlain || !IsRotatedName(platform::BaseOf(original->location), name)) continue;
    const auto same = BeginsAs(*original, *start.file);
    if (!same || !*same) continue;
    Ignore(chain, "it begins as " + original->chain->path + " does, and is taken for its copy", start.stat);
    chain.suspect_copy = true;
    RetryAt(chain, now_ + kCopyRetry);
    return true;
  }
  return false;
}

// The path leads to an older generation again: a rotation was undone.
void Tailer::Impl::Revert(Chain& chain, Generation& generation) {
  generation.place = Place::kCurrent;
  SetLocation(generation, chain.real_path);
  chain.current = &generation;
  const bool last = chain.generations.back().get() == &generation;
  if (!last) Finish(generation);  // what comes now comes after the newer generations
  if (generation.finished()) ContinueAt(generation, generation.limit, false);
  else lingering_.erase(&generation);
}

// The path does not lead to it any more.
void Tailer::Impl::Detach(Generation& generation) {
  generation.chain->current = nullptr;
  generation.place = Place::kAway;
  generation.detached_at = now_;
  if (parts_.metrics.rotations != nullptr) parts_.metrics.rotations->Add(1);
  lingering_.insert(&generation);
  next_linger_ = std::min(next_linger_, now_);
  if (generation.location.empty()) return;
  // Without an event nobody has said where it went.
  const auto there = parts_.fs.Stat(generation.location);
  if (there && generation.identity.SameInode(*there)) return;
  const std::string directory(platform::DirectoryOf(generation.location));
  std::string location;
  if (const auto entries = parts_.fs.List(directory)) {
    for (const platform::DirEntry& entry : *entries) {
      if (entry.inode == generation.identity.inode) location = platform::Join(directory, entry.name);
    }
  }
  SetLocation(generation, location);
}

// Files that were at the path for a moment and were renamed before anyone looked.
Status Tailer::Impl::AdoptMissed(Chain& chain) {
  while (!chain.missed.empty()) {
    const std::string path = chain.missed.front();
    auto file = parts_.fs.Open(path, platform::OpenMode::kRead);
    if (!file && file.error().code != Code::kNotFound) return Forward(file);
    chain.missed.erase(chain.missed.begin());
    if (!file || PackingOf(path) != Packing::kPlain) continue;  // archives are looked for by content
    auto stat = (*file)->Stat();
    if (!stat || stat->type != FileType::kRegular || FindGeneration(*chain.slot, *stat) != nullptr) continue;
    auto settled = FindSettled(chain.slot->target->job, *stat, path);
    if (!settled) return Forward(settled);
    if (*settled != nullptr) continue;
    auto real = parts_.fs.RealPath(path);
    Start start;
    start.file = std::move(*file);
    start.stat = *stat;
    start.location = real ? *real : path;
    start.place = Place::kAway;
    Begin(chain, std::move(start));
  }
  return {};
}

void Tailer::Impl::EraseIfEmpty(Chain& chain) {
  if (!chain.generations.empty() || chain.dirty || (!chain.vanished && !chain.slot->retired)) return;
  ClearTrouble(chain);
  const auto [real_first, real_last] = chains_by_real_.equal_range(chain.real_path);
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
