// SPDX-License-Identifier: Apache-2.0
// A path leads to a file that is not the one it led to before: is the file known, in one
// way or another, or does a new generation begin?
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

}  // namespace

// `looked` is what the path led to when its saved positions and siblings were looked at.
void Tailer::Impl::Attach(Chain& chain, const platform::FileStat& looked) {
  auto opened = parts_.fs.Open(chain.path, platform::OpenMode::kRead);
  if (!opened) {
    if (opened.error().code != Code::kNotFound) {
      // What cannot be opened for a moment may be renamed before the next try.
      chain.unsure = opened.error().code != Code::kPermission;
      Trouble(chain, opened.error());
      return;
    }
    chain.look_beside = true;  // it went between the two calls, mostly to a rotated name
    MarkDirty(chain);
    return;
  }
  auto stat = (*opened)->Stat();
  auto real = parts_.fs.RealPath(chain.path);
  const auto failed = [](const auto& result) { return !result && result.error().code != Code::kNotFound; };
  if (!stat || failed(real)) {
    chain.unsure = true;
    Trouble(chain, stat ? real.error() : stat.error());
    return;
  }
  if (!Identity{looked.device, looked.inode, looked.born_ns, {}}.SameInode(*stat)) {
    // Rotated between two calls: that file comes before this one.
    GiveBackResume(chain);
    MarkDirty(chain);
    return;
  }
  Start start;
  start.file = std::move(*opened);
  start.stat = *stat;
  start.location = real ? *real : chain.path;
  start.packing = chain.slot->packing;
  ClearTrouble(chain);
  AttachOpen(chain, std::move(start));
}

void Tailer::Impl::AttachOpen(Chain& chain, Start start) {
  if (chain.real_path() != start.location) {
    const auto [first, last] = chains_by_real_.equal_range(chain.symlinked);
    const auto old = std::find_if(first, last, [&](const auto& entry) { return entry.second == &chain; });
    if (old != last) chains_by_real_.erase(old);
    chain.symlinked = start.location == chain.path ? std::string() : start.location;
    if (!chain.symlinked.empty()) chains_by_real_.emplace(chain.symlinked, &chain);
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
  if (WaitsForItsBase(chain)) return;
  start.offset = ImportedOffset(chain, start.file, start.stat.size);
  Begin(chain, std::move(start));
}

// A rotated name that the pattern matches, too: the path that it was rotated from comes
// first, if it leads elsewhere by now, or if a disk error hides what it has lost.
bool Tailer::Impl::WaitsForItsBase(Chain& chain) {
  const std::string_view name = platform::BaseOf(chain.path);
  const size_t directory = chain.path.size() - name.size();
  bool unsure = false;
  for (size_t at = name.find_first_of(".-_", 1); at != std::string_view::npos; at = name.find_first_of(".-_", at + 1)) {
    if (!IsRotatedName(name.substr(0, at), name)) continue;
    Chain* base = RunAt(chain.slot, chain.path.substr(0, directory + at));
    if (base == nullptr) continue;
    const bool away = base->current == nullptr && base->vanished && base->wait_until <= now_;
    if (!base->dirty && away && base->looked_beside != now_) {
      base->look_beside = true;  // nothing is there any more: it may have been rotated unseen
      MarkDirty(*base);
    } else if (!base->dirty && base->current != nullptr) {
      const auto there = parts_.fs.Stat(base->path);
      if (there ? !base->current->identity.SameInode(*there) : there.error().code == Code::kNotFound) {
        base->look_beside = true;
        MarkDirty(*base);
      }
      unsure = unsure || (!there && there.error().code != Code::kNotFound);
    }
    if (base->dirty) {
      MarkDirty(chain);
      return true;
    }
    unsure = unsure || base->unsure;
  }
  if (unsure) RetryAt(chain, now_ + kFirstRetry);
  return unsure;
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
      auto there = parts_.fs.Stat(follows);
      if (!there && there.error().code != Code::kNotFound) return Forward(there);
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
  auto found = FindSettled(chain.slot->target->job, start.stat, chain.path, start.file.get());
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
    if (original->packing != Packing::kPlain || !IsRotatedName(platform::BaseOf(original->location()), name)) continue;
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
  SetLocation(generation, chain.real_path());
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
  if (!generation.located) return;
  // Without an event nobody has said where it went.
  const auto there = parts_.fs.Stat(generation.last_path());
  if (there && generation.identity.SameInode(*there)) return;
  const std::string directory(platform::DirectoryOf(generation.location()));
  std::string location;
  if (const auto entries = parts_.fs.List(directory)) {
    for (const platform::DirEntry& entry : *entries) {
      if (entry.inode == generation.identity.inode) location = platform::Join(directory, entry.name);
    }
  }
  SetLocation(generation, location);
}

// Files that were at the path for a moment and were renamed before anyone looked. Those
// that lie beside it are left to AdoptSiblings, which knows which is older.
Status Tailer::Impl::AdoptMissed(Chain& chain) {
  auto here = parts_.fs.RealPath(chain.path);
  if (!here && here.error().code != Code::kNotFound) return Forward(here);
  const std::string log = here ? *here : chain.real_path();
  while (!chain.missed.empty()) {
    const std::string path = chain.missed.front();
    auto file = parts_.fs.Open(path, platform::OpenMode::kRead);
    if (!file && file.error().code != Code::kNotFound) return Forward(file);
    auto stat = file ? (*file)->Stat() : Result<platform::FileStat>(platform::FileStat{});
    if (!stat) return Forward(stat);
    chain.missed.erase(chain.missed.begin());
    if (!file || PackingOf(path) != Packing::kPlain) continue;  // archives are looked for by content
    if (stat->type != FileType::kRegular || FindGeneration(*chain.slot, *stat) != nullptr) continue;
    const bool beside = platform::DirectoryOf(path) == platform::DirectoryOf(log) &&
                        IsRotatedName(platform::BaseOf(log), platform::BaseOf(path));
    if (beside && stat->modified_ns >= alive_since_ns_) continue;
    auto settled = FindSettled(chain.slot->target->job, *stat, path, file->get());  // the name may have moved on
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

}  // namespace agent::source
