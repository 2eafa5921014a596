// SPDX-License-Identifier: Apache-2.0
// Random batches against a model of Loki that refuses, limits, forgets and breaks off at
// random, and whose ingester speaks of the last stream of a request only, as the real
// one does. Whatever happens: nothing is lost, streams keep their order, and what is
// refused for good is counted.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include "agent/core/log.h"
#include "tests/push/push_harness.h"

namespace agent::push {
namespace {

constexpr int kRuns = 60;

// What a line asks for is in its first word: "ok", "old" (refused by validation),
// "behind" (refused by the ingester), "poison" (whole request refused, no reason given).
std::string WordOf(const std::string& line) { return line.substr(0, line.find(' ')); }
int NumberOf(const std::string& line) { return std::stoi(line.substr(line.find(' ') + 1)); }

class LokiModel {
 public:
  explicit LokiModel(uint32_t seed) : random_(seed) { calm_ = false; }

  ScriptedAnswer Push(const ReceivedRequest& request) {
    const std::lock_guard lock(mutex_);  // connections have threads of their own
    if (!calm_ && away_ == 0 && Chance(8)) {
      away_ = 10 + random_() % 30;
      absence_ = random_() % 2 == 0 ? Broken(Wire::kReset) : Answer(503);
    }
    if (calm_) away_ = 0;
    if (away_ > 0) {
      --away_;
      return absence_;
    }
    if (!calm_ && Chance(12)) return Fault();
    if (request.streams.empty()) return Answer(422, "error at least one valid stream is required for ingestion\n");
    for (const PushedStream& stream : request.streams) {
      if (stream.labels.find("bad.") != std::string::npos) return Answer(400, "couldn't parse labels: 1:3\n");
    }
    if (request.Lines().size() > 25) return Answer(413, "too much");
    for (const std::string& line : request.Lines()) {
      if (WordOf(line) == "poison") return Answer(400, "nobody knows why\n");
    }
    std::string invalid;
    for (const PushedStream& stream : request.streams) {
      for (const PushedEntry& entry : stream.entries) {
        if (WordOf(entry.line) != "old") continue;
        invalid += (invalid.empty() ? "" : "; ") + std::string("1 errors like: max entry size '1' bytes exceeded for stream '") +
                   stream.labels + "' while adding an entry with length '" + std::to_string(entry.line.size()) + "' bytes";
      }
    }
    if (!calm_ && Chance(8)) return Answer(429, TenantRateText());
    if (!calm_ && Chance(20)) limited_ = !limited_;
    if (calm_) limited_ = false;
    ScriptedAnswer verdict = Answer(204);
    for (const PushedStream& stream : request.streams) verdict = Store(stream);  // the last one decides
    if (verdict.status == 204 && !invalid.empty()) return Answer(400, invalid + "\n");
    return verdict;
  }

  void Calm() {
    const std::lock_guard lock(mutex_);
    calm_ = true;
  }
  std::map<std::string, std::vector<std::string>> stored() const {
    const std::lock_guard lock(mutex_);
    return stored_;
  }

 private:
  bool Chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  ScriptedAnswer Fault() {
    switch (random_() % 6) {
      case 0: return Answer(500, "oops");
      case 1: return Broken(Wire::kReset);
      case 2: return Broken(Wire::kMidBody);
      case 3: return Answer(503, "");
      case 4: return Answer(400, "a gateway is not well\n");
      default: return Answer(404, "not here");
    }
  }

  ScriptedAnswer Store(const PushedStream& stream) {
    if (limited_ && stream.labels.find("hot") != std::string::npos) {
      if (Chance(50)) return Answer(429, StreamLimitText(stream.labels));
      // A part may be stored before the rate is reached.
      const size_t taken = random_() % (stream.entries.size() + 1);
      for (size_t i = 0; i < taken; ++i) Keep(stream, stream.entries[i]);
      return Answer(429, StreamRateText(stream.labels, static_cast<int>(stream.entries.size() - taken), 1));
    }
    int behind = 0;
    for (const PushedEntry& entry : stream.entries) behind += !Keep(stream, entry);
    if (behind == 0) return Answer(204);
    return Answer(400, "entry with timestamp x ignored, reason: 'entry too far behind, entry timestamp is: x', user 'f', "
                       "total ignored: " + std::to_string(behind) + " out of 9 for stream: " + stream.labels + "\n");
  }

  bool Keep(const PushedStream& stream, const PushedEntry& entry) {
    const std::string word = WordOf(entry.line);
    if (word == "ok") stored_[stream.labels].push_back(entry.line);
    return word != "behind";
  }

