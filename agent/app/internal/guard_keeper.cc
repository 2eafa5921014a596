// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/guard_keeper.h"

#include <algorithm>

#include "agent/core/log.h"

namespace agent::app {
namespace {

constexpr uint64_t kMostBytes = 16 * 1024 * 1024;

// The state without its second line, which is the time.
std::string WithoutTime(const std::string& text) {
  const size_t first = text.find('\n');
  const size_t second = first == std::string::npos ? first : text.find('\n', first + 1);
  return second == std::string::npos ? std::string() : text.substr(second);
}

}  // namespace

GuardKeeper::GuardKeeper(const std::string& positions_file, label::Policy& policy, platform::Fs& fs, Clock& clock)
    : file_(positions_file.empty() ? std::string() : positions_file + ".labels"), policy_(policy), fs_(fs), clock_(clock) {}

void GuardKeeper::Load() {
  next_look_ = clock_.Now() + kSoon;
  next_save_ = clock_.Now() + kOften;
  if (file_.empty() || !fs_.Stat(file_)) return;
  auto text = platform::ReadWhole(fs_, file_, kMostBytes);
  Status loaded = text ? policy_.LoadState(*text, clock_.Wall(), clock_.Now()) : Status(Forward(text));
  saved_decisions_ = policy_.decisions();
  if (loaded) {
    saved_ = WithoutTime(*text);
    return;
  }
  const Status moved = fs_.Rename(file_, file_ + ".bad");
  LogWarn("the label guard's saved state cannot be used; it begins anew",
          {{"path", file_}, {"err", loaded.error().what}, {"kept_as", moved ? file_ + ".bad" : file_}});
}

void GuardKeeper::Tick(MonoTime now) {
  if (policy_.NextDeadline() <= now) policy_.Tick(clock_.Wall(), now);
  if (file_.empty() || now < next_look_) return;
  next_look_ = now + kSoon;
  if (policy_.decisions() != saved_decisions_ || now >= next_save_) Save();
}

MonoTime GuardKeeper::NextDeadline() const {
  const bool decided = !file_.empty() && policy_.decisions() != saved_decisions_;
  return std::min(policy_.NextDeadline(), decided ? next_look_ : file_.empty() ? kNever : std::max(next_look_, next_save_));
}

void GuardKeeper::Save() {
  if (file_.empty()) return;
  next_save_ = clock_.Now() + kOften;
  const uint64_t decisions = policy_.decisions();
  const std::string text = policy_.SaveState(clock_.Wall());
  std::string now = WithoutTime(text);
  saved_decisions_ = decisions;
  if (now == saved_) return;
  const Status written = Write(text);
  if (written) {
    saved_ = std::move(now);
  } else if (!failing_) {
    LogWarn("the label guard's state cannot be saved; trying again every minute",
            {{"path", file_}, {"err", written.error().what}});
  }
  failing_ = !written;
}

Status GuardKeeper::Write(const std::string& text) {
  const std::string directory(platform::DirectoryOf(file_));
  const std::string temporary = platform::Join(directory, "." + std::string(platform::BaseOf(file_)) + ".tmp");
  {
    auto file = fs_.Open(temporary, platform::OpenMode::kTruncate, 0600);
    if (!file) return Forward(file);
    if (Status done = (*file)->Write(text); !done) return done;
    if (Status done = (*file)->Sync(); !done) return done;
  }
  if (Status done = fs_.Rename(temporary, file_); !done) {
    (void)fs_.Remove(temporary).has_value();
    return done;
  }
  return fs_.SyncDirectory(directory);
}

}  // namespace agent::app
