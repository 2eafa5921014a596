// SPDX-License-Identifier: Apache-2.0
// Deleted files that are not settled take disk space that nobody sees. Most of them have
// only been packed: past half of the budget they are read on in their archive, a tenth of
// the size. Past the budget the oldest is given up.
#include <algorithm>

#include "agent/core/log.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {

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
    pinned_ -= generation->size;
    LogWarn("a deleted file was released before it was read, to free disk space; see limits_config.pinned_bytes",
            {{"path", generation->file->path}, {"bytes", generation->size}});
    Unregister(*generation);
    SetLocation(*generation, "");
    Seal(*generation, LossReason::kPinnedBudget);
  }
}

// False: no archive holds all of it, now or ever; asked once, unless the disk cannot tell.
bool Tailer::Impl::ReadOnInArchive(Generation& generation) {
  if (generation.unpacked_only || generation.packing != Packing::kPlain || !generation.finished()) return false;
  // Saved as one with who has read the file before it, and is not settled: in one file only.
  const auto& all = generation.chain->generations;
  const bool shared = std::any_of(all.begin(), all.end(), [&](const auto& other) {
    return other.get() != &generation && other->identity.inode == generation.identity.inode &&
           other->identity.device == generation.identity.device;
  });
  if (shared) return false;
  const Settled whole{generation.chain->slot->target->job, generation.chain->path, generation.last_path(),
                      generation.identity,                 generation.packing,     generation.limit,
                      generation.size,                     {}};
  bool grown = false;
  auto found = ArchiveOf(whole, grown);
  if (!found) return false;
  const bool usable = *found && !grown && generation.size == generation.limit &&
                      FindGeneration(*generation.chain->slot, (*found)->stat) == nullptr;
  if (!usable) {
    generation.unpacked_only = true;
    return false;
  }
  const Sibling& archive = **found;
  auto file = OpenSibling(archive);
  if (!file || *file == nullptr) return false;
  Unregister(generation);
  generation.source->Replace(MakeUnpackedFile(archive.packing, std::move(*file)));
  generation.packing = archive.packing;
  generation.identity.device = archive.stat.device;
  generation.identity.inode = archive.stat.inode;
  generation.identity.born_ns = archive.stat.born_ns;
  generation.size = archive.stat.size;
  generation.saved_offset = UINT64_MAX;
  generation.mark = {};
  generation.place = Place::kAway;
  Register(generation);
  SetLocation(generation, archive.path);
  list_changed_ = true;
  LogInfo("a deleted file is read on in its archive, to free disk space",
          {{"path", generation.file->path}, {"now", archive.path}});
  return true;
}

}  // namespace agent::source
