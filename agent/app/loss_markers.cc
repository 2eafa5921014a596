// SPDX-License-Identifier: Apache-2.0
#include "agent/app/loss_markers.h"

#include <algorithm>
#include <vector>

#include "agent/model/tailed_file.h"

namespace agent::app {
namespace {

constexpr const char* kTenantLabel = "__tenant_id__";

// How many of the file's labels stand in the text of a stream, `{a="1", b="2"}`.
size_t Alike(const LabelMap& labels, const std::string& stream) {
  return static_cast<size_t>(std::count_if(labels.begin(), labels.end(), [&](const auto& label) {
    const std::string braced = FormatLabels({label});
    const std::string text = braced.substr(1, braced.size() - 2);
    return stream.find("{" + text) != std::string::npos || stream.find(" " + text) != std::string::npos;
  }));
}

// The labels of the file that the lines came from: of those in the batch the likest one.
LabelMap LabelsOfStream(const PushBatch& batch, const std::string& stream) {
  if (batch.files.size() == 1) return batch.files.front()->labels;
  const TailedFile* best = nullptr;
  size_t most = 0;
  for (const auto& file : batch.files) {
    const size_t alike = Alike(file->labels, stream);
    if (alike <= most) continue;
    most = alike;
    best = file.get();
  }
  return best == nullptr ? LabelMap() : best->labels;
}

}  // namespace

void LossMarkers::Unread(const LabelMap& labels, const std::string& path, std::string_view reason, uint64_t bytes,
                         MonoTime now) {
  Note(FormatLabels(labels), labels, " of " + path + " were lost before they were read (" + std::string(reason) + ")",
       {0, bytes}, now);
}

void LossMarkers::Refused(const PushBatch& batch, const Refusal& refusal, const std::string& tenant, MonoTime now) {
  if (refusal.stream.find(std::string(kLabel) + "=\"") != std::string::npos) return;
  LabelMap labels;
  if (refusal.stream.empty()) {  // the whole batch
    if (batch.files.size() == 1) labels = batch.files.front()->labels;
  } else {
    MutexLock lock(mutex_);
    auto known = labels_of_.find(refusal.stream);
    if (known == labels_of_.end()) {
      if (labels_of_.size() >= kMostStreams) labels_of_.clear();
      known = labels_of_.emplace(refusal.stream, LabelsOfStream(batch, refusal.stream)).first;
    }
    labels = known->second;
  }
  if (!tenant.empty() && !labels.empty()) labels[kTenantLabel] = tenant;
  if (labels.empty()) return;
  const std::string of = refusal.stream.empty() ? "" : " of " + refusal.stream;
  Note(FormatLabels(labels), labels, of + " were refused for good (" + refusal.reason + ")",
       {refusal.entries, refusal.bytes}, now);
}

void LossMarkers::Note(const std::string& key, const LabelMap& labels, std::string what, Sum sum, MonoTime now) {
  Entry entry;
  {
    MutexLock lock(mutex_);
    if (markers_.size() >= kMostMarkers && !markers_.contains(key)) {
      std::erase_if(markers_, [now](const auto& each) { return each.second.waiting.empty() && each.second.next <= now; });
      if (markers_.size() >= kMostMarkers) return;
    }
    Marker& marker = markers_[key];
    if (marker.labels.empty()) {
      marker.labels = labels;
      marker.labels[kLabel] = "loss";
    }
    if (marker.waiting.size() >= kMostSentences && !marker.waiting.contains(what)) what = " were lost otherwise (see /api/ledger)";
    Sum& sums = marker.waiting[what];
    sums.lines += sum.lines;
    sums.bytes += sum.bytes;
    if (now < marker.next) {
      next_ = std::min(next_, marker.next);
      return;
    }
    entry = Say(marker, now);
  }
  announce_(std::move(entry.labels), std::move(entry.line));
}

LossMarkers::Entry LossMarkers::Say(Marker& marker, MonoTime now) {
  std::string line = "sluice: ";
  for (const auto& [what, sum] : marker.waiting) {
    if (line.back() != ' ') line += "; ";
    const std::string bytes = std::to_string(sum.bytes) + " bytes";
    line += sum.lines == 0 ? bytes : std::to_string(sum.lines) + (sum.lines == 1 ? " line (" : " lines (") + bytes + ")";
    line += what;
  }
  marker.waiting.clear();
  marker.next = now + kEvery;
  return {marker.labels, std::move(line)};
}

void LossMarkers::Tick(MonoTime now) {
  std::vector<Entry> entries;
  {
    MutexLock lock(mutex_);
    if (now < next_) return;
    next_ = kNever;
    for (auto& [key, marker] : markers_) {
      if (marker.waiting.empty()) continue;
      if (now >= marker.next) entries.push_back(Say(marker, now));
      else next_ = std::min(next_, marker.next);
    }
  }
  for (Entry& entry : entries) announce_(std::move(entry.labels), std::move(entry.line));
}

}  // namespace agent::app
