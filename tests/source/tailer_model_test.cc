// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/source/tailer_model.h"

namespace agent::source {
namespace {

// Five parts, so that they may run side by side. No threads here: the thread sanitizer has
// little to see, and gets fewer.
constexpr uint64_t kSeed = 20260302;
constexpr uint64_t kParts = 5;
#ifdef __SANITIZE_THREAD__
constexpr uint64_t kSequences = 100;
#else
constexpr uint64_t kSequences = 1000;
#endif

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// What happens often and what seldom; most sequences are dull without these weights.
std::vector<Operation> Sequence(uint64_t seed) {
  static constexpr std::pair<Do, int> kWeights[] = {
      {Do::kWrite, 20},      {Do::kWritePart, 4}, {Do::kRotate, 8},    {Do::kLateWrite, 3}, {Do::kGzip, 4},
      {Do::kDropOldest, 1},  {Do::kTruncate, 1},  {Do::kCopyTruncate, 2}, {Do::kDelete, 2}, {Do::kRemoveDirectory, 1},
      {Do::kRestart, 2},     {Do::kDropOldestRun, 1}, {Do::kMeanwhile, 3},
      {Do::kEvents, 12},     {Do::kRead, 12},     {Do::kAcknowledge, 12}, {Do::kTick, 8},   {Do::kPass, 6},
      {Do::kPassLong, 2},    {Do::kKill, 2},      {Do::kStart, 4},     {Do::kStop, 1},      {Do::kOutage, 1},
      {Do::kOverflow, 1},    {Do::kFaults, 1},    {Do::kHeal, 2},
  };
  std::mt19937_64 random(seed);
  int total = 0;
  for (const auto& [what, weight] : kWeights) total += weight;
  std::vector<Operation> operations;
  const size_t length = 10 + random() % 60;
  for (size_t i = 0; i < length; ++i) {
    int pick = static_cast<int>(random() % static_cast<uint64_t>(total));
    for (const auto& [what, weight] : kWeights) {
      pick -= weight;
      if (pick >= 0) continue;
      operations.push_back({what, static_cast<uint32_t>(random()), static_cast<uint32_t>(random())});
      break;
    }
  }
  return operations;
}

std::optional<std::string> Try(uint64_t seed, const std::vector<Operation>& operations) {
  TailerModel model(seed);
  return model.Run(operations);
}

// Leaves out what is not needed to fail.
std::vector<Operation> Shrink(uint64_t seed, std::vector<Operation> operations) {
  for (size_t chunk = operations.size() / 2; chunk > 0; chunk /= 2) {
    for (size_t at = 0; at < operations.size();) {
      std::vector<Operation> fewer = operations;
      const size_t end = std::min(at + chunk, fewer.size());
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(at), fewer.begin() + static_cast<std::ptrdiff_t>(end));
      if (Try(seed, fewer)) operations = std::move(fewer);
      else at += chunk;
    }
  }
  return operations;
}

class TailerModelTest : public ::testing::TestWithParam<uint64_t> {};

// SLUICE_MODEL_SEED and SLUICE_MODEL_SEQUENCES choose others, all in the first part.
TEST_P(TailerModelTest, EveryLineArrivesWhateverHappens) {
  const bool chosen = std::getenv("SLUICE_MODEL_SEED") != nullptr;
  const uint64_t first = FromEnvironment("SLUICE_MODEL_SEED", kSeed + GetParam() * kSequences);
  const uint64_t count = chosen && GetParam() > 0 ? 0 : FromEnvironment("SLUICE_MODEL_SEQUENCES", kSequences);
  std::cout << "SLUICE_MODEL_SEED=" << first << " SLUICE_MODEL_SEQUENCES=" << count << "\n";
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const std::vector<Operation> operations = Sequence(seed);
    bool failed = false;
    {
      LogCapture quiet;
      failed = Try(seed, operations).has_value();
    }
    if (!failed) continue;
    std::vector<Operation> fewer;
    {
      LogCapture quiet;
      fewer = Shrink(seed, operations);
    }
    SetLogLevel(LogLevel::kDebug);
    LogCapture log;
    const std::string why = *Try(seed, fewer);
    SetLogLevel(LogLevel::kInfo);
    FAIL() << "SLUICE_MODEL_SEED=" << seed << " SLUICE_MODEL_SEQUENCES=1\n"
           << Describe(fewer) << why << "\n"
           << log.text();
  }
}

INSTANTIATE_TEST_SUITE_P(Part, TailerModelTest, ::testing::Range(uint64_t{0}, kParts));

}  // namespace
}  // namespace agent::source
