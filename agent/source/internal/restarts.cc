// SPDX-License-Identifier: Apache-2.0
// A container that restarts: the kubelet numbers its runs 0.log, 1.log, ... A new run
// begins when the last one is over, so its lines come after.
#include <algorithm>
#include <charconv>

#include "agent/source/internal/tailer_impl.h"

namespace agent::source {
namespace {

// The path of the run before; empty if there is none, or the name is none of a run.
std::string LastRunOf(const std::string& path) {
  const std::string_view base = platform::BaseOf(path);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(base.data(), base.data() + base.size(), number);
  if (error != std::errc() || number == 0 || std::string_view(end, base.data() + base.size()) != ".log") return {};
  return platform::Join(platform::DirectoryOf(path), std::to_string(number - 1) + ".log");
}

// NAMESPACE_POD_UID/CONTAINER/N.log. Elsewhere numbers may mean anything.
bool IsOfAPod(const std::string& path) {
  const std::string_view pod = platform::BaseOf(platform::DirectoryOf(platform::DirectoryOf(path)));
  return std::count(pod.begin(), pod.end(), '_') == 2;
}

}  // namespace

Chain* Tailer::Impl::LastRun(const Chain& chain) {
  const std::string before = LastRunOf(chain.path);
  if (before.empty()) return nullptr;
  const auto [first, last] = chains_.equal_range(before);
  const auto found = std::find_if(first, last, [&](const auto& entry) { return entry.second->slot == chain.slot; });
  return found == last ? nullptr : found->second.get();
}

// The lane reads the files of one chain one after the other.
void Tailer::Impl::ComeAfterLastRun(Chain& chain, Start& start) {
  if (chain.passed_on) {  // what comes of it now would wait for the next run to end
    start.own_order = start.lane_chain == 0;
    return;
  }
  if (!chain.generations.empty() || start.after != nullptr || start.packing != Packing::kPlain) return;
  if (!IsOfAPod(chain.path)) return;
  Chain* before = LastRun(chain);
  if (before == nullptr || before->passed_on || before->generations.empty()) return;
  const Generation& last = *before->generations.back();
  if (last.drained() || last.file->chain != before->id) return;
  chain.id = before->id;
  start.after = last.file;
  before->passed_on = true;
}

// Whoever came before it has written its last byte. A run in between may have been silent.
void Tailer::Impl::HasFirstBytes(Generation& generation) {
  if (!lingering_.empty()) next_linger_ = std::min(next_linger_, now_);
  for (const Chain* before = LastRun(*generation.chain); before != nullptr; before = LastRun(*before)) {
    for (const auto& last : before->generations) {
      if (last->finished() || last->superseded) continue;
      last->superseded = true;
      last->detached_at = now_;
      lingering_.insert(last.get());
      next_linger_ = std::min(next_linger_, now_);
    }
  }
}

}  // namespace agent::source
