// SPDX-License-Identifier: Apache-2.0
// Deleted files that are not settled take disk space that nobody sees. Most of them have
// only been packed: past half of the budget they are read on in their archive, a tenth of
// the size. Past the budget the oldest is given up.
#include <algorithm>

#include "agent/core/log.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {
namespace {

constexpr Duration kMostUnsure = std::chrono::seconds(5);

}  // namespace

void Tailer::Impl::EnforcePinnedBudget() {
  pinned_ = 0;
  std::vector<Generation*> pinning;
  for (Generation* generation : lingering_) {
    if (generation->place != Place::kDeleted || generation->sealed || generation->continued) continue;
    pinned_ += generation->size;
    pinning.push_back(generation);
  }
  const auto unpacked = static_cast<uint64_t>(static_cast<double>(options_.pinned_bytes) * options_.pinned_unpacked);
  if (pinned_ <= unpacked) return;
  std::sort(pinning.begin(), pinning.end(), [](const Generation* a, const Generation* b) {
    return a->detached_at != b->detached_at ? a->detached_at < b->detached_at : a->file->id < b->file->id;
  });
  listings_.clear();
  for (Generation* generation : pinning) {
    if (pinned_ <= unpacked) break;
    const uint64_t size = generation->size;  // of the deleted file; the archive has a name
    if (ReadOnInArchive(*generation)) pinned_ -= size;
  }
  listings_.clear();
  for (Generation* generation : pinning) {
    if (pinned_ <= options_.pinned_bytes) return;
    if (generation->place != Place::kDeleted) continue;
    // Names are being shifted, say: a moment later it is known.
    const bool unsure = generation->packing == Packing::kPlain && !generation->unpacked_only;
    if (unsure && now_ - generation->unsure_since < kMostUnsure) continue;
    pinned_ -= generation->size;
    GiveUp(*generation);
  }
}

void Tailer::Impl::GiveUp(Generation& generation) {
  LogWarn("a deleted file was released before it was read, to free disk space; see limits_config.pinned_bytes",
          {{"path", generation.file->path}, {"bytes", generation.size}});
  generation.given_up = generation.packing == Packing::kPlain && !generation.unpacked_only;
  Unregister(generation);
  SetLocation(generation, "");
  Seal(generation, LossReason::kPinnedBudget);
}

// False: no archive holds all of it, now or ever; asked once, unless the disk cannot tell.
bool Tailer::Impl::ReadOnInArchive(Generation& generation) {
  if (generation.unpacked_only || generation.packing != Packing::kPlain) return false;
  const auto moved = MoveIntoArchive(generation);
  if (moved) generation.unpacked_only = !*moved;
  else if (generation.unsure_since == MonoTime{}) generation.unsure_since = now_;
  return moved && *moved;
}

Result<bool> Tailer::Impl::MoveIntoArchive(Generation& generation) {
  auto found = ArchiveOfDeleted(generation);
  if (!found) return Forward(found);
  if (!*found || FindGeneration(*generation.chain->slot, (*found)->stat) != nullptr) return false;
  // Who else reads a part of the file (a late line is read on its own) goes along: all of them
  // are saved as one position.
  std::vector<Generation*> parts;
  for (const auto& other : generation.chain->generations) {
    const bool same = other->identity.inode == generation.identity.inode && other->identity.device == generation.identity.device;
    if (!same || other->sealed || other->packing != Packing::kPlain) continue;
    if (!other->finished()) return Fail(Code::kRetry, generation.file->path + ": it is not complete");
    parts.push_back(other.get());
  }
  if (generation.size != generation.limit) return false;
  const Sibling& archive = **found;
  std::vector<std::shared_ptr<platform::File>> files;
  for (size_t i = 0; i < parts.size(); ++i) {
    auto file = OpenSibling(archive);
    if (!file) return Forward(file);
    if (*file == nullptr) return Fail(Code::kNotFound, archive.path + ": it has been renamed");
    files.push_back(MakeUnpackedFile(archive.packing, std::move(*file)));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    Generation& part = *parts[i];
    if (!part.continued) Unregister(part);
    part.source->Replace(std::move(files[i]));
    part.packing = archive.packing;
    part.identity.device = archive.stat.device;
    part.identity.inode = archive.stat.inode;
    part.identity.born_ns = archive.stat.born_ns;
    part.size = archive.stat.size;
    part.saved_offset = UINT64_MAX;
    part.mark = {};
    part.place = Place::kAway;
    if (part.continued) part.other_path = archive.path;
    else Register(part);
    if (!part.continued) SetLocation(part, archive.path);
  }
  list_changed_ = true;
  LogInfo("a deleted file is read on in its archive, to free disk space",
          {{"path", generation.file->path}, {"now", archive.path}});
  return true;
}

// The archive that holds all of it, and no more.
Result<std::optional<Sibling>> Tailer::Impl::ArchiveOfDeleted(const Generation& generation) {
  const Settled whole{generation.chain->slot->target->job, generation.chain->path, generation.last_path(),
                      generation.identity,                 generation.packing,     generation.size,
                      generation.size,                     {}};
  bool grown = false;
  auto found = ArchiveOf(whole, grown);
  if (found && grown) found->reset();
  return found;
}

// Of what was given up while nobody could tell whether an archive has it: false as long as that is
// so, and if one has it, in which it is read on then. Unread, it would be taken for a new one.
bool Tailer::Impl::IsLost(Generation& generation) {
  const auto found = ArchiveOfDeleted(generation);
  if (!found) return false;
  if (*found && FindGeneration(*generation.chain->slot, (*found)->stat) == nullptr) {
    if (!generation.drained() || !ReadOnGivenUp(generation, **found)) return false;  // later
  }
  generation.given_up = false;
  list_changed_ = true;
  generation.loss_reported = found->has_value();
  return !generation.loss_reported;
}

// In its place, as long as nothing newer has been read.
Status Tailer::Impl::ReadOnGivenUp(Generation& generation, const Sibling& archive) {
  Chain& chain = *generation.chain;
  const uint64_t at = generation.file->read_offset.load(std::memory_order_relaxed);
  const Identity identity{archive.stat.device, archive.stat.inode, archive.stat.born_ns, generation.identity.head};
  if (at >= generation.size) {
    AddSettled({chain.slot->target->job, chain.path, archive.path, identity, archive.packing, at, archive.stat.size, {}});
    return {};
  }
  auto file = OpenSibling(archive);
  if (!file) return Forward(file);
  if (*file == nullptr) return Fail(Code::kNotFound, archive.path + ": it has been renamed");
  std::set<const Generation*> older;
  for (auto it = chain.generations.begin(); it->get() != &generation; ++it) older.insert(it->get());
  std::vector<Generation*> ended;
  const bool in_order = generation.file->chain == chain.id &&
                        EndUnreadBehind(chain, [&](const Generation& each) { return !older.contains(&each); }, ended);
  Start start;
  start.file = std::move(*file);
  start.stat = archive.stat;
  start.location = archive.path;
  start.offset = at;
  start.place = Place::kAway;
  start.packing = archive.packing;
  start.head = generation.identity.head;
  start.own_order = !in_order;
  Begin(chain, std::move(start));
  BeginAgain(ended);
  LogInfo("a deleted file that was given up is read on in its archive", {{"path", chain.path}, {"now", archive.path}});
  return {};
}

}  // namespace agent::source
