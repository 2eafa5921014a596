// SPDX-License-Identifier: Apache-2.0
// Remembers which label set came out of a base set and a few texts, so that a stage
// that sets several labels does one lookup per record and builds no string.
// Lane-local; direct-mapped, kSlots entries, each with a copy of its key. Label sets
// are not pinned: Clear() must be called when they are swept (Stage::ForgetLabels).
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/model/label_set.h"

namespace agent::stage {

class LabelCache {
 public:
  static constexpr size_t kSlots = 512;
  static constexpr size_t kMaxKey = 1024;  // longer texts are not remembered

  // The set for (base, texts), made by make() if it is not known. A text whose data()
  // is null ("no such value") differs from the empty text.
  template <class Make>
  const LabelSet* Get(const LabelSet* base, std::span<const std::string_view> texts, Make&& make) {
    if (slots_.empty()) slots_.resize(kSlots);
    uint64_t hash = base->hash();
    size_t bytes = 0;
    for (const std::string_view text : texts) {
      hash = Mix(hash, text);
      bytes += text.size() + sizeof(uint32_t);
    }
    if (bytes > kMaxKey) return make();
    Slot& slot = slots_[(hash ^ (hash >> 32)) % kSlots];
    if (slot.base == base && slot.hash == hash && Equal(slot.key, texts)) return slot.result;
    slot.base = base;
    slot.hash = hash;
    slot.key.clear();
    for (const std::string_view text : texts) {
      const uint32_t size = SizeOf(text);
      slot.key.append(reinterpret_cast<const char*>(&size), sizeof size);
      slot.key.append(text);
    }
    slot.result = make();
    return slot.result;
  }

  void Clear() { slots_.clear(); }

 private:
  struct Slot {
    const LabelSet* base = nullptr;
    uint64_t hash = 0;
    std::string key;  // for each text its size and its bytes
    const LabelSet* result = nullptr;
  };

  static uint32_t SizeOf(std::string_view text) {
    return text.data() == nullptr ? UINT32_MAX : static_cast<uint32_t>(text.size());
  }

  static uint64_t Fold(uint64_t a, uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }

  static uint64_t Mix(uint64_t hash, std::string_view text) {
    constexpr uint64_t kOdd = 0x9E3779B97F4A7C15ULL;
    hash = Fold(hash ^ SizeOf(text), kOdd);
    while (text.size() >= 8) {
      uint64_t word;
      std::memcpy(&word, text.data(), 8);
      hash = Fold(hash ^ word, kOdd);
      text.remove_prefix(8);
    }
    uint64_t word = 0;
    if (!text.empty()) std::memcpy(&word, text.data(), text.size());
    return Fold(hash ^ word, kOdd);
  }

  static bool Equal(std::string_view key, std::span<const std::string_view> texts) {
    for (const std::string_view text : texts) {
      uint32_t size;
      if (key.size() < sizeof size) return false;
      std::memcpy(&size, key.data(), sizeof size);
      key.remove_prefix(sizeof size);
      if (size != SizeOf(text) || !key.starts_with(text)) return false;
      key.remove_prefix(text.size());
    }
    return key.empty();
  }

  std::vector<Slot> slots_;
};

}  // namespace agent::stage
