// SPDX-License-Identifier: Apache-2.0
// After a restart: where saved positions continue. A saved file is looked for by
// identity: at its path, then by inode in its directory (rotated), then by its unpacked
// beginning among archives and copies. Rotated files that appeared since the last save
// and that nobody knows were missed, and are read too.
#include <algorithm>
#include <charconv>

#include "agent/core/log.h"
#include "agent/source/internal/rotated_names.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {

using platform::FileStat;
using platform::FileType;

namespace {

constexpr size_t kSkipStep = 256 * 1024;

// Where the unpacked bytes are after `lines` lines.
Result<uint64_t> OffsetOfLine(ByteSource& source, uint64_t lines) {
  std::vector<char> bytes(kSkipStep);
  uint64_t at = 0;
  while (lines > 0) {
    auto got = source.ReadAt(at, bytes);
    if (!got) return Forward(got);
    if (*got == 0) break;
    size_t used = 0;
    while (lines > 0 && used < *got) {
      const std::string_view rest(bytes.data() + used, *got - used);
      const size_t newline = rest.find('\n');
      used += newline == std::string_view::npos ? rest.size() : newline + 1;
      if (newline != std::string_view::npos) --lines;
    }
    at += used;
    source.Consumed(at);
  }
  return at;
}

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

// The saved positions that follow this path; those of other jobs if this one has none,
// for a job that was renamed.
std::vector<SavedPosition> Tailer::Impl::TakeSaved(const Slot& slot, const std::string& follows) {
  std::vector<SavedPosition> mine, others;
  for (const SavedPosition& saved : unclaimed_) {
    if (saved.follows != follows) continue;
    (saved.job == slot.target->job ? mine : others).push_back(saved);
  }
  if (mine.empty()) return others;
  std::erase_if(unclaimed_, [&](const SavedPosition& saved) {
    return saved.follows == follows && saved.job == slot.target->job;
  });
  return mine;
}

Result<bool> Tailer::Impl::Verify(const SavedPosition& saved, platform::File& file, const FileStat& stat) {
  if (saved.packing != Packing::kPlain) return stat.size >= saved.size;
  if (stat.size < saved.offset) return false;
  Fingerprint head = saved.identity.head;
  auto same = CheckHead(file, head);
  if (!same) return Forward(same);
  if (*same == HeadCheck::kDifferent) return false;
  if (saved.mark.length == 0) return true;
  auto mark = ReadMark(file, saved.offset);
  if (!mark) return Forward(mark);
  return mark->length == saved.mark.length && mark->hash == saved.mark.hash;
}

// All or nothing: what cannot be known now leaves everything as it was.
Status Tailer::Impl::Recover(Chain& chain, const FileStat* current) {
  std::vector<SavedPosition> saved = TakeSaved(*chain.slot, chain.path);
  Recovery recovery;
  recovery.saved = &saved;
  Status status;
  for (size_t i = 0; status && i < saved.size(); ++i) status = RecoverSaved(chain, saved[i], current, recovery);
  if (status && chain.slot->packing == Packing::kPlain) {
    auto unknown = UnknownSiblings(chain, current);
    if (!unknown) status = Forward(unknown);
    else recovery.unknown = std::move(*unknown);
  }
  if (!status) {
    chain.resume.reset();
    std::erase_if(saved, [&](const SavedPosition& each) { return each.job != chain.slot->target->job; });
    std::move(saved.begin(), saved.end(), std::back_inserter(unclaimed_));
    return status;
  }
  chain.recovered = true;
  list_changed_ = list_changed_ || !saved.empty();
  BeginRecovered(chain, std::move(recovery));
  return {};
}

Status Tailer::Impl::RecoverSaved(Chain& chain, const SavedPosition& saved, const FileStat* current,
                                  Recovery& recovery) {
  if (current != nullptr && saved.identity.SameInode(*current)) {
    auto here = OpenIf(saved, chain.path);
    if (!here) return Forward(here);
    if (*here) {
      chain.resume = saved;
      return {};
    }
  }
  auto found = Locate(saved, chain, recovery);
  if (!found) return Forward(found);
  if (*found) recovery.found.emplace_back(saved, std::move(**found));
  else recovery.gone.push_back(saved);
  return {};
}

// Oldest first, as far as the names tell.
void Tailer::Impl::BeginRecovered(Chain& chain, Recovery recovery) {
  for (const SavedPosition& saved : recovery.gone) {
    if (saved.size <= saved.offset || saved.packing != Packing::kPlain) continue;
    const uint64_t bytes = saved.size - saved.offset;
    if (parts_.metrics.lost_bytes != nullptr) parts_.metrics.lost_bytes->Add(static_cast<double>(bytes));
    parts_.losses.Lost({LossReason::kDeletedWhileDown, saved.job, saved.follows, bytes, nullptr});
  }
  const auto real = parts_.fs.RealPath(chain.path);
  const std::string base(platform::BaseOf(real ? *real : chain.path));
  const auto before = [&](const std::string& a, const std::string& b) {
    return IsRotatedName(base, a) && IsRotatedName(base, b) && RotatedBefore(base, a, b);
  };
  std::erase_if(recovery.unknown, [&](const Sibling& sibling) {
    return std::any_of(recovery.found.begin(), recovery.found.end(), [&](const auto& each) {
      return each.second.stat.inode == sibling.stat.inode && each.second.stat.device == sibling.stat.device;
    });
  });
  auto next = recovery.unknown.begin();
  for (auto& [saved, found] : recovery.found) {
    const std::string name(platform::BaseOf(found.path));
    for (; next != recovery.unknown.end() && before(next->name, name); ++next) {
      AdoptSibling(chain, std::move(*next), false);
    }
    ContinueSaved(chain, saved, std::move(found));
  }
  for (; next != recovery.unknown.end(); ++next) AdoptSibling(chain, std::move(*next), false);
}

Result<std::optional<Tailer::Impl::Found>> Tailer::Impl::OpenIf(const SavedPosition& saved, const std::string& path) {
  std::optional<Found> none;
  auto file = parts_.fs.Open(path, platform::OpenMode::kRead);
  if (!file && file.error().code == Code::kNotFound) return none;
  if (!file) return Forward(file);
  auto stat = (*file)->Stat();
  if (!stat) return Forward(stat);
  if (stat->type != FileType::kRegular || !saved.identity.SameInode(*stat)) return none;
  auto same = Verify(saved, **file, *stat);
  if (!same) return Forward(same);
  if (!*same) return none;
  return std::optional<Found>(Found{std::move(*file), *stat, path, saved.packing});
}

Result<std::optional<Tailer::Impl::Found>> Tailer::Impl::Locate(const SavedPosition& saved, const Chain& chain,
                                                                 const Recovery& recovery) {
  auto found = OpenIf(saved, saved.path);
  if (!found || *found) return found;
  const std::string directory(platform::DirectoryOf(saved.path));
  auto entries = parts_.fs.List(directory);
  if (!entries && entries.error().code != Code::kNotFound) return Forward(entries);
  for (const platform::DirEntry& entry : entries ? *entries : std::vector<platform::DirEntry>()) {
    if (entry.inode != saved.identity.inode) continue;
    found = OpenIf(saved, platform::Join(directory, entry.name));
    if (!found || *found) return found;
  }
  return LocateByContent(saved, chain, recovery);
}

// The same bytes in another file: the archive that rotation has made of it, or the copy
// that copytruncate leaves.
Result<std::optional<Tailer::Impl::Found>> Tailer::Impl::LocateByContent(const SavedPosition& saved,
                                                                         const Chain& chain,
                                                                         const Recovery& recovery) {
  std::optional<Found> none;
  if (saved.packing != Packing::kPlain || saved.identity.head.length == 0) return none;
  const std::string directory(platform::DirectoryOf(saved.path));
  const std::string last_name(platform::BaseOf(saved.path));
  auto candidates = SiblingsOf(directory, last_name);
  if (!candidates) return Forward(candidates);
  const auto real = parts_.fs.RealPath(chain.path);
  const std::string base(platform::BaseOf(real ? *real : chain.path));
  if (base != last_name) {
    auto more = SiblingsOf(directory, base);
    if (!more) return Forward(more);
    for (Sibling& sibling : *more) candidates->push_back(std::move(sibling));
  }
  if (const auto stat = parts_.fs.Stat(saved.path + ".gz")) {
    candidates->push_back({last_name + ".gz", saved.path + ".gz", *stat, Packing::kGzip});
  }
  for (const Sibling& sibling : *candidates) {
    if (sibling.packing == Packing::kPlain && sibling.stat.size < saved.offset) continue;
    const bool of_another = std::any_of(recovery.saved->begin(), recovery.saved->end(), [&](const auto& other) {
      return &other != &saved && other.identity.SameInode(sibling.stat);
    });
    if (of_another) continue;
    auto known = IsKnown(chain, sibling);
    if (!known) return Forward(known);
    if (*known) continue;
    auto opened = parts_.fs.Open(sibling.path, platform::OpenMode::kRead);
    if (!opened && opened.error().code == Code::kNotFound) continue;
    if (!opened) return Forward(opened);
    const std::shared_ptr<platform::File> file = std::move(*opened);
    auto head = UnpackedHead(sibling.packing, file, saved.identity.head.length);
    if (!head && head.error().code != Code::kCorrupt) return Forward(head);
    if (!head || *head != saved.identity.head) continue;
    return std::optional<Found>(Found{file, sibling.stat, sibling.path, sibling.packing});
  }
  return none;
}

void Tailer::Impl::ContinueSaved(Chain& chain, const SavedPosition& saved, Found found) {
  const bool same_form = found.packing == saved.packing;
  const bool settled = same_form && (saved.packing == Packing::kPlain ? found.stat.size == saved.offset
                                                                      : found.stat.size == saved.size);
  if (settled) {
    Identity identity{found.stat.device, found.stat.inode, found.stat.born_ns, saved.identity.head};
    AddSettled({saved.job, saved.follows, found.path, identity, found.packing, saved.offset, found.stat.size,
                saved.mark});
    return;
  }
  LogInfo("a rotated file is read on where it was left",
          {{"path", chain.path}, {"now", found.path}, {"offset", saved.offset}});
  if (parts_.metrics.recovered != nullptr) parts_.metrics.recovered->Add(1);
  Start start;
  start.file = std::move(found.file);
  start.stat = found.stat;
  start.location = found.path;
  start.offset = saved.offset;
  start.place = Place::kAway;
  start.packing = found.packing;
  start.head = saved.identity.head;
  Begin(chain, std::move(start));
}

// -- what rotation left beside the path --

// Rotated files of `base` in the directory, oldest first; of a file and its archive
// only the file.
Result<std::vector<Tailer::Impl::Sibling>> Tailer::Impl::SiblingsOf(const std::string& directory,
                                                                    const std::string& base) {
  auto listing = listings_.find(directory);
  if (listing == listings_.end()) {
    auto entries = parts_.fs.List(directory);
    if (!entries && entries.error().code != Code::kNotFound) return Forward(entries);
    listing = listings_.emplace(directory, entries ? std::move(*entries) : std::vector<platform::DirEntry>()).first;
  }
  std::vector<Sibling> siblings;
  for (const platform::DirEntry& entry : listing->second) {
    if (entry.type == FileType::kDirectory || !IsRotatedName(base, entry.name)) continue;
    const std::string path = platform::Join(directory, entry.name);
    auto stat = parts_.fs.LinkStat(path);
    if (stat && stat->type == FileType::kRegular) siblings.push_back({entry.name, path, *stat, PackingOf(entry.name)});
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
Result<Tailer::Impl::Archive> Tailer::Impl::LookInto(const Sibling& sibling) {
  auto opened = parts_.fs.Open(sibling.path, platform::OpenMode::kRead);
  if (!opened && opened.error().code == Code::kNotFound) return Archive{};
  if (!opened) return Forward(opened);
  const std::shared_ptr<platform::File> file = std::move(*opened);
  auto head = UnpackedHead(sibling.packing, file, Fingerprint::kMost);
  if (!head && head.error().code != Code::kCorrupt) return Forward(head);
  auto size = GzipSize(*file, sibling.stat.size);
  if (!size) return Forward(size);
  if (!head || !*size) return Archive{};
  return Archive{true, *head, **size};
}

bool Tailer::Impl::Archive::Holds(const Identity& identity, uint64_t plain_size) const {
  return readable && identity.head == head && static_cast<uint32_t>(plain_size) == size;
}

// An archive of something that is being read, or was.
Result<bool> Tailer::Impl::IsArchiveOfKnown(const Chain& chain, const Sibling& sibling) {
  auto archive = LookInto(sibling);
  if (!archive) return Forward(archive);
  if (!archive->readable) return true;  // none
  for (const auto& generation : chain.generations) {
    if (generation->packing != Packing::kPlain) continue;
    if (const auto file = generation->source->file()) {
      auto stat = file->Stat();  // it may have grown since the last look
      if (!stat) return Forward(stat);
      Fingerprint& beginning = generation->identity.head;
      if (auto checked = CheckHead(*file, beginning); !checked) return Forward(checked);
      if (archive->Holds(generation->identity, stat->size)) return true;
    }
    if (archive->Holds(generation->identity, generation->size)) return true;
  }
  return std::any_of(settled_.begin(), settled_.end(), [&](const auto& entry) {
    const Settled& settled = *entry.second;
    return settled.follows == chain.path && archive->Holds(settled.identity, settled.offset);
  });
}

// Rotated files that nobody knows and that are not history.
Result<std::vector<Tailer::Impl::Sibling>> Tailer::Impl::UnknownSiblings(Chain& chain, const FileStat* current) {
  const auto real = parts_.fs.RealPath(chain.path);
  const std::string path = real ? *real : chain.real_path.empty() ? chain.path : chain.real_path;
  auto siblings = SiblingsOf(std::string(platform::DirectoryOf(path)), std::string(platform::BaseOf(path)));
  if (!siblings) return siblings;
  const bool imported = HasImported(chain);
  std::vector<Sibling> unknown;
  for (Sibling& sibling : *siblings) {
    if (sibling.stat.modified_ns < alive_since_ns_ || sibling.packing == Packing::kBzip2) continue;
    // An archive that was made since is of a file that Promtail had left behind.
    if (imported && sibling.packing != Packing::kPlain) continue;
    if (current != nullptr && sibling.stat.inode == current->inode && sibling.stat.device == current->device) continue;
    if (chain.resume && chain.resume->identity.SameInode(sibling.stat)) continue;
    auto known = IsKnown(chain, sibling);
    if (known && !*known && sibling.packing != Packing::kPlain) known = IsArchiveOfKnown(chain, sibling);
    if (known && !*known && sibling.packing == Packing::kPlain) known = IsCopyOfCurrent(chain, sibling);
    if (!known) return Forward(known);
    if (*known) continue;
    auto file = parts_.fs.Open(sibling.path, platform::OpenMode::kRead);
    if (!file && file.error().code != Code::kNotFound) return Forward(file);
    if (!file) continue;
    sibling.file = std::move(*file);
    unknown.push_back(std::move(sibling));
  }
  return unknown;
}

Status Tailer::Impl::AdoptSiblings(Chain& chain, const FileStat* current) {
  auto unknown = UnknownSiblings(chain, current);
  if (!unknown) return Forward(unknown);
  if (unknown->empty()) return {};
  // They came before the current generation. If that has no byte yet it begins again
  // after them; if it has, it cannot wait for them, nor they for it.
  Generation* empty = chain.current;
  if (empty != nullptr && !EndEmpty(*empty)) empty = nullptr;
  const bool own_order = chain.current != nullptr && empty == nullptr;
  for (Sibling& sibling : *unknown) AdoptSibling(chain, std::move(sibling), own_order);
  if (empty != nullptr) ContinueAt(*empty, 0, false);
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

bool Tailer::Impl::HasImported(const Chain& chain) const {
  return imported_.contains(chain.path) && !imported_used_.contains({chain.slot->target->job, chain.path});
}

// A copy that is being made: the truncation of the original will follow.
Result<bool> Tailer::Impl::IsCopyOfCurrent(Chain& chain, const Sibling& sibling) {
  if (chain.current == nullptr) return false;
  auto file = parts_.fs.Open(sibling.path, platform::OpenMode::kRead);
  if (!file && file.error().code == Code::kNotFound) return true;
  if (!file) return Forward(file);
  return BeginsAs(*chain.current, **file);
}

Result<const SavedPosition*> Tailer::Impl::FindUnclaimed(const Slot& slot, const FileStat& stat,
                                                         platform::File& file) {
  const SavedPosition* other = nullptr;
  for (const SavedPosition& saved : unclaimed_) {
    if (!saved.identity.SameInode(stat)) continue;
    auto same = Verify(saved, file, stat);
    if (!same) return Forward(same);
    if (!*same) continue;
    if (saved.job == slot.target->job) return &saved;
    other = &saved;
  }
  return other;
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

// Promtail's position of a path, once per job.
uint64_t Tailer::Impl::ImportedOffset(const Chain& chain, const std::shared_ptr<platform::File>& file, uint64_t size) {
  const auto found = imported_.find(chain.path);
  if (found == imported_.end()) return 0;
  if (!imported_used_.emplace(chain.slot->target->job, chain.path).second) return 0;
  const std::string& text = found->second;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    LogWarn("a saved position is no number; the file is read from its beginning",
            {{"path", chain.path}, {"position", text}});
    return 0;
  }
  if (chain.slot->packing == Packing::kPlain) return number <= size ? number : 0;
  auto source = MakeUnpackingSource(chain.slot->packing, file);  // Promtail counts lines here
  if (!source) return 0;
  const auto offset = OffsetOfLine(**source, number);
  return offset ? *offset : 0;
}

// Saved positions whose file is gone and that no target asks for.
void Tailer::Impl::GiveUpUnclaimed() {
  if (!targets_complete_) return;
  const auto gone = [this](const std::string& path) {
    const auto stat = parts_.fs.Stat(path);
    return !stat && stat.error().code == Code::kNotFound;
  };
  const size_t before = unclaimed_.size() + imported_.size();
  std::erase_if(unclaimed_, [&](const SavedPosition& saved) {
    const bool wanted = std::any_of(slots_.begin(), slots_.end(), [&](const auto& entry) {
      const Slot& slot = *entry.second;
      std::string why;
      return !slot.retired && slot.target->job == saved.job && slot.glob.Matches(saved.follows) &&
             LabelsFor(slot, saved.follows, why);
    });
    if (wanted) return false;  // its path is being retried
    const auto stat = parts_.fs.Stat(saved.path);
    if (stat ? saved.identity.SameInode(*stat) : stat.error().code != Code::kNotFound) return false;
    return true;
  });
  std::erase_if(imported_, [&](const auto& entry) { return gone(entry.first); });
  if (unclaimed_.size() + imported_.size() != before) list_changed_ = true;
}

}  // namespace agent::source
