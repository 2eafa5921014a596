// SPDX-License-Identifier: Apache-2.0
// A container that restarts: the kubelet numbers its runs 0.log, 1.log, ... A new run
// begins when the last one is over, so its lines come after.
#include <algorithm>
#include <charconv>

#include "agent/source/internal/tailer_impl.h"

namespace agent::source {
namespace {

// NAMESPACE_POD_UID/CONTAINER/N.log. Elsewhere numbers may mean anything.
bool IsOfAPod(std::string_view path) {
  const std::string_view pod = platform::BaseOf(platform::DirectoryOf(platform::DirectoryOf(path)));
  return std::count(pod.begin(), pod.end(), '_') == 2;
}

// The number of a container's run; -1: the path is none of a run.
int64_t RunNumber(std::string_view path) {
  const std::string_view base = platform::BaseOf(path);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(base.data(), base.data() + base.size(), number);
  if (error != std::errc() || number < 0 || std::string_view(end, base.data() + base.size()) != ".log") return -1;
  return IsOfAPod(path) ? number : -1;
}

// Of the runs of that container whose chains are there the next one, or the one before: runs in
// between may have come and gone unseen.
template <class Chains>
Chain* NearestRun(const Chains& chains, const Chain& chain, bool next) {
  const int64_t own = RunNumber(chain.path);
  if (own < 0) return nullptr;
  Chain* nearest = nullptr;
  int64_t best = 0;
  const std::string prefix = platform::Join(platform::DirectoryOf(chain.path), "");
  for (auto it = chains.lower_bound(prefix); it != chains.end() && it->first.starts_with(prefix); ++it) {
    if (it->second->slot != chain.slot || it->first.find('/', prefix.size()) != std::string_view::npos) continue;
    const int64_t number = RunNumber(it->first);
    if (number < 0 || (next ? number <= own : number >= own)) continue;
    if (nearest != nullptr && (next ? number > best : number < best)) continue;
    nearest = it->second.get();
    best = number;
  }
  return nearest;
}

}  // namespace

Duration Tailer::Impl::Ago(WallNanos when) const {
  return std::clamp<Duration>(Duration(parts_.clock.Wall() - when), Duration::zero(), std::chrono::minutes(1));
}

Chain* Tailer::Impl::RunAt(const Slot* slot, const std::string& path) {
  if (path.empty()) return nullptr;
  const auto [first, last] = chains_.equal_range(path);
  const auto found = std::find_if(first, last, [&](const auto& entry) { return entry.second->slot == slot; });
  return found == last ? nullptr : found->second.get();
}

Chain* Tailer::Impl::LastRun(const Chain& chain) { return NearestRun(chains_, chain, false); }
Chain* Tailer::Impl::NextRun(const Chain& chain) { return NearestRun(chains_, chain, true); }

// If nothing is at its path, no look finds what it left under rotated names.
void Tailer::Impl::RecoverLastRun(const Chain& chain) {
  const int64_t own = RunNumber(chain.path);
  if (own <= 0) return;
  const std::string directory = platform::Join(platform::DirectoryOf(chain.path), "");
  std::string before;
  int64_t best = -1;
  for (const SavedPosition& each : unclaimed_) {
    if (!each.follows.starts_with(directory) || each.job != chain.slot->target->job) continue;
    if (each.follows.find('/', directory.size()) != std::string::npos) continue;
    const int64_t number = RunNumber(each.follows);
    if (number <= best || number >= own) continue;
    before = each.follows;
    best = number;
  }
  if (before.empty() || !chain.slot->glob.Matches(before)) return;
  const auto there = parts_.fs.Stat(before);
  if (!there && there.error().code == Code::kNotFound) RecoverOrphan(*chain.slot, before);
}

// The lane reads the files of one chain one after the other.
void Tailer::Impl::ComeAfterLastRun(Chain& chain, Start& start) {
  if (chain.passed_on) {  // what comes of it now would wait for the next run to end
    start.own_order = start.lane_chain == 0;
    return;
  }
  if (!chain.generations.empty() || start.after != nullptr) return;
  Chain* before = LastRun(chain);
  if (before == nullptr || before->passed_on) return;
  const auto last = std::find_if(before->generations.rbegin(), before->generations.rend(), [&](const auto& each) {
    return each->file->chain == before->id && !each->drained();
  });
  if (last == before->generations.rend()) return;
  chain.id = before->id;
  start.after = (*last)->file;
  before->passed_on = true;
}

// Whoever came before it has written its last byte. A run in between may have been silent.
void Tailer::Impl::HasFirstBytes(Generation& generation) {
  if (!lingering_.empty()) next_linger_ = std::min(next_linger_, now_);
  for (const Chain* before = LastRun(*generation.chain); before != nullptr; before = LastRun(*before)) {
    for (const auto& last : before->generations) Supersede(*last, generation);
  }
}

void Tailer::Impl::Supersede(Generation& last, const Generation& next) {
  if (last.finished() || last.superseded) return;
  last.superseded = true;
  // How long that is ago, and not since when it is known: an agent that is restarted often
  // must not begin to wait anew each time.
  const WallNanos born = next.identity.born_ns;
  last.detached_at = born > 0 ? now_ - Ago(born) : now_;
  last.last_growth = std::min(last.last_growth, now_ - Ago(last.modified_ns));
  lingering_.insert(&last);
  next_linger_ = std::min(next_linger_, now_);
}

// A disk error has hidden it until the next run was there.
void Tailer::Impl::SupersedeIfNextHasBegun(Generation& generation) {
  for (const Chain* next = NextRun(*generation.chain); next != nullptr; next = NextRun(*next)) {
    for (const auto& begun : next->generations) {
      if (begun->size > 0) return Supersede(generation, *begun);
    }
  }
}

}  // namespace agent::source
