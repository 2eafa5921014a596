// SPDX-License-Identifier: Apache-2.0
// A policy with lanes, files and records, and a clock that a test moves.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/label/policy.h"
#include "agent/model/record.h"
#include "agent/model/tailed_file.h"

namespace agent::label {

// What left the policy: labels and metadata of one record.
struct Out {
  LabelMap labels;
  std::vector<std::pair<std::string, std::string>> metadata;
};

class PolicyHarness {
 public:
  static constexpr uint32_t kLanes = 2;

  explicit PolicyHarness(PolicyOptions options = {}) { Make(std::move(options)); }

  void Make(PolicyOptions options) {
    policy = std::make_unique<Policy>(std::move(options), kLanes, registry,
                                      [this](const Record&, std::string_view reason) { ++dropped[std::string(reason)]; });
  }
  // A process that dies and comes back with what was saved.
  void Restart(PolicyOptions options, Duration pause = Duration(0)) {
    const std::string state = policy->SaveState(wall);
    policy.reset();
    Advance(pause);
    Make(std::move(options));
    const Status loaded = policy->LoadState(state, wall, now);
    ASSERT_TRUE(loaded) << loaded.error().what;
  }
  void Advance(Duration by) {
    now += by;
    wall += by.count();
  }

  std::shared_ptr<TailedFile> File(LabelMap labels) {
    auto file = std::make_shared<TailedFile>();
    file->id = ++last_file_;
    file->path = "/var/log/pods/" + std::to_string(file->id) + ".log";
    file->labels = std::move(labels);
    return file;
  }
  std::shared_ptr<TailedFile> Pod(const std::string& pod) { return File({{"namespace", "shop"}, {"pod", pod}}); }

  // Records of `file` with these labels more, as a pipeline sets them; in one batch.
  std::vector<Out> Send(TailedFile& file, const std::vector<LabelMap>& more, uint32_t lane = 0) {
    RecordBatch batch;
    for (const LabelMap& labels : more) {
      LabelMap all = labels;
      all.insert(file.labels.begin(), file.labels.end());
      Record* record = batch.Append();
      record->line = "line";
      record->labels = interners_[lane].Intern(all);
      record->origin.file = &file;
    }
    policy->Apply(lane, batch.records(), batch.arena(), interners_[lane], wall, now);
    std::vector<Out> out;
    for (const Record* record : batch.records()) {
      out.push_back({record->labels->ToMap(), {}});
      for (const MetadataPair* pair = record->metadata; pair != nullptr; pair = pair->next) {
        out.back().metadata.emplace_back(pair->name, pair->value);
      }
    }
    if (interners_[lane].size() > 4096) interners_[lane].Sweep();
    return out;
  }
  Out SendOne(TailedFile& file, const LabelMap& more, uint32_t lane = 0) {
    const std::vector<Out> out = Send(file, {more}, lane);
    return out.empty() ? Out{} : out.front();
  }
  // `count` values of one label, one record each: prefix0, prefix1, ...
  void SendValues(TailedFile& file, const std::string& label, size_t count, const std::string& prefix = "v") {
    for (size_t i = 0; i < count; ++i) SendOne(file, {{label, prefix + std::to_string(i)}});
  }
  LabelCardinality Use(const std::string& label) const {
    for (const LabelCardinality& use : policy->Snapshot().labels) {
      if (use.name == label) return use;
    }
    return {};
  }
  LabelInterner& interner(uint32_t lane = 0) { return interners_[lane]; }

  metrics::Registry registry;
  std::unique_ptr<Policy> policy;
  std::map<std::string, int> dropped;
  MonoTime now{std::chrono::hours(5)};
  WallNanos wall = 1'700'000'000'000'000'000;

 private:
  std::deque<LabelInterner> interners_{kLanes};
  uint64_t last_file_ = 0;
};

}  // namespace agent::label
