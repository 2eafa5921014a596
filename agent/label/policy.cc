// SPDX-License-Identifier: Apache-2.0
#include "agent/label/policy.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "agent/core/check.h"
#include "agent/core/mutex.h"
#include "agent/label/internal/guard.h"
#include "agent/label/internal/label_items.h"
#include "agent/label/internal/lane_cache.h"
#include "agent/label/relabel.h"
#include "agent/text/utf8.h"

namespace agent::label {
namespace {

constexpr uint32_t kLastBit = 63;
constexpr size_t kMaxMetadataValue = 16 * 1024;  // Loki takes 64 KiB of all metadata of a line

bool MayRemove(Verdict verdict) { return verdict == Verdict::kDropCardinality || verdict == Verdict::kDropStreams; }

void MoveToMetadata(const LabelItem& item, Slot& slot) {
  if (item.index != LabelItems::kAdded) slot.metadata |= uint64_t{1} << std::min(item.index, kLastBit);
}

void AppendPair(Arena& arena, Record& record, const LabelSet::Pair& pair) {
  std::string_view name = pair.first;
  std::string_view value = CutUtf8(pair.second, kMaxMetadataValue);
  if (value.empty()) return;
  if (!IsLegalLabelName(name)) name = arena.Copy(SanitizeLabelName(name));
  if (!text::IsValidUtf8(value)) value = arena.Copy(ToUtf8(value));
  for (const MetadataPair* known = record.metadata; known != nullptr; known = known->next) {
    if (known->name == name) return;  // a stage has put it there
  }
  AppendMetadata(arena, record, name, value);
}

void ApplyChange(Arena& arena, Record& record, const Slot& slot) {
  if (slot.metadata != 0) {
    const auto& pairs = record.labels->pairs();
    for (uint32_t i = 0; i < pairs.size(); ++i) {
      if ((slot.metadata >> std::min(i, kLastBit) & 1) == 0) continue;
      if (i >= kLastBit && slot.result->Find(pairs[i].first) != nullptr) continue;
      AppendPair(arena, record, pairs[i]);
    }
  }
  record.labels = slot.result;
}

}  // namespace

struct Policy::Impl {
  struct Lane {
    LaneCache cache;
    LabelItems items;
    std::vector<const Record*> unknown;
    std::array<uint64_t, kRepairs> repaired{};  // lines of the current batch
    uint64_t guarded = 0;
    uint64_t capped = 0;
  };

  Impl(PolicyOptions options, uint32_t lane_count, metrics::Registry& metrics, DropObserver drop);

  void Resolve(Lane& lane, const Record& record, Moment moment) AGENT_REQUIRES(mutex);
  bool ApplyGuard(Lane& lane, Slot& slot, Moment moment) AGENT_REQUIRES(mutex);
  bool ApplyCap(Lane& lane, Slot& slot, Moment moment) AGENT_REQUIRES(mutex);
  bool Demote(std::vector<LabelItem>& items, size_t& at, Slot& slot) AGENT_REQUIRES(mutex);
  void ResolveUnknown(Lane& lane, Moment moment) AGENT_EXCLUDES(mutex);
  void ApplyVerdicts(Lane& lane, std::vector<Record*>& records, Arena& arena, Moment moment) AGENT_EXCLUDES(mutex);
  void Count(Lane& lane, const Slot& slot);
  void CountBatch(Lane& lane);
  void PublishVersion() AGENT_REQUIRES(mutex);
  void Turn(Moment moment) AGENT_EXCLUDES(mutex);
  void Collect() AGENT_EXCLUDES(mutex);

  // -- immutable --
  metrics::Registry& registry;
  const DropObserver on_drop;
  std::vector<std::unique_ptr<Lane>> lanes;  // each is its lane's own
  std::array<metrics::Counter*, kRepairs> repaired_lines{};
  metrics::Counter& guarded_lines;
  metrics::Counter& capped_lines;

  mutable Mutex mutex;
  Guard guard AGENT_GUARDED_BY(mutex);
  uint64_t turns AGENT_GUARDED_BY(mutex) = 0;

  // -- any thread; written under the mutex --
  std::atomic<uint64_t> version{1};
  std::atomic<uint64_t> decisions{0};
  std::atomic<int64_t> next_turn{0};
  // Counters of the guard, which never move.
  std::array<std::atomic<uint64_t>*, Guard::kMaxLabels> demoted_lines{};

