// SPDX-License-Identifier: Apache-2.0
// A fixture that tells stories about files: what writers do, what the tailer makes of
// it, what arrives. Memory file system, manual clock, a stand-in lane.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/log.h"
#include "agent/source/tailer.h"
#include "tests/source/stand_in_lane.h"
#include "tests/support/faulty_fs.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_executor.h"
#include "tests/support/mem_fs.h"

namespace agent::source {

inline std::string Gzip(std::string_view text) {
  z_stream stream{};
  ::deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(::deflateBound(&stream, text.size()) + 64, '\0');
  std::string in(text);
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

class LossList final : public LossObserver {
 public:
  void Lost(const Loss& loss) override { losses.push_back(loss); }
  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const Loss& loss : losses) sum += loss.bytes;
    return sum;
  }
  std::vector<Loss> losses;
};

class TailerWorld {
 public:
  static constexpr const char* kPositions = "/state/positions.yaml";

  TailerWorld() {
    mem.MakeDirectories("/state");
    mem.MakeDirectories("/logs");
  }

  // -- the agent --
  void Start() {
    watcher = inotify ? mem.MakeWatcher() : nullptr;
    auto opened = Positions::Open(faulty, positions_options);
    ASSERT_TRUE(opened.has_value()) << opened.error().what;
    positions = std::move(*opened);
    lane = std::make_unique<StandInLane>();
    tailer = std::make_unique<Tailer>(
        options, TailerParts{faulty, watcher.get(), clock, *positions, *lane, losses, {}, labels_of}, clock.Now());
    tailer->SetTargets(0, targets, clock.Now());
    tailer->TargetsComplete();
  }
  // As after SIGKILL: what was not saved is forgotten.
  void Kill() {
    if (lane != nullptr) {
      for (const auto& line : lane->lines()) {
        arrived.push_back(line);
        arrived.back().file.reset();
      }
    }
    tailer.reset();
    lane.reset();
    positions.reset();
    watcher.reset();
  }
  void Stop() {
    lane->Read(clock.Now());
    lane->AcknowledgeAll();
    tailer->Save(clock.Now());
    Kill();
  }
  void Restart() {
    Stop();
    Start();
  }

  std::shared_ptr<Target> AddTarget(const std::string& path, const std::string& job = "job",
                                    const LabelMap& labels = {}) {
    auto target = std::make_shared<Target>();
    target->job = job;
    target->path = path;
    target->labels = labels;
    targets.push_back(target);
    return target;
  }

  // Events, lane, acknowledgements: what happens at once.
  void Step() {
    if (tailer == nullptr) return;
    tailer->HandleEvents(clock.Now());
    tailer->Tick(clock.Now());
    lane->Read(clock.Now());
    if (acknowledge) lane->AcknowledgeAll();
  }
  // Time passes, in the tailer's own steps; how many they were.
  int Pass(Duration time) {
    Step();
    return testing::ManualExecutor(clock).Add(Deadline(), [this](MonoTime) { Step(); }).Pass(time);
  }
  // The same while the lane reads nothing.
  void PassUnread(Duration time) {
    testing::ManualExecutor(clock).Add(Deadline(), [this](MonoTime now) {
      tailer->HandleEvents(now);
      tailer->Tick(now);
    }).Pass(time);
  }
  std::function<MonoTime()> Deadline() {
    return [this] { return tailer->NextDeadline(); };
  }

  // Every line that has arrived, restarts included.
  std::vector<std::string> Lines() const {
    std::vector<std::string> out;
    for (const auto& line : arrived) out.push_back(line.text);
    if (lane != nullptr) {
      for (const auto& line : lane->lines()) out.push_back(line.text);
    }
    return out;
  }
  std::string State(const std::string& path) const {
    for (const FileView& view : tailer->Files()) {
      if (view.path == path) return view.trouble.empty() ? "followed" : view.trouble;
    }
    return "unknown";
  }

  testing::ManualClock clock;
  testing::MemFs mem{clock};
  testing::FaultyFs faulty{mem};
  std::unique_ptr<platform::Watcher> watcher;
  std::unique_ptr<Positions> positions;
  std::unique_ptr<StandInLane> lane;
  std::unique_ptr<Tailer> tailer;
  LossList losses;
  TailerOptions options;
  PositionsOptions positions_options{kPositions, std::chrono::seconds(1), false};
  std::function<std::optional<LabelMap>(const Target&, const std::string&, std::string&)> labels_of;
  std::vector<std::shared_ptr<const Target>> targets;
  std::vector<StandInLane::Line> arrived;
  bool inotify = true;
  bool acknowledge = true;
};

using Strings = std::vector<std::string>;

}  // namespace agent::source
