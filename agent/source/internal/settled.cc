// SPDX-License-Identifier: Apache-2.0
// Files that are settled and still exist: remembered so that they are not read again
// under another name, and read on if they grow after all.
#include <algorithm>
#include <array>

#include "agent/source/internal/rotated_names.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {
namespace {

constexpr int kMostListings = 3;

}  // namespace

void Tailer::Impl::AddSettled(Settled settled) {
  auto made = std::make_unique<Settled>(std::move(settled));
  settled_by_path_.emplace(made->path, made.get());
  const uint64_t inode = made->identity.inode;
  settled_.emplace(inode, std::move(made));
  list_changed_ = true;
}

Result<Settled*> Tailer::Impl::FindSettled(const std::string& job, const platform::FileStat& stat,
                                           const std::string& path, platform::File* open) {
  const auto [first, last] = settled_.equal_range(stat.inode);
  for (auto it = first; it != last; ++it) {
    Settled& settled = *it->second;
    if (settled.job != job || !settled.identity.SameInode(stat)) continue;
    if (settled.packing == Packing::kPlain && stat.size < settled.offset) continue;
    if (settled.identity.born_ns != 0 && stat.born_ns != 0) return &settled;
    // Without birth times an inode number proves nothing, and an empty file has nothing else.
    const bool likely = MayBecome(platform::BaseOf(settled.path), platform::BaseOf(path));
    if (settled.identity.head.length == 0 && !likely) continue;
    std::unique_ptr<platform::File> opened;
    if (open == nullptr) {
      auto file = parts_.fs.Open(path, platform::OpenMode::kRead);
      if (!file && file.error().code == Code::kNotFound) continue;
      if (!file) return Forward(file);
      opened = std::move(*file);
    }
    const SavedPosition saved{job, {}, {}, settled.identity, settled.packing, settled.offset, settled.size, settled.mark};
    auto same = Verify(saved, open != nullptr ? *open : *opened, stat);
    if (!same) return Forward(same);
    if (*same) return &settled;
  }
  return nullptr;
}

void Tailer::Impl::EraseSettled(const Settled* settled) {
  std::erase_if(settled_by_path_, [&](const auto& entry) { return entry.second == settled; });
  const auto [first, last] = settled_.equal_range(settled->identity.inode);
  const auto found = std::find_if(first, last, [&](const auto& entry) { return entry.second.get() == settled; });
  if (found != last) settled_.erase(found);
  list_changed_ = true;
}

void Tailer::Impl::MoveSettled(const std::string& from, const std::string& to) {
  while (auto moved = settled_by_path_.extract(from)) {
    moved.mapped()->path = to;
    moved.key() = moved.mapped()->path;
    settled_by_path_.insert(std::move(moved));
  }
}

// What was settled at this path: is it still there, and has it grown?
void Tailer::Impl::CheckSettledAt(const std::string& path) {
  std::vector<Settled*> there;
  const auto [first, last] = settled_by_path_.equal_range(path);
  for (auto it = first; it != last; ++it) there.push_back(it->second);
  for (Settled* settled : there) {
    if (!CheckSettled(*settled)) EraseSettled(settled);
  }
}

// The same, by an event that only tells of growth: another one tells where it has gone since.
void Tailer::Impl::CheckGrownAt(const std::string& path) {
  const auto [first, last] = settled_by_path_.equal_range(path);
  if (first == last) return;
  const auto stat = parts_.fs.Stat(path);
  const auto is_there = [&](const auto& entry) { return stat && entry.second->identity.SameInode(*stat); };
  if (std::any_of(first, last, is_there)) CheckSettledAt(path);
}

// What a disk error has hidden of its beginning, or of its end.
void Tailer::Impl::Complete(Settled& settled, platform::File& file) {
  Fingerprint& head = settled.identity.head;
  if (head.length < std::min<uint64_t>(Fingerprint::kMost, settled.offset)) (void)CheckHead(file, head).has_value();
  if (settled.mark.length > 0 || settled.offset == 0) return;
  if (const auto mark = ReadMark(file, settled.offset)) settled.mark = *mark;
}

