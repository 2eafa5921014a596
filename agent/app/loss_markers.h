// SPDX-License-Identifier: Apache-2.0
// Entries about losses in the logs of the pods that had them (limits_config.loss_marker).
// A marker has the labels of the pod's file and `sluice_marker="loss"`: it is no line of a
// stream that Loki refuses, and a refusal of a marker is known as such, so that no marker is
// ever about a marker. A marker's stream gets one entry a minute at most; what is lost
// meanwhile is in the next one.
// Bounded: kMostMarkers streams of markers, kMostStreams refused streams; losses of others
// stand in the ledger only. Thread-safe; `announce` is called without the lock.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "agent/core/mutex.h"
#include "agent/core/time.h"
#include "agent/model/label_set.h"
#include "agent/model/push_batch.h"

namespace agent::app {

class LossMarkers {
 public:
  using Announce = std::function<void(LabelMap, std::string)>;
  static constexpr const char* kLabel = "sluice_marker";
  static constexpr Duration kEvery = std::chrono::minutes(1);
  static constexpr size_t kMostMarkers = 1000;
  static constexpr size_t kMostStreams = 10000;
  static constexpr size_t kMostSentences = 8;

  explicit LossMarkers(Announce announce) : announce_(std::move(announce)) {}

  // Bytes of a file that could not be read.
  void Unread(const LabelMap& labels, const std::string& path, std::string_view reason, uint64_t bytes, MonoTime now);
  // Lines that Loki will never take. `tenant`: if lines choose theirs, else empty.
  void Refused(const PushBatch& batch, const Refusal& refusal, const std::string& tenant, MonoTime now);
  // Says what has waited for its minute.
  void Tick(MonoTime now);

 private:
  struct Sum {
    uint64_t lines = 0;
    uint64_t bytes = 0;
  };
  struct Marker {
    LabelMap labels;
    MonoTime next{};  // not before
    std::map<std::string, Sum> waiting;  // by what happened
  };
  struct Entry {
    LabelMap labels;
    std::string line;
  };

  void Note(const std::string& key, const LabelMap& labels, std::string what, Sum sum, MonoTime now);
  Entry Say(Marker& marker, MonoTime now) AGENT_REQUIRES(mutex_);

  const Announce announce_;
  Mutex mutex_;
  std::map<std::string, Marker> markers_ AGENT_GUARDED_BY(mutex_);       // by the text of their labels
  std::map<std::string, LabelMap> labels_of_ AGENT_GUARDED_BY(mutex_);  // by refused stream
  MonoTime next_ AGENT_GUARDED_BY(mutex_) = kNever;
};

}  // namespace agent::app
