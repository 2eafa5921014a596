// SPDX-License-Identifier: Apache-2.0
#include "agent/source/tailer.h"

#include <limits>

#include "agent/core/log.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {

TailerMetrics TailerMetrics::In(metrics::Registry& registry) {
  TailerMetrics made;
  made.active_files = &registry.GetGauge("promtail_files_active_total", "Number of active files.");
  made.watches = &registry.GetGauge("sluice_inotify_watches", "Directories watched with inotify.");
  made.polled = &registry.GetGauge("sluice_polling", "1 while directories are polled because inotify cannot work.");
  made.pinned_bytes =
      &registry.GetGauge("sluice_pinned_bytes", "Bytes of deleted files that are kept open until they are stored.");
  made.unreadable = &registry.GetGauge("sluice_unreadable_files", "Files that match a target and cannot be read.");
  made.seconds_to_loss = &registry.GetGauge(
      "sluice_seconds_to_loss",
      "Until rotation deletes bytes that are not stored, at the rate of writing; of the file that is nearest. +Inf: none.");
  made.seconds_to_loss->Set(std::numeric_limits<double>::infinity());
  made.overflows = &registry.GetCounter("sluice_inotify_overflows_total",
                                        "Overflows of the inotify queue; everything is looked at again then.");
  made.rotations = &registry.GetCounter("sluice_file_rotations_total", "Files renamed, replaced or deleted.");
  made.truncations = &registry.GetCounter("sluice_file_truncations_total", "Files cut off by their writers.");
  made.recovered = &registry.GetCounter("sluice_recovered_files_total",
                                        "Rotated files found again and read on, archives among them.");
  made.lost_bytes = &registry.GetCounter("sluice_unread_bytes_lost_total",
                                         "Bytes of files that went away before they were read.");
  return made;
}

LabelMap LabelsOf(const Target& target, const std::string& path) {
  LabelMap labels = target.labels;
  if (target.filename_label) labels["filename"] = path;
  return labels;
}

Tailer::Impl::Impl(TailerOptions options, TailerParts parts, MonoTime now)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      now_(now),
      tree_(parts_.fs, parts_.watcher, *this),
      unclaimed_(parts_.positions.files()),
      imported_(parts_.positions.by_path()),
      next_sync_(now + options_.sync_period),
      next_save_(now + parts_.positions.options().sync_period) {
  alive_since_ns_ = parts_.positions.seen_until_ns();
  if (alive_since_ns_ == 0) alive_since_ns_ = parts_.clock.Wall();
  seen_until_ = alive_since_ns_;
  // Before anything can happen to a file, it stands written when this began: what is rotated
  // while a first start is killed is not history.
  if (parts_.positions.seen_until_ns() == 0) Save(now_);
}

Tailer::Impl::~Impl() = default;

Tailer::Tailer(TailerOptions options, TailerParts parts, MonoTime now)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(parts), now)) {}

Tailer::~Tailer() = default;

void Tailer::SetTargets(uint32_t scrape_config, std::vector<std::shared_ptr<const Target>> targets, MonoTime now) {
  impl_->SetTargets(scrape_config, std::move(targets), now);
}

void Tailer::Reconfigure(TailerOptions options) { impl_->Reconfigure(std::move(options)); }
void Tailer::TargetsComplete() { impl_->TargetsComplete(); }
int Tailer::event_fd() const { return impl_->event_fd(); }
Duration Tailer::HandleEvents(MonoTime now) { return impl_->HandleEvents(now); }
void Tailer::Tick(MonoTime now) { impl_->Tick(now); }
MonoTime Tailer::NextDeadline() const { return impl_->NextDeadline(); }
bool Tailer::Save(MonoTime now) { return impl_->Save(now); }
std::vector<FileView> Tailer::Files() const { return impl_->Files(); }
std::vector<std::string> Tailer::Explain(const std::string& path) const { return impl_->Explain(path); }
uint64_t Tailer::pinned_bytes() const { return impl_->pinned_bytes(); }
size_t Tailer::watches() const { return impl_->watches(); }
bool Tailer::polling() const { return impl_->polling(); }

}  // namespace agent::source
