// SPDX-License-Identifier: Apache-2.0
#include "agent/label/internal/lane_cache.h"

#include <algorithm>

namespace agent::label {
namespace {

constexpr size_t kMaxFiles = 8192;
constexpr size_t kMaxResults = 65536;
constexpr uint64_t kNoFile = 0;

std::string ValueOf(const LabelMap& labels, std::string_view name) {
  const auto found = labels.find(name);
  return found == labels.end() ? std::string() : found->second;
}

std::string PodOf(const TailedFile& file) {
  const std::string pod = ValueOf(file.labels, "pod");
  if (pod.empty()) return file.path;
  const std::string name_space = ValueOf(file.labels, "namespace");
  return name_space.empty() ? pod : name_space + "/" + pod;
}

}  // namespace

void LaneCache::Forget(LabelInterner& labels, uint64_t version) {
  // Bases and results are pointers into the interner; a decision alone leaves them good.
  if (labels.generation() != generation_ || &labels != labels_) {
    files_.clear();
    results_.clear();
  }
  labels_ = &labels;
  generation_ = labels.generation();
  version_ = version;
  if (++stamp_ == 0) {  // after 2^32 of them
    slots_.assign(slots_.size(), Slot{});
    stamp_ = 1;
  }
}

void LaneCache::SwitchFile(const TailedFile* file) {
  file_ = file;
  if (files_.size() >= kMaxFiles) files_.clear();
  const auto [entry, made] = files_.try_emplace(file == nullptr ? kNoFile : file->id);
  if (made) {
    entry->second.base = file == nullptr ? labels_->Empty() : labels_->Intern(file->labels);
    if (file != nullptr) entry->second.pod = PodOf(*file);
  }
  base_ = entry->second.base;
  pod_ = &entry->second.pod;
}

void LaneCache::Grow() {
  slots_.resize(std::max<size_t>({64, slots_.size() * 2, size_t{labels_->max_id()} + 1}));
}

const LabelSet* LaneCache::Intern(const LabelItems& items, uint64_t hash) {
  if (const auto found = results_.find(hash); found != results_.end() && items.SameAs(*found->second)) {
    return found->second;
  }
  std::vector<LabelSet::Pair> pairs;
  pairs.reserve(items.items().size());
  for (const LabelItem& item : items.items()) pairs.emplace_back(item.name, item.value);
  const LabelSet* result = labels_->Intern(std::move(pairs));
  if (results_.size() >= kMaxResults) results_.clear();
  results_.insert_or_assign(hash, result);
  return result;
}

}  // namespace agent::label
