// SPDX-License-Identifier: Apache-2.0
// What rotation left beside a path: rotated files and archives that nobody knows yet. The
// directory changes while it is looked at; what was listed and is gone when it is opened
// stands under another name in a fresh listing.
#include <algorithm>
#include <utility>

#include "agent/core/log.h"
#include "agent/source/internal/rotated_names.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {

using platform::FileStat;
using platform::FileType;

namespace {

constexpr int kMostTries = 3;

// The unpacked size modulo 2^32 that ends a gzip file.
Result<std::optional<uint32_t>> GzipSize(platform::File& file, uint64_t packed_size) {
  unsigned char end[4];
  if (packed_size < sizeof end) return std::optional<uint32_t>();
  auto got = ReadFully(file, packed_size - sizeof end, {reinterpret_cast<char*>(end), sizeof end});
  if (!got) return Forward(got);
  if (*got < sizeof end) return std::optional<uint32_t>();
  return std::optional<uint32_t>(static_cast<uint32_t>(end[0]) | static_cast<uint32_t>(end[1]) << 8 |
                                 static_cast<uint32_t>(end[2]) << 16 | static_cast<uint32_t>(end[3]) << 24);
}

}  // namespace

// Rotated files of `base` in the directory, oldest first; of a file and its archive
// only the file.
Result<std::vector<Sibling>> Tailer::Impl::SiblingsOf(const std::string& directory,
                                                                    const std::string& base) {
  std::vector<Sibling> siblings;
  bool moved = true;
  for (int tries = 0; moved && tries < kMostTries; ++tries) {
    auto listing = listings_.find(directory);
    if (listing == listings_.end()) {
      auto entries = parts_.fs.List(directory);
      if (!entries && entries.error().code != Code::kNotFound) return Forward(entries);
      listing = listings_.emplace(directory, entries ? std::move(*entries) : std::vector<platform::DirEntry>()).first;
    }
    siblings.clear();
    moved = false;
    uint64_t log = 0;  // who had the name `base` when the directory was listed, for another path perhaps
    for (const platform::DirEntry& entry : listing->second) {
      if (entry.name == base) log = entry.inode;
      if (entry.type == FileType::kDirectory || !IsRotatedName(base, entry.name)) continue;
      const std::string path = platform::Join(directory, entry.name);
      auto stat = parts_.fs.LinkStat(path);
      if (!stat && stat.error().code != Code::kNotFound) return Forward(stat);
      // Gone, or names were shifted: the newest name of all is not in this listing.
      moved = moved || !stat || stat->inode != entry.inode;
      if (stat && stat->type == FileType::kRegular) siblings.push_back({entry.name, path, *stat, PackingOf(entry.name)});
    }
    // Rotated since: its new name is not in this listing, and nothing else in it tells.
    auto there = parts_.fs.LinkStat(platform::Join(directory, base));
    if (!there && there.error().code != Code::kNotFound) return Forward(there);
    moved = moved || (there ? there->inode : 0) != log;
    if (moved) listings_.erase(listing);
  }
  std::sort(siblings.begin(), siblings.end(), [&](const Sibling& a, const Sibling& b) {
    if (RotatedBefore(base, a.name, b.name)) return true;
    if (RotatedBefore(base, b.name, a.name)) return false;
    return a.packing < b.packing;  // plain first
  });
  const auto last = std::unique(siblings.begin(), siblings.end(), [](const Sibling& a, const Sibling& b) {
    return WithoutPacking(a.name) == WithoutPacking(b.name);
  });
  siblings.erase(last, siblings.end());
  return siblings;
}

// Null: it is not there any more, or the name belongs to another file by now.
Result<std::shared_ptr<platform::File>> Tailer::Impl::OpenSibling(const Sibling& sibling) {
  std::shared_ptr<platform::File> none;
  auto opened = parts_.fs.Open(sibling.path, platform::OpenMode::kRead);
  if (!opened && opened.error().code == Code::kNotFound) return none;
  if (!opened) return Forward(opened);
  auto stat = (*opened)->Stat();
  if (!stat) return Forward(stat);
  const Identity listed{sibling.stat.device, sibling.stat.inode, sibling.stat.born_ns, {}};
  return listed.SameInode(*stat) ? std::shared_ptr<platform::File>(std::move(*opened)) : none;
}

