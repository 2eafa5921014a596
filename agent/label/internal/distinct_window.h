// SPDX-License-Identifier: Apache-2.0
// How many distinct hashes were seen in a sliding window. The window is cut into five
// parts, and the part before them is kept until it is over: what was seen at most one
// window ago counts, what is older than one window and a fifth does not.
//
// Exact up to `exact_limit` values (8 bytes each, in an open hash table); one more
// turns it into one HyperLogLog per part, for good (until Clear): which values are in
// it can then not be told. Thread-compatible.
// Memory: 11 to 21 bytes a value up to the limit, then at most 57 KiB (with a limit of
// kMaxExact, turning over takes less than 64 KiB).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/label/internal/hyperloglog.h"

namespace agent::label {

class DistinctWindow {
 public:
  static constexpr size_t kPartsPerWindow = 5;
  static constexpr size_t kParts = kPartsPerWindow + 1;
  static constexpr size_t kMaxExact = 1536;  // of a label: its table is 16 KiB

  explicit DistinctWindow(size_t exact_limit) : exact_limit_(exact_limit) {}

  // Sees a hash in the current part. True if that may have changed the count.
  bool Add(uint64_t hash);
  // Whether it is in the window; while exact() only.
  bool Contains(uint64_t hash) const;
  uint64_t Count() const;
  bool exact() const { return merged_ == nullptr; }
  // A lower limit takes effect with the next new value.
  void set_exact_limit(size_t limit) { exact_limit_ = limit; }

  // `parts` parts of the window have gone by.
  void Turn(uint64_t parts);
  void Clear();

  size_t MemoryBytes() const;

  // `exact AGE:HASH,HASH,... AGE:...`, ages in parts, or `sketch DIGITS`.
  std::string ToText() const;
  // What ToText wrote `parts` parts ago. False if the text is not of that form.
  bool FromText(std::string_view text, uint64_t parts);

 private:
  // An entry of the table: a hash whose low three bits are its part and 1; 0 is free.
  static constexpr uint64_t kPartBits = 7;
  uint64_t* Slot(uint64_t hash);
  void Insert(uint64_t entry);
  void Rehash(size_t slots, size_t expired_part);
  void TurnToSketch();
  void AddToSketch(uint64_t hash, size_t part);
  void MergeParts();
  bool ReadExact(std::string_view text, uint64_t parts);

  size_t exact_limit_;
  size_t part_ = 0;  // the current one
  std::vector<uint64_t> table_;
  size_t used_ = 0;
  std::array<std::unique_ptr<HyperLogLog>, kParts> sketches_;
  std::unique_ptr<HyperLogLog> merged_;
};

}  // namespace agent::label
