// SPDX-License-Identifier: Apache-2.0
#include "agent/label/internal/hyperloglog.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

namespace agent::label {
namespace {

constexpr double kCount = static_cast<double>(HyperLogLog::kRegisters);

// The series of the empty registers (sigma) and of the full ones (tau).
double Sigma(double x) {
  if (x >= 1) return std::numeric_limits<double>::infinity();
  double power = 1;
  double sum = x;
  for (double before = -1; sum != before; power += power) {
    x *= x;
    before = sum;
    sum += x * power;
  }
  return sum;
}

double Tau(double x) {
  if (x <= 0 || x >= 1) return 0;
  double power = 1;
  double sum = 1 - x;
  for (double before = -1; sum != before;) {
    x = std::sqrt(x);
    before = sum;
    power *= 0.5;
    sum -= (1 - x) * (1 - x) * power;
  }
  return sum / 3;
}

}  // namespace

void HyperLogLog::Raise(size_t index, uint8_t from, uint8_t to) {
  nibbles_[index / 2] = static_cast<uint8_t>(nibbles_[index / 2] ^ ((from ^ to) << (index % 2 * 4)));
  --histogram_[from];
  ++histogram_[to];
}

bool HyperLogLog::Add(uint64_t hash) {
  const size_t index = hash >> (64 - kIndexBits);
  const int zeros = std::countl_zero(hash << kIndexBits);
  const auto rank = static_cast<uint8_t>(std::min<int>(zeros + 1, kMaxRank));
  const uint8_t now = Get(index);
  if (rank <= now) return false;
  Raise(index, now, rank);
  return true;
}

void HyperLogLog::Merge(const HyperLogLog& other) {
  for (size_t i = 0; i < kRegisters; ++i) {
    const uint8_t mine = Get(i);
    const uint8_t theirs = other.Get(i);
    if (theirs > mine) Raise(i, mine, theirs);
  }
}

double HyperLogLog::Estimate() const {
  double z = kCount * Tau(1 - histogram_[kMaxRank] / kCount);
  for (size_t rank = kMaxRank - 1; rank >= 1; --rank) z = 0.5 * (z + histogram_[rank]);
  z += kCount * Sigma(histogram_[0] / kCount);
  return kCount * kCount / (2 * std::numbers::ln2 * z);
}

std::string HyperLogLog::ToText() const {
  std::string out(kRegisters, '0');
  for (size_t i = 0; i < kRegisters; ++i) out[i] = "0123456789abcdef"[Get(i)];
  return out;
}

std::optional<HyperLogLog> HyperLogLog::FromText(std::string_view text) {
  if (text.size() != kRegisters) return std::nullopt;
  HyperLogLog out;
  for (size_t i = 0; i < kRegisters; ++i) {
    const char c = text[i];
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
    const auto rank = static_cast<uint8_t>(digit ? c - '0' : c - 'a' + 10);
    if (rank > 0) out.Raise(i, 0, rank);
  }
  return out;
}

}  // namespace agent::label
