// SPDX-License-Identifier: Apache-2.0
#include "agent/label/share.h"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace agent::label {
namespace {

constexpr std::string_view kLabel = "namespace";
constexpr std::string_view kDiscovered = "__meta_kubernetes_namespace";

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

// -- TokenBucket --

void TokenBucket::Refill(MonoTime now) {
  if (filled_ == MonoTime{}) filled_ = now;
  if (now <= filled_) return;
  tokens_ = std::min(burst_, tokens_ + Seconds(now - filled_) * rate_);
  filled_ = now;
}

MonoTime TokenBucket::RecoveredAt() const {
  if (tokens_ >= 0) return filled_;
  return filled_ + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(-tokens_ / rate_)) + Duration(1);
}

uint64_t TokenBucket::TakeUpTo(uint64_t wanted, MonoTime now) {
  MutexLock lock(mutex_);
  Refill(now);
  const auto taken = std::min(wanted, static_cast<uint64_t>(std::max(0.0, std::floor(tokens_))));
  tokens_ -= static_cast<double>(taken);
  return taken;
}

MonoTime TokenBucket::Overdraw(uint64_t units, MonoTime now) {
  MutexLock lock(mutex_);
  Refill(now);
  tokens_ -= static_cast<double>(units);
  return RecoveredAt();
}

MonoTime TokenBucket::ReadyAt(MonoTime now) {
  MutexLock lock(mutex_);
  Refill(now);
  return RecoveredAt();
}

// -- Shares --

struct Shares::Namespace {
  std::string name;
  NamespaceShare share;
  std::unique_ptr<TokenBucket> bytes;  // null: no budget
  std::atomic<uint64_t> dropped_lines{0};

  bool drops() const { return bytes != nullptr && share.action == NamespaceShare::Action::kDrop; }
  bool slows() const { return bytes != nullptr && share.action == NamespaceShare::Action::kSlow; }
};

Shares::Shares(ShareOptions options, ShareDrop on_drop) : options_(std::move(options)), on_drop_(std::move(on_drop)) {
  if (options_.readline_rate_enabled) {
    lines_ = std::make_unique<TokenBucket>(options_.readline_rate, static_cast<double>(options_.readline_burst));
  }
  for (const auto& [name, share] : options_.namespaces) {
    auto made = std::make_unique<Namespace>();
    made->name = name;
    made->share = share;
    if (share.bytes_per_second > 0) {
      const uint64_t burst = share.burst_bytes > 0 ? share.burst_bytes : share.bytes_per_second;
      made->bytes = std::make_unique<TokenBucket>(static_cast<double>(share.bytes_per_second), static_cast<double>(burst));
    }
    drops_ = drops_ || made->drops();
    slows_ = slows_ || made->slows();
    namespaces_.push_back(std::move(made));
  }
}

Shares::~Shares() = default;

Shares::Index Shares::IndexOf(const TailedFile& file) const {
  const std::string* name = nullptr;
  if (const auto own = file.labels.find(kLabel); own != file.labels.end()) {
    name = &own->second;
  } else if (file.target != nullptr) {
    const auto& discovered = file.target->discovered;
    if (const auto found = discovered.find(kDiscovered); found != discovered.end()) name = &found->second;
  }
  if (name == nullptr) return 0;
  for (size_t i = 0; i < namespaces_.size(); ++i) {
    if (namespaces_[i]->name == *name) return static_cast<Index>(i + 1);
  }
  return 0;
}

uint32_t Shares::WeightOf(Index index) const { return index == 0 ? 1 : namespaces_[index - 1]->share.weight; }

MonoTime Shares::ReadableAt(Index index, MonoTime now) const {
  if (index == 0 || !namespaces_[index - 1]->slows()) return now;
  return namespaces_[index - 1]->bytes->ReadyAt(now);
}

void Shares::Charge(Index index, uint64_t bytes, MonoTime now) {
  if (index != 0 && namespaces_[index - 1]->slows()) namespaces_[index - 1]->bytes->Overdraw(bytes, now);
}

// Records of a batch come from one file mostly, so its namespace is found once per run.
void Shares::DropOverBudget(std::vector<Record*>& records, MonoTime now) {
  const TailedFile* file = nullptr;
  Namespace* owner = nullptr;
  size_t kept = 0;
  for (Record* record : records) {
    if (record->origin.file != nullptr && record->origin.file != file) {
      file = record->origin.file;
      const Index index = IndexOf(*file);
      owner = index == 0 || !namespaces_[index - 1]->drops() ? nullptr : namespaces_[index - 1].get();
    }
    const uint64_t size = std::max<uint64_t>(record->line.size(), 1);
    if (owner != nullptr && owner->bytes->ReadyAt(now) > now) {
      owner->dropped_lines.fetch_add(1, std::memory_order_relaxed);
      if (on_drop_) on_drop_(*record, "namespace_budget");
      continue;
    }
    if (owner != nullptr) owner->bytes->Overdraw(size, now);
    records[kept++] = record;
  }
  records.resize(kept);
}

MonoTime Shares::Apply(std::vector<Record*>& records, MonoTime now) {
  if (drops_) DropOverBudget(records, now);
  if (lines_ == nullptr || records.empty()) return now;
  if (!options_.readline_rate_drop) return lines_->Overdraw(records.size(), now);
  const uint64_t kept = lines_->TakeUpTo(records.size(), now);
  if (on_drop_) {
    for (size_t i = kept; i < records.size(); ++i) on_drop_(*records[i], "global_rate_limiter_drop");
  }
  records.resize(kept);
  return now;
}

std::vector<Shares::View> Shares::Snapshot(MonoTime now) const {
  std::vector<View> out;
  for (const auto& each : namespaces_) {
    out.push_back({.name = each->name,
                   .share = each->share,
                   .dropped_lines = each->dropped_lines.load(std::memory_order_relaxed),
                   .slowed = each->slows() && each->bytes->ReadyAt(now) > now});
  }
  return out;
}

}  // namespace agent::label
