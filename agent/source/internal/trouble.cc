// SPDX-License-Identifier: Apache-2.0
// Paths that cannot be opened now: said once, tried again with back-off.
#include <algorithm>
#include <utility>
#include "agent/core/log.h"
#include "agent/source/internal/rotated_names.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {
namespace {

constexpr Duration kFirstRetry = std::chrono::seconds(1);
constexpr Duration kLongestRetry = std::chrono::minutes(5);

}  // namespace

// -- trouble --
void Tailer::Impl::Trouble(Chain& chain, const Error& error) {
  if (chain.trouble.empty() || chain.ignored) {
    LogWarn("cannot read a file; trying again, less and less often", {{"path", chain.path}, {"err", error.what}});
  }
  chain.ignored = false;
  chain.excluded = false;
  chain.trouble = error.what;
  chain.sys_errno = error.sys_errno;
  chain.backoff = std::clamp(chain.backoff * 2, kFirstRetry, kLongestRetry);
  RetryAt(chain, now_ + chain.backoff);
}

void Tailer::Impl::Ignore(Chain& chain, std::string why, const platform::FileStat& stat) {
  ClearTrouble(chain);
  chain.ignored = true;
  chain.trouble = std::move(why);
  chain.ignored_file = {stat.device, stat.inode, stat.born_ns, {}};
}

void Tailer::Impl::RetryAt(Chain& chain, MonoTime when) {
  chain.retry_at = when;
  troubled_.insert(&chain);
}

void Tailer::Impl::ClearTrouble(Chain& chain) {
  chain.trouble.clear();
  chain.sys_errno = 0;
  chain.ignored = false;
  chain.excluded = false;
  chain.suspect_copy = false;
  chain.retry_at = kNever;
  chain.backoff = {};
  troubled_.erase(&chain);
}

}  // namespace agent::source