  std::shared_ptr<void> collector;  // last: forgotten first
};

Policy::Impl::Impl(PolicyOptions options, uint32_t lane_count, metrics::Registry& metrics, DropObserver drop)
    : registry(metrics),
      on_drop(std::move(drop)),
      guarded_lines(metrics.GetCounter("sluice_label_guarded_lines_total",
                                       "Lines that left without a label because it has too many values")),
      capped_lines(metrics.GetCounter("sluice_stream_capped_lines_total",
                                      "Lines that would have opened a stream beyond max_active_streams")),
      guard(std::move(options)) {
  for (uint32_t i = 0; i < lane_count; ++i) lanes.push_back(std::make_unique<Lane>());
  for (size_t i = 0; i < kRepairs; ++i) {
    repaired_lines[i] = &metrics.GetCounter("sluice_label_repaired_lines_total",
                                            "Lines whose labels were changed because Loki would refuse them",
                                            {{"reason", NameOfRepair(i)}});
  }
  for (uint16_t i = 0; i < Guard::kMaxLabels; ++i) demoted_lines[i] = &guard.demoted_lines(i);
  collector = metrics.AddCollector([this] { Collect(); });
}

void Policy::Impl::Collect() {
  const Cardinality now = [this] {
    MutexLock lock(mutex);
    return guard.Snapshot();
  }();
  registry.GetGauge("sluice_streams_active", "Streams that had a line within the cardinality window")
      .Set(static_cast<double>(now.streams));
  registry.GetGauge("sluice_streams_capped", "1 while the cap on active streams is reached")
      .Set(now.streams_capped ? 1 : 0);
  for (const LabelCardinality& label : now.labels) {
    const metrics::Labels labels = {{"label", label.name}};
    registry.GetGauge("sluice_label_distinct_values", "Distinct values of a label within the cardinality window", labels)
        .Set(static_cast<double>(label.values));
    registry.GetGauge("sluice_label_demoted", "1 while a label is demoted for having too many values", labels)
        .Set(label.demoted ? 1 : 0);
  }
}

void Policy::Impl::PublishVersion() {
  decisions.store(guard.decisions(), std::memory_order_relaxed);
  version.store(guard.decisions() + turns + 1, std::memory_order_release);  // with Apply's load
  next_turn.store(guard.next_turn().time_since_epoch().count(), std::memory_order_relaxed);
}

void Policy::Impl::Turn(Moment moment) {
  MutexLock lock(mutex);
  if (guard.Turn(moment)) ++turns;
  PublishVersion();
}

// Takes the label at `at` out of the stream, or gives it the overflow value and steps
// past it. False: the entry is to be dropped.
bool Policy::Impl::Demote(std::vector<LabelItem>& items, size_t& at, Slot& slot) {
  const CardinalityOptions& options = guard.options().cardinality;
  slot.verdict = Verdict::kChange;
  switch (options.action) {
    case GuardAction::kDropEntry: return false;
    case GuardAction::kOverflow:
      items[at].value = options.overflow_value;
      items[at].guarded = false;
      ++at;
      return true;
    case GuardAction::kStructuredMetadata: MoveToMetadata(items[at], slot); break;
    case GuardAction::kDropLabel: break;
  }
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(at));
  return true;
}

bool Policy::Impl::ApplyGuard(Lane& lane, Slot& slot, Moment moment) {
  if (!guard.options().cardinality.enabled) return true;
  auto& items = lane.items.items();
  size_t counted = 0;
  for (size_t i = 0; i < items.size();) {
    uint16_t index = 0;
    if (!items[i].guarded || !guard.Observe(items[i].name, items[i].value, lane.cache.pod(), moment, index)) {
      ++i;
      continue;
    }
    if (counted < slot.demoted.size()) slot.demoted[counted++] = index;
    if (!Demote(items, i, slot)) return false;
  }
  return true;
}

bool Policy::Impl::ApplyCap(Lane& lane, Slot& slot, Moment moment) {
  if (guard.AdmitStream(lane.items.Hash(), moment)) return true;
  auto& items = lane.items.items();
  for (size_t i = 0; i < items.size();) {
    if (!items[i].guarded) {
      ++i;
    } else if (slot.capped = true; !Demote(items, i, slot)) {
      return false;
    }
  }
  slot.repairs |= lane.items.MakeLegal(guard.options());
  guard.ForceStream(lane.items.Hash());
  return true;
}

// Finds the verdict on a label set that the lane does not know.
void Policy::Impl::Resolve(Lane& lane, const Record& record, Moment moment) {
  Slot* slot = nullptr;
  if (lane.cache.Find(record, slot)) return;  // known since a record before
  lane.cache.Fill(*slot);
  lane.items.Load(*record.labels, lane.cache.base(), guard.options());
  if (!ApplyGuard(lane, *slot, moment)) {
    slot->verdict = Verdict::kDropCardinality;
    return;
  }
  slot->repairs = lane.items.MakeLegal(guard.options());
  if (guard.options().cardinality.action == GuardAction::kStructuredMetadata) {
    for (const LabelItem& item : lane.items.surplus()) MoveToMetadata(item, *slot);
  }
  if (!ApplyCap(lane, *slot, moment)) {
    slot->verdict = Verdict::kDropStreams;
    return;
  }
  if (slot->repairs == 0 && slot->verdict == Verdict::kKeep) return;
  slot->verdict = Verdict::kChange;
  slot->result = lane.cache.Intern(lane.items, lane.items.Hash());
}