Result<bool> Tailer::Impl::IsKnown(const Chain& chain, const Sibling& sibling) {
  if (FindGeneration(*chain.slot, sibling.stat) != nullptr) return true;
  auto settled = FindSettled(chain.slot->target->job, sibling.stat, sibling.path);
  if (!settled) return Forward(settled);
  if (*settled != nullptr) return true;
  for (const SavedPosition& saved : unclaimed_) {
    if (saved.job != chain.slot->target->job || !saved.identity.SameInode(sibling.stat)) continue;
    auto same = OpenIf(saved, sibling.path);
    if (!same) return Forward(same);
    if (*same) return true;
  }
  return false;
}

// What an archive holds, as far as can be told without unpacking all of it.
Result<Archive> Tailer::Impl::LookInto(const Sibling& sibling) {
  auto opened = OpenSibling(sibling);
  if (!opened && opened.error().code != Code::kPermission) return Forward(opened);
  if (!opened) LogWarn("a rotated file may not be read, and is left out", {{"err", opened.error().what}});
  if (!opened || *opened == nullptr) return Archive{};
  const std::shared_ptr<platform::File> file = std::move(*opened);
  auto head = UnpackedHead(sibling.packing, file, Fingerprint::kMost);
  if (!head && head.error().code != Code::kCorrupt) return Forward(head);
  auto size = GzipSize(*file, sibling.stat.size);
  if (!size) return Forward(size);
  if (!head || !*size) return Archive{};
  return Archive{true, *head, **size};
}

bool Archive::Holds(const Identity& identity, uint64_t plain_size) const {
  return readable && identity.head == head && static_cast<uint32_t>(plain_size) == size;
}

// An archive of something that is being read, or was; also of what has a path of its own,
// where the pattern matches rotated names.
Result<bool> Tailer::Impl::IsArchiveOfKnown(const Chain& chain, const Sibling& sibling) {
  auto archive = LookInto(sibling);
  if (!archive) return Forward(archive);
  if (!archive->readable) return true;  // none
  const std::string_view base = platform::BaseOf(chain.path), directory = platform::DirectoryOf(chain.path);
  const auto of_this_log = [&](const std::string& path) {
    return path == chain.path || (platform::DirectoryOf(path) == directory && IsRotatedName(base, platform::BaseOf(path)));
  };
  for (auto it = chains_.lower_bound(chain.path); it != chains_.end() && it->first.starts_with(chain.path); ++it) {
    if (it->second->slot != chain.slot || !of_this_log(it->second->path)) continue;
    for (const auto& generation : it->second->generations) {
      auto same = IsArchiveOf(*archive, *generation);
      if (!same || *same) return same;
    }
  }
  // Of a saved position of another path, which will look for it.
  const bool awaited = std::any_of(unclaimed_.begin(), unclaimed_.end(), [&](const SavedPosition& saved) {
    if (saved.job != chain.slot->target->job || saved.follows == chain.path || !of_this_log(saved.follows)) return false;
    return archive->Holds(saved.identity, saved.size) && chain.slot->glob.Matches(saved.follows);
  });
  return awaited || std::any_of(settled_.begin(), settled_.end(), [&](const auto& entry) {
    const Settled& settled = *entry.second;
    return of_this_log(settled.follows) && archive->Holds(settled.identity, settled.offset);
  });
}

Result<bool> Tailer::Impl::IsArchiveOf(const Archive& archive, Generation& generation) {
  if (generation.packing != Packing::kPlain) return false;
  if (const auto file = generation.source->file()) {
    auto stat = file->Stat();  // it may have grown since the last look
    if (!stat) return Forward(stat);
    Fingerprint& beginning = generation.identity.head;
    if (auto checked = CheckHead(*file, beginning); !checked) return Forward(checked);
    if (archive.Holds(generation.identity, stat->size)) return true;
  }
  return archive.Holds(generation.identity, generation.size);
}

