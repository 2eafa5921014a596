// SPDX-License-Identifier: Apache-2.0
// After a restart: where saved positions continue. A saved file is looked for by
// identity: at its path, then by inode in its directory (rotated), then by its unpacked
// beginning among archives and copies. Rotated files that appeared since the last save
// and that nobody knows were missed, and are read too.
#include <algorithm>

#include "agent/core/log.h"
#include "agent/source/internal/positions_format.h"
#include "agent/source/internal/rotated_names.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {

using platform::FileStat;
using platform::FileType;

namespace {

constexpr size_t kSkipStep = 256 * 1024;

// An empty file had nothing but its number, which another file may have by now.
bool NothingKnown(const SavedPosition& saved) {
  return saved.identity.head.length == 0 && saved.identity.born_ns == 0;
}

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

// The file has left the path before it was opened there: it is looked for anew.
void Tailer::Impl::GiveBackResume(Chain& chain) {
  if (!chain.resume) return;
  if (chain.resume->job == chain.slot->target->job) unclaimed_.push_back(std::move(*chain.resume));
  chain.resume.reset();
  chain.recovered = false;
}

Result<bool> Tailer::Impl::Verify(const SavedPosition& saved, platform::File& file, const FileStat& stat) {
  if (saved.packing != Packing::kPlain) {
    if (stat.size < saved.size) return false;
    if (saved.identity.born_ns != 0 && stat.born_ns != 0) return true;
    // Without birth times an inode number proves nothing.
    const std::shared_ptr<platform::File> shared(std::shared_ptr<void>(), &file);  // owned by the caller
    auto head = UnpackedHead(saved.packing, shared, saved.identity.head.length);
    if (!head && head.error().code != Code::kCorrupt) return Forward(head);
    return head && *head == saved.identity.head;
  }
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
  std::vector<Sibling> history;
  Status status;
  for (size_t i = 0; status && i < saved.size(); ++i) status = RecoverSaved(chain, saved[i], current, recovery);
  if (status && chain.slot->packing == Packing::kPlain) {
    auto unknown = UnknownSiblings(chain, current, history);
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
  RememberHistory(chain, history);
  return {};
}

Status Tailer::Impl::RecoverSaved(Chain& chain, const SavedPosition& saved, const FileStat* current,
                                  Recovery& recovery) {
  if (current != nullptr && saved.identity.SameInode(*current)) {
    auto here = OpenIf(saved, chain.path);
    if (!here) return Forward(here);
    if (*here) {
      chain.resume = std::make_unique<SavedPosition>(saved);
      return {};
    }
  }
  auto found = Locate(saved, chain, recovery);
  if (found && !*found) {  // it may have been renamed or packed between two calls
    listings_.clear();
    found = Locate(saved, chain, recovery);
  }
  if (!found) return Forward(found);
  // A new file that came to the path since `current` was looked at, with the number of an empty one.
  if (*found && NothingKnown(saved)) {
    auto real = parts_.fs.RealPath(chain.path);
    if (!real && real.error().code != Code::kNotFound) return Forward(real);
    if ((*found)->path == (real ? *real : chain.path)) return {};
  }
  if (*found && FindGeneration(*chain.slot, (*found)->stat) != nullptr) return {};
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
      // Packed since it was found?
      if (sibling.packing != Packing::kPlain && WithoutPacking(sibling.path) == each.second.path) return true;
      return each.second.stat.inode == sibling.stat.inode && each.second.stat.device == sibling.stat.device;
    });
  });
  // They were saved in their order; names are surer, where they tell.
  const bool told = std::all_of(recovery.found.begin(), recovery.found.end(), [&](const auto& each) {
    return IsRotatedName(base, platform::BaseOf(each.second.path));
  });
  if (told) {
    std::stable_sort(recovery.found.begin(), recovery.found.end(), [&](const auto& a, const auto& b) {
      return RotatedBefore(base, platform::BaseOf(a.second.path), platform::BaseOf(b.second.path));
    });
  }
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