// False: forget it.
bool Tailer::Impl::CheckSettled(Settled& settled) {
  const auto stat = parts_.fs.Stat(settled.path);
  if (!stat && stat.error().code != Code::kNotFound) return true;
  bool same = stat && settled.identity.SameInode(*stat);
  if (same && settled.packing == Packing::kPlain && stat->size > settled.offset && stat->born_ns == 0) {
    const auto found = FindSettled(settled.job, *stat, settled.path);  // the number may be another file's
    if (!found) return true;
    same = *found == &settled;
  }
  if (!same) return FollowSettled(settled) || !TurnIntoArchive(settled);
  if (settled.packing != Packing::kPlain) return true;
  if (stat->size < settled.offset) {  // truncated: what comes is new
    VisitChainsAt(settled.path, [this](Chain& chain) {
      chain.ignored = false;
      MarkDirty(chain);
    });
    return false;
  }
  if (stat->size == settled.offset) return true;
  Chain* chain = ChainOf(settled);
  if (chain == nullptr) return true;
  chain->ignored = false;
  if (settled.path == chain->path || settled.path == chain->real_path()) {
    MarkDirty(*chain);  // its look finds the settled file, and that it has grown
    return true;
  }
  return !ReadOn(*chain, settled, {{}, settled.path, *stat, Packing::kPlain});
}

Chain* Tailer::Impl::ChainOf(const Settled& settled) {
  for (auto& [id, slot] : slots_) {
    if (slot->retired || slot->target->job != settled.job || slot->packing != Packing::kPlain) continue;
    if (slot->glob.Matches(settled.follows)) return &GetChain(*slot, settled.follows);
  }
  return nullptr;
}

// It has grown after it was settled.
Status Tailer::Impl::ReadOn(Chain& chain, const Settled& settled, const Sibling& where) {
  auto file = OpenSibling(where);
  if (!file) return Forward(file);
  if (*file == nullptr) return Fail(Code::kNotFound, where.path + ": it has been renamed");
  Start start;
  start.file = std::move(*file);
  start.stat = where.stat;
  start.location = where.path;
  start.offset = settled.offset;
  start.place = Place::kAway;
  start.packing = where.packing;
  start.head = settled.identity.head;
  start.own_order = true;
  Begin(chain, std::move(start));
  return {};
}

// Nobody said that it was renamed, but it was. An error counts as found: ask again later.
bool Tailer::Impl::FollowSettled(Settled& settled) {
  const std::string directory(platform::DirectoryOf(settled.path));
  const auto entries = parts_.fs.List(directory);
  if (!entries) return entries.error().code != Code::kNotFound;
  for (const platform::DirEntry& entry : *entries) {
    if (entry.inode != settled.identity.inode) continue;
    const std::string path = platform::Join(directory, entry.name);
    auto file = parts_.fs.Open(path, platform::OpenMode::kRead);
    if (!file && file.error().code == Code::kPermission) continue;  // it was read, so it is another one
    if (!file) return true;
    const auto stat = (*file)->Stat();
    if (!stat || stat->inode != entry.inode) return true;  // renamed again: ask again later
    const auto found = FindSettled(settled.job, *stat, path, file->get());
    if (!found) return true;
    if (*found != &settled) continue;
    const auto [first, last] = settled_by_path_.equal_range(settled.path);
    const auto old = std::find_if(first, last, [&](const auto& each) { return each.second == &settled; });
    if (old != last) settled_by_path_.erase(old);
    settled.path = path;
    settled_by_path_.emplace(settled.path, &settled);
    list_changed_ = true;
    return true;
  }
  return false;
}

// Rotation replaces a file by its archive: the entry goes on as that of the archive. What
// a disk error hides is an error: forgotten now, all of it would be read again.
Status Tailer::Impl::TurnIntoArchive(const Settled& settled) {
  if (settled.packing != Packing::kPlain) return {};
  bool grown = false;
  auto found = ArchiveOf(settled, grown);
  if (!found) return Forward(found);
  if (!*found) return {};
  const Sibling& sibling = **found;
  Chain* chain = grown ? ChainOf(settled) : nullptr;
  if (chain != nullptr) return ReadOn(*chain, settled, sibling);
  Settled archive = settled;
  archive.path = sibling.path;
  archive.packing = sibling.packing;
  archive.identity.device = sibling.stat.device;
  archive.identity.inode = sibling.stat.inode;
  archive.identity.born_ns = sibling.stat.born_ns;
  archive.size = sibling.stat.size;
  archive.mark = {};
  AddSettled(std::move(archive));
  return {};
}

