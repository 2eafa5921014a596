// SPDX-License-Identifier: Apache-2.0
// How long bytes that are not stored will live. The kubelet renames a log at
// containerLogMaxSize, and keeps containerLogMaxFiles of them, the live one included; so
// the rate of writing tells when the oldest one goes.
#include <algorithm>

#include "agent/source/internal/tailer_impl.h"

namespace agent::source {
namespace {

// What the newest look counts for: bursts are smoothed over some syncs.
constexpr double kNewest = 0.5;

bool HasUnstored(const Generation& generation) {
  if (generation.sealed || generation.drained()) return false;
  const bool plain = generation.packing == Packing::kPlain;
  if (!plain && generation.limit == UINT64_MAX) return false;  // an archive's end is not known before it is read
  const uint64_t end = plain ? std::min(generation.size, generation.limit) : generation.limit;
  return generation.file->committed_offset.load(std::memory_order_relaxed) < end;
}

}  // namespace

void Tailer::Impl::UpdateRates() {
  const double seconds = std::chrono::duration<double>(now_ - rates_at_).count();
  const bool first = rates_at_ == MonoTime{};
  rates_at_ = now_;
  if (seconds <= 0) return;
  for (auto& [path, chain] : chains_) {
    const double now = first ? 0 : static_cast<double>(chain->written) / seconds;
    chain->rate = chain->rate == 0 ? now : chain->rate * (1 - kNewest) + now * kNewest;
    chain->written = 0;
  }
}

// None: nothing waits, or nobody writes.
std::optional<double> Tailer::Impl::SecondsToLoss(const Chain& chain) const {
  if (chain.rate < 1) return std::nullopt;
  uint64_t newer = chain.generations.size();
  for (const auto& generation : chain.generations) {
    --newer;
    if (!HasUnstored(*generation)) continue;
    if (generation->place == Place::kDeleted) {  // only its open descriptor keeps it
      const uint64_t left = options_.pinned_bytes - std::min(options_.pinned_bytes, pinned_);
      return static_cast<double>(left) / chain.rate;
    }
    const uint64_t live = chain.current != nullptr ? chain.current->size : 0;
    const uint64_t rotations = options_.log_max_files - std::min(options_.log_max_files, newer + 1);
    const uint64_t to_next = options_.log_max_size - std::min(options_.log_max_size, live);
    return static_cast<double>(to_next + rotations * options_.log_max_size) / chain.rate;
  }
  return std::nullopt;
}

}  // namespace agent::source
