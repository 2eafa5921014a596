// SPDX-License-Identifier: Apache-2.0
// Label sets: the identity of a stream. A LabelSet is immutable and interned by its
// lane, so equal sets are one object and a pointer compare is an equality test; a
// record carries a pointer, never strings.
//
// Ownership: the LabelInterner owns every set it hands out. A set lives until a
// Sweep that finds it unpinned; whoever keeps a pointer across Sweep (a file's base
// labels, an open multiline group, a stream of an open batch) holds a LabelPin.
// Threads: lane-local; a set and its pins are never shared between lanes.
// Cost: With/Without build a set once; a repeated call is one hash and one compare.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace agent {

// Plain label maps, for everything outside the hot path.
using LabelMap = std::map<std::string, std::string, std::less<>>;

class LabelSet {
 public:
  using Pair = std::pair<std::string, std::string>;

  // Sorted by name; names are unique; values may be empty.
  const std::vector<Pair>& pairs() const { return pairs_; }
  // The value, or null if there is no such label. Valid as long as the set.
  const std::string* Find(std::string_view name) const;
  bool empty() const { return pairs_.empty(); }
  uint64_t hash() const { return hash_; }
  // Unique among the living sets of the interner and small: an index for side tables.
  uint32_t id() const { return id_; }
  LabelMap ToMap() const { return {pairs_.begin(), pairs_.end()}; }

 private:
  friend class LabelInterner;
  friend class LabelPin;
  std::vector<Pair> pairs_;
  uint64_t hash_ = 0;
  uint32_t id_ = 0;
  mutable uint32_t pins_ = 0;
};

// Keeps a set alive over sweeps. Copying pins again.
class LabelPin {
 public:
  LabelPin() = default;
  explicit LabelPin(const LabelSet* set) : set_(set) {
    if (set_ != nullptr) ++set_->pins_;
  }
  LabelPin(const LabelPin& other) : LabelPin(other.set_) {}
  LabelPin(LabelPin&& other) noexcept : set_(std::exchange(other.set_, nullptr)) {}
  LabelPin& operator=(LabelPin other) noexcept {
    std::swap(set_, other.set_);
    return *this;
  }
  ~LabelPin() {
    if (set_ != nullptr) --set_->pins_;
  }
  const LabelSet* get() const { return set_; }

 private:
  const LabelSet* set_ = nullptr;
};

class LabelInterner {
 public:
  LabelInterner();
  ~LabelInterner();
  LabelInterner(const LabelInterner&) = delete;
  LabelInterner& operator=(const LabelInterner&) = delete;

  const LabelSet* Empty() const { return empty_; }
  const LabelSet* Intern(const LabelMap& labels);
  const LabelSet* Intern(std::vector<LabelSet::Pair> sorted_pairs);
  // `base` with one label set (replaced if present) or removed.
  const LabelSet* With(const LabelSet* base, std::string_view name, std::string_view value);
  const LabelSet* Without(const LabelSet* base, std::string_view name);

  // Deletes every unpinned set. Call it only where no record is alive.
  void Sweep();
  // Rises with every Sweep: whoever caches unpinned pointers drops them when it changed.
  uint64_t generation() const { return generation_; }
  size_t size() const { return count_; }
  uint32_t max_id() const { return next_id_; }

 private:
  struct Edge {  // a remembered With
    const LabelSet* base;
    const LabelSet* result;
    size_t at;  // where the result has the name and value that were asked for
  };
  const LabelSet* Find(const std::vector<LabelSet::Pair>& pairs, uint64_t hash) const;

  std::unordered_multimap<uint64_t, std::unique_ptr<LabelSet>> sets_;
  std::unordered_map<uint64_t, Edge> edges_;  // by hash of (base, name, value); one per slot
  std::vector<uint32_t> free_ids_;
  uint32_t next_id_ = 0;
  size_t count_ = 0;
  uint64_t generation_ = 0;
  const LabelSet* empty_ = nullptr;
  LabelPin empty_pin_;
};

// Promtail's text of a stream's labels: `{a="x", b="y"}`, values quoted as Go's
// strconv.Quote does. The label __tenant_id__ is left out.
std::string FormatLabels(const LabelMap& labels);
// The same with the tenant, for people.
std::string FormatAllLabels(const LabelSet& labels);
void AppendGoQuoted(std::string& out, std::string_view value);

}  // namespace agent
