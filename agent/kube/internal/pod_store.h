// SPDX-License-Identifier: Apache-2.0
// The pods of this node, as of now, and deleted ones whose files may still be read.
// Filled by reflectors (several, if namespaces are named), read by PodWatcher. Not
// thread-safe: the watcher's mutex guards it. Memory: a Pod is about 1 KiB.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/core/time.h"
#include "agent/kube/internal/pod.h"

namespace agent::kube {

class PodStore {
 public:
  // From reflector `owner`.
  void Upsert(size_t owner, Pod pod);
  void Remove(std::string_view uid);
  // A full list begins; what it has not named when it ends is removed.
  void BeginList(size_t owner) { ++lists_[owner]; }
  void EndList(size_t owner);

  // Deletes removed pods that were removed `linger` ago and are not `in_use`.
  void Expire(MonoTime now, Duration linger, const std::function<bool(std::string_view uid)>& in_use);

  // True once after every change that matters to labels or to the set of pods.
  bool TakeChanged() { return std::exchange(changed_, false); }
  bool changed() const { return changed_; }

  void AppendTargets(const PodDiscoveryOptions& options, std::vector<DiscoveredTarget>& out) const;
  // By uid, or by the configuration's hash of a static pod.
  const std::string* Find(std::string_view uid_or_hash) const;
  size_t size() const { return pods_.size(); }
  size_t removed() const { return removed_; }
  size_t MemoryBytes() const;

 private:
  struct Entry {
    std::string packed;
    std::string config_hash;
    size_t owner = 0;
    uint64_t list = 0;          // the last one that named it
    bool removed = false;
    MonoTime removed_at = kNever;  // kNever: not yet noticed by Expire
  };
  void MarkRemoved(Entry& entry);

  std::unordered_map<std::string, Entry> pods_;  // by uid
  std::unordered_map<size_t, uint64_t> lists_;
  size_t removed_ = 0;
  bool changed_ = false;
};

}  // namespace agent::kube