// Mostly the name says it; if names were shifted unseen, the content does. If they are being
// shifted now, what was listed may have another name.
Result<std::optional<Sibling>> Tailer::Impl::ArchiveOf(const Settled& settled, bool& grown) {
  const std::string directory(platform::DirectoryOf(settled.path));
  bool moved = true;
  for (int tries = 0; moved && tries < kMostListings; ++tries) {
    moved = false;
    auto entries = parts_.fs.List(directory);
    if (!entries && entries.error().code == Code::kNotFound) break;
    if (!entries) return Forward(entries);
    std::vector<Sibling> archives;
    for (const platform::DirEntry& entry : *entries) {
      if (PackingOf(entry.name) != Packing::kGzip) continue;
      const std::string path = platform::Join(directory, entry.name);
      const auto stat = parts_.fs.LinkStat(path);
      moved = moved || !stat || stat->inode != entry.inode;
      if (!stat || stat->type != platform::FileType::kRegular) continue;
      archives.push_back({entry.name, path, *stat, Packing::kGzip});
    }
    const auto by_name = std::find_if(archives.begin(), archives.end(), [&](const Sibling& archive) {
      return WithoutPacking(archive.path) == settled.path;
    });
    if (by_name != archives.end()) std::rotate(archives.begin(), by_name, std::next(by_name));
    for (size_t i = 0; i < 2 * archives.size(); ++i) {
      const Sibling& archive = archives[i % archives.size()];
      grown = i >= archives.size();  // only if none is all of it, and no more
      auto is_it = IsArchiveOfSettled(settled, archive, grown);
      if (!is_it) return Forward(is_it);
      if (*is_it) return std::optional<Sibling>(archive);
      const auto still = parts_.fs.LinkStat(archive.path);
      moved = moved || !still || still->inode != archive.stat.inode;
    }
  }
  if (moved) return Fail(Code::kNotFound, settled.path + ": the names beside it are changing");
  return std::optional<Sibling>();
}

Result<bool> Tailer::Impl::IsArchiveOfSettled(const Settled& settled, const Sibling& archive, bool grown) {
  auto known = FindSettled(settled.job, archive.stat, archive.path);
  if (!known) return Forward(known);
  if (*known != nullptr) return false;
  auto inside = LookInto(archive);
  if (!inside) return Forward(inside);
  if (!grown) return inside->Holds(settled.identity, settled.offset);
  // Its writer may have come back to it for a last time. Short files begin alike: of those the
  // name must tell, too.
  const std::string_view was = platform::BaseOf(settled.path), is = platform::BaseOf(archive.path);
  const bool telling = settled.identity.head.length == Fingerprint::kMost ||
                       (settled.offset > 0 && WithoutPacking(archive.path) == settled.path) ||
                       (settled.offset >= Mark::kLength && AreRotatedAlike(was, is));
  if (!inside->readable || !telling) return false;
  return Continues(settled, archive);
}

// The archive begins with all that was settled, and has more.
Result<bool> Tailer::Impl::Continues(const Settled& settled, const Sibling& archive) {
  auto file = OpenSibling(archive);
  if (!file) return Forward(file);
  if (*file == nullptr) return false;
  auto source = MakeUnpackingSource(archive.packing, std::move(*file));
  if (!source) return false;
  std::array<char, Fingerprint::kMost> bytes;
  static_assert(Mark::kLength <= Fingerprint::kMost);
  const auto has = [&](uint64_t offset, uint32_t length, uint64_t hash) -> Result<bool> {
    auto got = (*source)->ReadAt(offset, {bytes.data(), length});
    if (!got && got.error().code != Code::kCorrupt) return Forward(got);
    return got && *got == length && FingerprintOf({bytes.data(), length}).hash == hash;
  };
  const Fingerprint& head = settled.identity.head;
  const Mark& mark = settled.mark;
  auto same = has(0, head.length, head.hash);
  if (same && *same) same = has(settled.offset - mark.length, mark.length, mark.hash);
  if (!same || !*same) return same;
  auto more = (*source)->ReadAt(settled.offset, {bytes.data(), 1});
  if (!more && more.error().code != Code::kCorrupt) return Forward(more);
  return more && *more == 1;
}

}  // namespace agent::source