// Settled files that were packed unseen (perhaps with a last line more) become known as their
// archives. What cannot be told now is an error.
Status Tailer::Impl::CheckSettledIn(const std::string& directory) {
  std::set<std::string> paths;
  const std::string prefix = platform::Join(directory, "");
  for (auto it = settled_by_path_.lower_bound(prefix); it != settled_by_path_.end() && it->first.starts_with(prefix); ++it) {
    if (it->second->packing == Packing::kPlain && platform::DirectoryOf(it->first) == directory) paths.emplace(it->first);
  }
  for (const std::string& path : paths) {
    CheckSettledAt(path);
    const auto [first, last] = settled_by_path_.equal_range(path);
    if (first == last) continue;
    const auto there = parts_.fs.Stat(path);
    const bool known = there && std::all_of(first, last, [&](const auto& e) { return e.second->identity.SameInode(*there); });
    if (!known) return Fail(Code::kIo, path + ": it has gone, and where to is not known yet");
  }
  return {};
}

// Rotated files that nobody knows and that are not history, and those that are.
Result<std::vector<Sibling>> Tailer::Impl::UnknownSiblings(Chain& chain, const FileStat* current,
                                                           std::vector<Sibling>& history) {
  chain.looked_beside = now_;
  bool moved = false;
  auto unknown = UnknownAsListed(chain, current, history, moved);
  for (int tries = 1; unknown && moved && tries < kMostTries; ++tries) {
    listings_.clear();
    moved = false;
    history.clear();
    unknown = UnknownAsListed(chain, current, history, moved);
  }
  return unknown;
}

Result<std::vector<Sibling>> Tailer::Impl::UnknownAsListed(Chain& chain, const FileStat* current,
                                                           std::vector<Sibling>& history, bool& moved) {
  auto real = parts_.fs.RealPath(chain.path);
  if (!real && real.error().code != Code::kNotFound) return Forward(real);
  const std::string path = real ? *real : chain.real_path();
  auto siblings = SiblingsOf(std::string(platform::DirectoryOf(path)), std::string(platform::BaseOf(path)));
  if (!siblings) return siblings;
  const bool imported = HasImported(chain);
  bool settled_checked = false;
  std::vector<Sibling> unknown;
  for (Sibling& sibling : *siblings) {
    // The file that was at the path has been rotated since: what is newer comes after it, at
    // the next look.
    if (current != nullptr && sibling.stat.inode == current->inode && sibling.stat.device == current->device) break;
    if (chain.resume && chain.resume->identity.SameInode(sibling.stat)) break;
    if (sibling.stat.modified_ns < alive_since_ns_ && sibling.packing == Packing::kPlain && sibling.stat.size > 0) {
      history.push_back(std::move(sibling));
      continue;
    }
    if (sibling.stat.modified_ns < alive_since_ns_ || sibling.packing == Packing::kBzip2) continue;
    // An archive that was made since is of a file that Promtail had left behind.
    if (imported && sibling.packing != Packing::kPlain) continue;
    auto known = IsKnown(chain, sibling);
    if (known && !*known && sibling.packing != Packing::kPlain) {
      if (!std::exchange(settled_checked, true)) {
        if (Status checked = CheckSettledIn(std::string(platform::DirectoryOf(path))); !checked) return Forward(checked);
        known = IsKnown(chain, sibling);
      }
      if (known && !*known) known = IsArchiveOfKnown(chain, sibling);
    }
    if (known && !*known && sibling.packing == Packing::kPlain) known = IsCopyOfCurrent(chain, sibling);
    if (!known) return Forward(known);
    if (*known) continue;
    auto file = OpenSibling(sibling);
    if (!file && file.error().code == Code::kPermission) {  // no reason for others to wait
      LogWarn("a rotated file may not be read, and is left out", {{"err", file.error().what}});
      continue;
    }
    if (!file) return Forward(file);
    moved = moved || *file == nullptr;
    if (*file == nullptr) continue;
    sibling.file = std::move(*file);
    unknown.push_back(std::move(sibling));
  }
  return unknown;
}