void Policy::Impl::ResolveUnknown(Lane& lane, Moment moment) {
  MutexLock lock(mutex);
  for (const Record* record : lane.unknown) Resolve(lane, *record, moment);
  PublishVersion();
}

void Policy::Impl::Count(Lane& lane, const Slot& slot) {
  for (size_t i = 0; i < kRepairs; ++i) lane.repaired[i] += slot.repairs >> i & 1;
  for (const uint16_t index : slot.demoted) {
    if (index != Slot::kNone) demoted_lines[index]->fetch_add(1, std::memory_order_relaxed);
  }
  if (slot.demoted[0] != Slot::kNone) ++lane.guarded;
  if (slot.capped) ++lane.capped;
}

void Policy::Impl::CountBatch(Lane& lane) {
  for (size_t i = 0; i < kRepairs; ++i) {
    if (lane.repaired[i] > 0) repaired_lines[i]->Add(static_cast<double>(std::exchange(lane.repaired[i], 0)));
  }
  if (lane.guarded > 0) guarded_lines.Add(static_cast<double>(std::exchange(lane.guarded, 0)));
  if (lane.capped > 0) capped_lines.Add(static_cast<double>(std::exchange(lane.capped, 0)));
}

void Policy::Impl::ApplyVerdicts(Lane& lane, std::vector<Record*>& records, Arena& arena, Moment moment) {
  size_t kept = 0;
  for (Record* record : records) {
    Slot* slot = nullptr;
    if (!lane.cache.Find(*record, slot)) {
      // Two files with different labels of their own share this label set.
      MutexLock lock(mutex);
      Resolve(lane, *record, moment);
    }
    if (slot->verdict != Verdict::kKeep) {
      Count(lane, *slot);
      if (MayRemove(slot->verdict)) {
        if (on_drop) on_drop(*record, slot->verdict == Verdict::kDropStreams ? "stream_limited" : "label_cardinality");
        continue;
      }
      ApplyChange(arena, *record, *slot);
    }
    records[kept++] = record;
  }
  records.resize(kept);
  CountBatch(lane);
}

Policy::Policy(PolicyOptions options, uint32_t lanes, metrics::Registry& registry, DropObserver on_drop)
    : impl_(std::make_unique<Impl>(std::move(options), lanes, registry, std::move(on_drop))) {}

Policy::~Policy() = default;

void Policy::Apply(uint32_t lane_index, std::vector<Record*>& records, Arena& arena, LabelInterner& labels,
                   WallNanos wall, MonoTime now) {
  DCHECK(lane_index < impl_->lanes.size(), "a lane that the policy was not told of");
  const Moment moment{now, wall};
  if (now.time_since_epoch().count() >= impl_->next_turn.load(std::memory_order_relaxed)) impl_->Turn(moment);
  Impl::Lane& lane = *impl_->lanes[lane_index];
  lane.cache.Begin(labels, impl_->version.load(std::memory_order_acquire));  // with PublishVersion's store
  lane.unknown.clear();
  bool all_kept = true;
  for (const Record* record : records) {
    Slot* slot = nullptr;
    if (!lane.cache.Find(*record, slot)) {
      lane.unknown.push_back(record);
    } else if (slot->verdict != Verdict::kKeep) {
      all_kept = false;
    }
  }
  if (all_kept && lane.unknown.empty()) return;
  if (!lane.unknown.empty()) impl_->ResolveUnknown(lane, moment);
  impl_->ApplyVerdicts(lane, records, arena, moment);
}

void Policy::Tick(WallNanos wall, MonoTime now) {
  if (now >= NextDeadline()) impl_->Turn({now, wall});
}

MonoTime Policy::NextDeadline() const {
  return MonoTime(Duration(impl_->next_turn.load(std::memory_order_relaxed)));
}

void Policy::Reconfigure(PolicyOptions options, WallNanos wall, MonoTime now) {
  MutexLock lock(impl_->mutex);
  impl_->guard.Reconfigure(std::move(options), {now, wall});
  ++impl_->turns;
  impl_->PublishVersion();
}

std::string Policy::SaveState(WallNanos wall) const {
  MutexLock lock(impl_->mutex);
  return impl_->guard.SaveState(wall);
}

Status Policy::LoadState(std::string_view text, WallNanos wall, MonoTime now) {
  MutexLock lock(impl_->mutex);
  Status loaded = impl_->guard.LoadState(text, {now, wall});
  ++impl_->turns;
  impl_->PublishVersion();
  return loaded;
}

uint64_t Policy::decisions() const { return impl_->decisions.load(std::memory_order_relaxed); }

Cardinality Policy::Snapshot() const {
  MutexLock lock(impl_->mutex);
  return impl_->guard.Snapshot();
}

}  // namespace agent::label