Result<std::optional<Found>> Tailer::Impl::OpenIf(const SavedPosition& saved, const std::string& path) {
  std::optional<Found> none;
  const bool likely = path == saved.path || (PackingOf(path) == saved.packing &&
                                             MayBecome(platform::BaseOf(saved.path), platform::BaseOf(path)));
  if (NothingKnown(saved) && !likely) return none;
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

Result<std::optional<Found>> Tailer::Impl::Locate(const SavedPosition& saved, const Chain& chain,
                                                                 const Recovery& recovery) {
  auto found = OpenIf(saved, saved.path);
  if (!found || *found) return found;
  const std::string directory(platform::DirectoryOf(saved.path));
  auto entries = parts_.fs.List(directory);
  if (!entries && entries.error().code != Code::kNotFound) return Forward(entries);
  for (const platform::DirEntry& entry : entries ? *entries : std::vector<platform::DirEntry>()) {
    if (entry.inode != saved.identity.inode) continue;
    const std::string path = platform::Join(directory, entry.name);
    found = OpenIf(saved, path);
    if (!found || *found) return found;
  }
  return LocateByContent(saved, chain, recovery);
}

// The same bytes in another file: the archive that rotation has made of it, or the copy
// that copytruncate leaves.
Result<std::optional<Found>> Tailer::Impl::LocateByContent(const SavedPosition& saved,
                                                                         const Chain& chain,
                                                                         const Recovery& recovery) {
  std::optional<Found> none;
  if (saved.packing != Packing::kPlain || saved.identity.head.length == 0) return none;
  const std::string directory(platform::DirectoryOf(saved.path));
  const std::string last_name(platform::BaseOf(saved.path));
  auto candidates = SiblingsOf(directory, last_name);
  if (!candidates) return Forward(candidates);
  auto real = parts_.fs.RealPath(chain.path);
  if (!real && real.error().code != Code::kNotFound) return Forward(real);
  const std::string base(platform::BaseOf(real ? *real : chain.path));
  if (base != last_name) {
    auto more = SiblingsOf(directory, base);
    if (!more) return Forward(more);
    for (Sibling& sibling : *more) candidates->push_back(std::move(sibling));
  }
  auto archive = parts_.fs.Stat(saved.path + ".gz");
  if (!archive && archive.error().code != Code::kNotFound) return Forward(archive);
  if (archive) candidates->push_back({last_name + ".gz", saved.path + ".gz", *archive, Packing::kGzip});
  // A rotated name that the pattern matches, too, may have been shifted before the file was packed.
  for (size_t at = last_name.find_first_of(".-_", 1); at != std::string::npos; at = last_name.find_first_of(".-_", at + 1)) {
    if (!IsRotatedName(last_name.substr(0, at), last_name) || last_name.substr(0, at) == base) continue;
    auto more = SiblingsOf(directory, last_name.substr(0, at));
    if (!more) return Forward(more);
    for (Sibling& sibling : *more) {
      if (sibling.packing == Packing::kPlain) continue;
      auto inside = LookInto(sibling);
      if (!inside) return Forward(inside);
      if (inside->Holds(saved.identity, saved.size)) candidates->push_back(std::move(sibling));
    }
  }
  for (const Sibling& sibling : *candidates) {
    if (sibling.packing == Packing::kPlain && sibling.stat.size < saved.offset) continue;
    bool of_another = false;
    for (const SavedPosition& other : *recovery.saved) {
      if (&other == &saved || !other.identity.SameInode(sibling.stat)) continue;
      auto same = OpenIf(other, sibling.path);  // without birth times an inode number proves nothing
      if (!same) return Forward(same);
      of_another = of_another || *same;
    }
    if (of_another) continue;
    auto known = IsKnown(chain, sibling);
    if (!known) return Forward(known);
    if (*known) continue;
    auto opened = OpenSibling(sibling);
    if (!opened && opened.error().code == Code::kPermission) continue;
    if (!opened) return Forward(opened);
    if (*opened == nullptr) continue;
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
    Settled over{saved.job, saved.follows, found.path, identity, found.packing, saved.offset, found.stat.size,
                 saved.mark};
    if (found.packing == Packing::kPlain) Complete(over, *found.file);
    AddSettled(std::move(over));
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

bool Tailer::Impl::HasImported(const Chain& chain) const {
  return imported_.contains(chain.path) && !imported_used_.contains({chain.slot->target->job, chain.path});
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

// Promtail's position of a path, once per job.
uint64_t Tailer::Impl::ImportedOffset(const Chain& chain, const std::shared_ptr<platform::File>& file, uint64_t size) {
  const auto found = imported_.find(chain.path);
  if (found == imported_.end()) return 0;
  if (!imported_used_.emplace(chain.slot->target->job, chain.path).second) return 0;
  const auto number = OffsetOf(found->second);
  if (!number) {
    LogWarn("a saved position is no number; the file is read from its beginning",
            {{"path", chain.path}, {"position", found->second}});
    return 0;
  }
  if (chain.slot->packing == Packing::kPlain) return *number <= size ? *number : 0;
  auto source = MakeUnpackingSource(chain.slot->packing, file);  // Promtail counts lines here
  if (!source) return 0;
  const auto offset = OffsetOfLine(**source, *number);
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