// Rotated files from before the agent's time count as settled: when one is packed some day, its
// archive will be as young as one that was missed. Whoever has a path of its own is no such file.
void Tailer::Impl::RememberHistory(Chain& chain, const std::vector<Sibling>& history) {
  const std::string& job = chain.slot->target->job;
  const auto has_a_path = [&](const Sibling& sibling) {
    return std::any_of(slots_.begin(), slots_.end(), [&](const auto& entry) {
      const Slot& slot = *entry.second;
      return !slot.retired && slot.target->job == job && slot.glob.Matches(sibling.path);
    });
  };
  for (const Sibling& sibling : history) {
    const auto known = IsKnown(chain, sibling);
    if (!known || *known || has_a_path(sibling)) continue;
    Identity identity{sibling.stat.device, sibling.stat.inode, sibling.stat.born_ns, {}};
    const auto file = OpenSibling(sibling);
    if (!file || *file == nullptr || !CheckHead(**file, identity.head)) continue;  // not worth waiting for
    const auto mark = ReadMark(**file, sibling.stat.size);
    if (!mark) continue;
    AddSettled({job, chain.path, sibling.path, identity, Packing::kPlain, sibling.stat.size, sibling.stat.size, *mark});
  }
}

Status Tailer::Impl::AdoptSiblings(Chain& chain, const FileStat* current) {
  std::vector<Sibling> history;  // known since the first look
  auto unknown = UnknownSiblings(chain, current, history);
  if (!unknown) return Forward(unknown);
  if (unknown->empty()) return {};
  // They came before the current generation, and before those with newer names. What of these has
  // not been read yet begins again in its place; what something newer has overtaken is read on its own.
  const std::string_view base = platform::BaseOf(chain.real_path());
  const auto name_of = [&](const Generation& generation) -> std::string_view {
    const auto there = parts_.fs.LinkStat(generation.last_path());  // names may have been shifted unseen
    if (!generation.located || !there || !generation.identity.SameInode(*there)) return {};
    return platform::BaseOf(generation.last_path());
  };
  const auto is_before = [&](const Sibling& sibling, const Generation& generation) {
    if (&generation == chain.current) return true;
    const std::string_view name = name_of(generation);
    return IsRotatedName(base, name) && IsRotatedName(base, sibling.name) && RotatedBefore(base, sibling.name, name);
  };
  std::vector<Generation*> ended;
  const auto in_order = [&](const Sibling& sibling) {
    if (chain.current != nullptr && chain.current->finished()) return false;
    return EndUnreadBehind(chain, [&](const Generation& each) { return is_before(sibling, each); }, ended);
  };
  auto next = unknown->begin();
  for (; next != unknown->end() && !in_order(*next); ++next) {
    AdoptSibling(chain, std::move(*next), true);
    BeginAgain(std::exchange(ended, {}));
  }
  for (auto newer = ended.rbegin(); newer != ended.rend(); ++newer) {
    for (; next != unknown->end() && is_before(*next, **newer); ++next) AdoptSibling(chain, std::move(*next), false);
    BeginAgain({*newer});
  }
  for (; next != unknown->end(); ++next) AdoptSibling(chain, std::move(*next), false);
  return {};
}

void Tailer::Impl::AdoptSibling(Chain& chain, Sibling sibling, bool own_order) {
  if (parts_.metrics.recovered != nullptr) parts_.metrics.recovered->Add(1);
  Start start;
  start.file = std::move(sibling.file);
  start.stat = sibling.stat;
  start.location = sibling.path;
  start.place = Place::kAway;
  start.packing = sibling.packing;
  start.own_order = own_order;
  // Promtail's position is of the file that was at the path then: the oldest of these.
  if (HasImported(chain)) start.offset = ImportedOffset(chain, start.file, sibling.stat.size);
  Begin(chain, std::move(start));
}

// A copy that is being made: the truncation of the original will follow.
Result<bool> Tailer::Impl::IsCopyOfCurrent(Chain& chain, const Sibling& sibling) {
  if (chain.current == nullptr) return false;
  auto file = OpenSibling(sibling);
  if (!file && file.error().code != Code::kPermission) return Forward(file);
  if (!file || *file == nullptr) return false;  // as who opens it next will see
  return BeginsAs(*chain.current, **file);
}

// The file is (or becomes) a copy of the generation.
Result<bool> Tailer::Impl::BeginsAs(Generation& generation, platform::File& file) {
  const std::shared_ptr<platform::File> original = generation.source->file();
  if (original == nullptr) return false;
  char mine[Fingerprint::kMost], other[Fingerprint::kMost];
  auto got = ReadFully(file, 0, mine);
  if (!got) return Forward(got);
  auto got_other = ReadFully(*original, 0, other);
  if (!got_other) return Forward(got_other);
  return *got_other >= *got && std::string_view(mine, *got) == std::string_view(other, *got);
}

}  // namespace agent::source