  mutable std::mutex mutex_;
  std::mt19937 random_;
  bool calm_;
  bool limited_ = false;
  size_t away_ = 0;  // requests that find nobody
  ScriptedAnswer absence_;
  std::map<std::string, std::vector<std::string>> stored_;
};

class Model : public PushHarness {
 protected:
  // One batch: ordinary streams first, hot ones last (as the batcher orders them).
  std::vector<PushedStream> MakeBatch(std::mt19937& random) {
    std::vector<PushedStream> streams;
    const char* names[] = {"a", "b", "c", "hot1", "hot2"};
    for (const char* name : names) {
      if (random() % 3 == 0) continue;
      PushedStream stream;
      stream.labels = std::string("{app=\"") + name + "\"}";
      const size_t count = 1 + random() % 12;
      for (size_t i = 0; i < count; ++i) {
        const int dice = static_cast<int>(random() % 100);
        const bool plain = name[0] != 'h';
        const char* word = plain && dice < 3 ? "old" : name[0] == 'c' && dice < 6 ? "behind" : dice > 98 ? "poison" : "ok";
        const int number = next_[stream.labels]++;
        stream.entries.push_back({1'700'000'000'000'000'000 + number, word + (" " + std::to_string(number)), {}});
        ++sent_[word];
        if (word == std::string("ok")) wanted_[stream.labels].push_back(stream.entries.back().line);
      }
      streams.push_back(std::move(stream));
    }
    if (random() % 10 == 0) {
      PushedStream bad = Stream("x", {"ok 0"});
      bad.labels = "{bad.name=\"x\"}";
      streams.insert(streams.begin(), bad);
      ++sent_["bad"];
    }
    if (streams.empty()) streams.push_back(Stream("empty", {"ok 0"}));
    return streams;
  }

  void Check() {
    const auto stored = model_->stored();
    for (const auto& [labels, lines] : wanted_) {
      const auto found = stored.find(labels);
      const std::vector<std::string> got = found == stored.end() ? std::vector<std::string>() : found->second;
      std::set<std::string> seen;
      int last = -1;
      for (const std::string& line : got) {
        if (!seen.insert(line).second) continue;  // sent twice: allowed
        EXPECT_GT(NumberOf(line), last) << "out of order in " << labels;
        last = NumberOf(line);
      }
      for (const std::string& line : lines) EXPECT_TRUE(seen.contains(line)) << labels << " lost " << line;
    }
    std::map<std::string, uint64_t> refused;
    std::set<BatchId> ids;
    for (const Delivery& delivery : deliveries_) {
      EXPECT_FALSE(delivery.cancelled);
      EXPECT_TRUE(ids.insert(delivery.batch->id).second) << "given back twice";
      for (const Refusal& refusal : delivery.refused) refused[refusal.reason] += refusal.entries;
    }
    EXPECT_EQ(ids.size(), last_id_);
    EXPECT_EQ(refused["refused"], sent_["poison"]);
    EXPECT_EQ(refused["invalid_labels"], sent_["bad"]);
    // Loki's silence about all streams but the last, and about validation where a limit
    // speaks, makes these lower bounds.
    EXPECT_LE(refused["line_too_long"], sent_["old"]);
    EXPECT_LE(refused["too_far_behind"], sent_["behind"]);
    for (const auto& [reason, count] : refused) {
      EXPECT_TRUE(count == 0 || reason == "refused" || reason == "invalid_labels" || reason == "line_too_long" ||
                  reason == "too_far_behind")
          << reason << " x" << count;
    }
  }

  std::unique_ptr<LokiModel> model_;
  std::map<std::string, int> next_;
  std::map<std::string, uint64_t> sent_;
  std::map<std::string, std::vector<std::string>> wanted_;
};

TEST_F(Model, NothingIsLostAndOrderIsKept) {
  // SLUICE_SEED=n runs that one again.
  const char* chosen = std::getenv("SLUICE_SEED");
  const uint32_t first = chosen != nullptr ? static_cast<uint32_t>(std::stoul(chosen)) : std::random_device{}();
  const int runs = chosen != nullptr ? 1 : kRuns;
  int returns = 0;  // runs in which Loki was found to be back by knocking
  for (int run = 0; run < runs && !HasFailure(); ++run) {
    const uint32_t seed = first + static_cast<uint32_t>(run);
    SCOPED_TRACE("seed " + std::to_string(seed));
    LogCapture quiet;
    std::mt19937 random(seed);
    model_ = std::make_unique<LokiModel>(seed);
    loki_.SetHandler([this](const ReceivedRequest& request) { return model_->Push(request); });
    pusher_.reset();
    deliveries_.clear();
    next_.clear();
    sent_.clear();
    wanted_.clear();
    last_id_ = 0;
    Start({options_});
    const size_t batches = 1 + random() % 12;
    for (size_t i = 0; i < batches; ++i) {
      Send(MakeBatch(random));
      Crank();
      if (random() % 2 == 0) Advance(std::chrono::seconds(random() % 400));
    }
    for (int i = 0; i < 60 && !pusher_->Idle(); ++i) SkipWait();
    model_->Calm();
    ASSERT_TRUE(Finish()) << quiet.text();
    Check();
    returns += quiet.text().find("answers again") != std::string::npos;
  }
  EXPECT_TRUE(chosen != nullptr || HasFailure() || returns > 0) << "no absence was long enough to be knocked at";
}

}  // namespace
}  // namespace agent::push
