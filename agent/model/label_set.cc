// SPDX-License-Identifier: Apache-2.0
#include "agent/model/label_set.h"

#include <algorithm>

#include "agent/core/check.h"

namespace agent {
namespace {

constexpr size_t kMaxEdges = 64 * 1024;

uint64_t Mix(uint64_t hash, std::string_view text) {
  hash ^= std::hash<std::string_view>{}(text) + 0x9e3779b97f4a7c15ULL + (hash << 6) + (hash >> 2);
  return hash * 0xff51afd7ed558ccdULL;
}

uint64_t HashPairs(const std::vector<LabelSet::Pair>& pairs) {
  uint64_t hash = 0x51ed270b27b4f3cfULL;
  for (const auto& [name, value] : pairs) hash = Mix(Mix(hash, name), value);
  return hash;
}

auto LowerBound(const std::vector<LabelSet::Pair>& pairs, std::string_view name) {
  return std::lower_bound(pairs.begin(), pairs.end(), name,
                          [](const LabelSet::Pair& pair, std::string_view n) { return pair.first < n; });
}

}  // namespace

const std::string* LabelSet::Find(std::string_view name) const {
  // Sets are small: a scan that compares lengths first beats a binary search.
  for (const Pair& pair : pairs_) {
    if (pair.first == name) return &pair.second;
  }
  return nullptr;
}

LabelInterner::LabelInterner() {
  empty_ = Intern(std::vector<LabelSet::Pair>{});
  empty_pin_ = LabelPin(empty_);
}

LabelInterner::~LabelInterner() = default;

const LabelSet* LabelInterner::Find(const std::vector<LabelSet::Pair>& pairs, uint64_t hash) const {
  const auto [first, last] = sets_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (it->second->pairs_ == pairs) return it->second.get();
  }
  return nullptr;
}

const LabelSet* LabelInterner::Intern(const LabelMap& labels) {
  return Intern(std::vector<LabelSet::Pair>(labels.begin(), labels.end()));
}

const LabelSet* LabelInterner::Intern(std::vector<LabelSet::Pair> sorted_pairs) {
  DCHECK(std::is_sorted(sorted_pairs.begin(), sorted_pairs.end()), "labels must be sorted");
  const uint64_t hash = HashPairs(sorted_pairs);
  if (const LabelSet* found = Find(sorted_pairs, hash)) return found;
  auto made = std::make_unique<LabelSet>();
  made->pairs_ = std::move(sorted_pairs);
  made->hash_ = hash;
  if (free_ids_.empty()) {
    made->id_ = next_id_++;
  } else {
    made->id_ = free_ids_.back();
    free_ids_.pop_back();
  }
  const LabelSet* result = made.get();
  sets_.emplace(hash, std::move(made));
  ++count_;
  return result;
}

const LabelSet* LabelInterner::With(const LabelSet* base, std::string_view name, std::string_view value) {
  const uint64_t key = Mix(Mix(base->hash_, name), value);
  if (const auto found = edges_.find(key); found != edges_.end()) {
    const Edge& edge = found->second;
    const LabelSet::Pair& pair = edge.result->pairs_[edge.at];
    if (edge.base == base && pair.first == name && pair.second == value) return edge.result;
  }
  std::vector<LabelSet::Pair> pairs;
  pairs.reserve(base->pairs_.size() + 1);  // kept for good: not a byte over
  pairs = base->pairs_;
  const auto at = static_cast<size_t>(LowerBound(pairs, name) - pairs.cbegin());
  if (at < pairs.size() && pairs[at].first == name) {
    pairs[at].second = value;
  } else {
    pairs.emplace(pairs.begin() + static_cast<std::ptrdiff_t>(at), name, value);
  }
  const LabelSet* result = Intern(std::move(pairs));
  if (edges_.size() >= kMaxEdges) edges_.clear();
  edges_.insert_or_assign(key, Edge{base, result, at});
  return result;
}

const LabelSet* LabelInterner::Without(const LabelSet* base, std::string_view name) {
  if (base->Find(name) == nullptr) return base;
  std::vector<LabelSet::Pair> pairs = base->pairs_;
  std::erase_if(pairs, [name](const LabelSet::Pair& pair) { return pair.first == name; });
  return Intern(std::move(pairs));
}

void LabelInterner::Sweep() {
  edges_.clear();
  for (auto it = sets_.begin(); it != sets_.end();) {
    if (it->second->pins_ > 0) {
      ++it;
      continue;
    }
    free_ids_.push_back(it->second->id_);
    it = sets_.erase(it);
    --count_;
  }
  ++generation_;
}

}  // namespace agent
