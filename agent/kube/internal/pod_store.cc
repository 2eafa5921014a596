// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/internal/pod_store.h"

namespace agent::kube {

void PodStore::Upsert(size_t owner, Pod pod) {
  Entry& entry = pods_[std::move(pod.uid)];
  if (entry.removed) {
    entry.removed = false;
    entry.removed_at = kNever;
    --removed_;
    changed_ = true;
  }
  entry.owner = owner;
  entry.list = lists_[owner];
  if (entry.packed == pod.packed) return;
  entry.packed = std::move(pod.packed);
  entry.config_hash = std::move(pod.config_hash);
  changed_ = true;
}

void PodStore::MarkRemoved(Entry& entry) {
  if (entry.removed) return;
  entry.removed = true;
  ++removed_;
}

void PodStore::Remove(std::string_view uid) {
  if (const auto found = pods_.find(std::string(uid)); found != pods_.end()) MarkRemoved(found->second);
}

void PodStore::EndList(size_t owner) {
  for (auto& [uid, entry] : pods_) {
    if (entry.owner == owner && entry.list != lists_[owner]) MarkRemoved(entry);
  }
}

void PodStore::Expire(MonoTime now, Duration linger, const std::function<bool(std::string_view uid)>& in_use) {
  if (removed_ == 0) return;
  for (auto it = pods_.begin(); it != pods_.end();) {
    Entry& entry = it->second;
    if (entry.removed && entry.removed_at == kNever) entry.removed_at = now;
    const bool over = entry.removed && now - entry.removed_at >= linger;
    if (!over || (in_use && (in_use(it->first) || (!entry.config_hash.empty() && in_use(entry.config_hash))))) {
      ++it;
      continue;
    }
    it = pods_.erase(it);
    --removed_;
    changed_ = true;
  }
}

void PodStore::AppendTargets(const PodDiscoveryOptions& options, std::vector<DiscoveredTarget>& out) const {
  for (const auto& [uid, entry] : pods_) kube::AppendTargets(entry.packed, options, out);
}

const std::string* PodStore::Find(std::string_view uid_or_hash) const {
  if (const auto found = pods_.find(std::string(uid_or_hash)); found != pods_.end()) return &found->second.packed;
  for (const auto& [uid, entry] : pods_) {
    if (!entry.config_hash.empty() && entry.config_hash == uid_or_hash) return &entry.packed;
  }
  return nullptr;
}

size_t PodStore::MemoryBytes() const {
  size_t bytes = pods_.bucket_count() * sizeof(void*);
  for (const auto& [uid, entry] : pods_) {
    // The node with its hash and link, and the texts on the heap with their headers.
    bytes += sizeof(Entry) + sizeof(std::string) + 3 * sizeof(void*);
    bytes += uid.capacity() + entry.packed.capacity() + entry.config_hash.capacity() + 3 * 16;
  }
  return bytes;
}

}  // namespace agent::kube
