// SPDX-License-Identifier: Apache-2.0
#include "agent/source/positions.h"

#include <algorithm>

#include "agent/core/log.h"
#include "agent/source/internal/positions_format.h"

namespace agent::source {
namespace {

constexpr uint64_t kMostBytes = 256 * 1024 * 1024;
constexpr int kReadAttempts = 5;
constexpr Duration kFirstBackoff = std::chrono::seconds(1);
constexpr Duration kLongestBackoff = std::chrono::seconds(30);

template <class Metric>
void Count(Metric* metric) {
  if (metric != nullptr) metric->Add(1);
}

}  // namespace

PositionsMetrics PositionsMetrics::In(metrics::Registry& registry) {
  return {&registry.GetCounter("sluice_positions_saves_total", "Times the positions file was written."),
          &registry.GetCounter("sluice_positions_save_failures_total",
                               "Times the positions file could not be written."),
          &registry.GetGauge("sluice_positions_entries", "Files in the positions file.")};
}

Positions::Positions(platform::Fs& fs, PositionsOptions options, PositionsMetrics metrics)
    : fs_(fs), options_(std::move(options)), metrics_(metrics) {}

Positions::~Positions() = default;

Result<std::unique_ptr<Positions>> Positions::Open(platform::Fs& fs, PositionsOptions options,
                                                   PositionsMetrics metrics) {
  std::unique_ptr<Positions> positions(new Positions(fs, std::move(options), metrics));
  if (positions->options_.filename.empty()) return positions;
  if (Status locked = positions->Lock(); !locked) return Forward(locked);
  if (Status loaded = positions->Load(); !loaded) return Forward(loaded);
  return positions;
}

// The lock is a file of its own: the positions file is replaced by every save. It is
// never removed, since whoever waits for it might hold the removed one.
Status Positions::Lock() {
  const std::string path = options_.filename + ".lock";
  auto file = fs_.Open(path, platform::OpenMode::kLock);
  if (!file) {
    LogWarn("cannot lock the positions file; a second agent on it would not be noticed",
            {{"path", path}, {"err", file.error().what}});
    return {};
  }
  auto locked = (*file)->TryLock();
  if (!locked) {
    LogWarn("cannot lock the positions file; a second agent on it would not be noticed",
            {{"path", path}, {"err", locked.error().what}});
    return {};
  }
  if (!*locked) {
    return Fail(Code::kConfig, "another agent is using the positions file " + options_.filename +
                                   ": stop it, or give this one its own file in positions.filename");
  }
  lock_ = std::move(*file);
  return {};
}

Status Positions::Load() {
  auto stat = fs_.Stat(options_.filename);
  if (!stat && stat.error().code == Code::kNotFound) return {};
  if (stat) {
    mode_ = stat->mode;
    seen_until_ns_ = stat->modified_ns;
  }
  auto text = ReadWhole(fs_, options_.filename, kMostBytes);
  // A disk that failed once has not damaged the file; setting it aside would send every line twice.
  for (int again = 1; !text && again < kReadAttempts; ++again) text = ReadWhole(fs_, options_.filename, kMostBytes);
  if (!text) return SetAside("it cannot be read: " + text.error().what);
  auto content = ParsePositions(*text, options_.filename);
  if (!content && content.error().code == Code::kConfig) return Forward(content);
  if (!content) return SetAside(content.error().what);
  if (content->edited) {
    LogWarn("the positions file was changed by another hand; its map is taken as it reads",
            {{"path", options_.filename}});
  }
  if (content->seen_until_ns != 0) seen_until_ns_ = content->seen_until_ns;
  files_ = std::move(content->files);
  by_path_ = std::move(content->by_path);
  cursors_ = std::move(content->cursors);
  LogInfo("positions loaded",
          {{"path", options_.filename}, {"files", files_.size()}, {"imported", by_path_.size()}});
  return {};
}

// Moves the file out of the way. If that fails the start goes on, and every save tries
// it again before it replaces the file.
Status Positions::SetAside(const std::string& why) {
  bad_ = why;
  for (int n = 1; n <= 1000; ++n) {
    const std::string to = options_.filename + ".bad-" + std::to_string(n);
    if (fs_.LinkStat(to).has_value()) continue;
    Status moved = fs_.Rename(options_.filename, to);
    LogError("the positions file is damaged; it was set aside, and logs are read from their beginning",
             {{"path", options_.filename}, {"why", why}, {"moved_to", moved ? to : "nowhere: " + moved.error().what}});
    if (moved) bad_.clear();
    return {};
  }
  return {};
}

std::string Positions::Cursor(const std::string& key) const {
  const auto found = cursors_.find(key);
  return found == cursors_.end() ? std::string() : found->second;
}

void Positions::SetCursor(const std::string& key, std::string value) {
  std::string& old = cursors_[key];
  if (old == value) return;
  old = std::move(value);
  cursors_changed_ = true;
}

bool Positions::Save(const std::vector<PositionView>& files, const std::map<std::string, std::string>& by_path,
                     WallNanos seen_until, MonoTime now) {
  if (options_.filename.empty()) {
    saved_at_ = now;
    return true;
  }
  if (now < retry_at_) return false;
  if (metrics_.entries != nullptr) metrics_.entries->Set(static_cast<double>(files.size() + by_path.size()));
  Status written = Write({files, by_path, cursors_, seen_until});
  if (written) {
    if (!trouble_.empty()) LogInfo("the positions file can be written again", {{"path", options_.filename}});
    trouble_.clear();
    backoff_ = {};
    cursors_changed_ = false;
    saved_at_ = now;
    Count(metrics_.saves);
    return true;
  }
  Count(metrics_.failed_saves);
  if (trouble_ != written.error().what) {
    LogError("cannot write the positions file; trying again, and a restart would send lines twice until then",
             {{"path", options_.filename}, {"err", written.error().what}});
  }
  trouble_ = written.error().what;
  backoff_ = std::clamp(backoff_ * 2, kFirstBackoff, kLongestBackoff);
  retry_at_ = now + backoff_;
  return false;
}

Status Positions::Write(const PositionsToWrite& content) {
  if (!bad_.empty()) {
    if (Status aside = SetAside(bad_); !aside) return aside;
    if (!bad_.empty()) return Fail(Code::kIo, "the damaged positions file cannot be set aside");
  }
  const std::string directory(platform::DirectoryOf(options_.filename));
  const std::string temporary =
      platform::Join(directory, "." + std::string(platform::BaseOf(options_.filename)) + ".tmp");
  Status status = WriteTemporary(temporary, content);
  if (status) status = fs_.Rename(temporary, options_.filename);
  if (!status) {
    (void)fs_.Remove(temporary).has_value();  // it may hold the space that is missing
    return status;
  }
  return fs_.SyncDirectory(directory);
}

Status Positions::WriteTemporary(const std::string& path, const PositionsToWrite& content) {
  auto file = fs_.Open(path, platform::OpenMode::kTruncate, mode_);
  if (!file) return Forward(file);
  Status written = RenderPositions(content, [&](std::string_view piece) { return (*file)->Write(piece); });
  if (!written) return written;
  return (*file)->Sync();
}

}  // namespace agent::source
