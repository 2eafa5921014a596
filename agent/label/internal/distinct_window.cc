// SPDX-License-Identifier: Apache-2.0
#include "agent/label/internal/distinct_window.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <utility>

namespace agent::label {
namespace {

constexpr size_t kFirstSlots = 64;
constexpr size_t kNoPart = DistinctWindow::kParts;

// Takes what stands before `separator` (or all) off the front.
std::string_view TakeUntil(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return taken;
}

bool ReadNumber(std::string_view text, int base, uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

// Where the hash is, or the free slot where it would be.
uint64_t* DistinctWindow::Slot(uint64_t hash) {
  const size_t mask = table_.size() - 1;
  for (size_t i = (hash >> 3) & mask;; i = (i + 1) & mask) {
    if (table_[i] == 0 || (table_[i] | kPartBits) == (hash | kPartBits)) return &table_[i];
  }
}

bool DistinctWindow::Contains(uint64_t hash) const {
  if (table_.empty()) return false;
  return *const_cast<DistinctWindow*>(this)->Slot(hash) != 0;
}

void DistinctWindow::Insert(uint64_t entry) {
  *Slot(entry) = entry;
  ++used_;
}

void DistinctWindow::Rehash(size_t slots, size_t expired_part) {
  const std::vector<uint64_t> old = std::exchange(table_, std::vector<uint64_t>(slots));
  used_ = 0;
  for (const uint64_t entry : old) {
    if (entry != 0 && (entry & kPartBits) != expired_part + 1) Insert(entry);
  }
}

bool DistinctWindow::Add(uint64_t hash) {
  if (!exact()) {
    AddToSketch(hash, part_);
    return merged_->Add(hash);
  }
  const uint64_t entry = (hash & ~kPartBits) | (part_ + 1);
  if (!table_.empty()) {
    uint64_t* slot = Slot(hash);
    if (*slot != 0) {
      *slot = entry;
      return false;
    }
  }
  if (used_ >= exact_limit_) {
    TurnToSketch();
    return Add(hash);
  }
  if ((used_ + 1) * 4 > table_.size() * 3) Rehash(std::max(kFirstSlots, table_.size() * 2), kNoPart);
  Insert(entry);
  return true;
}

void DistinctWindow::AddToSketch(uint64_t hash, size_t part) {
  if (sketches_[part] == nullptr) sketches_[part] = std::make_unique<HyperLogLog>();
  sketches_[part]->Add(hash);
}

void DistinctWindow::TurnToSketch() {
  // The table is given back before the sketches take their memory.
  std::vector<uint64_t> entries;
  entries.reserve(used_);
  std::copy_if(table_.begin(), table_.end(), std::back_inserter(entries), [](uint64_t entry) { return entry != 0; });
  std::vector<uint64_t>().swap(table_);
  used_ = 0;
  for (const uint64_t entry : entries) AddToSketch(entry & ~kPartBits, (entry & kPartBits) - 1);
  std::vector<uint64_t>().swap(entries);
  MergeParts();
}

void DistinctWindow::MergeParts() {
  merged_ = std::make_unique<HyperLogLog>();
  for (const auto& sketch : sketches_) {
    if (sketch != nullptr) merged_->Merge(*sketch);
  }
}

uint64_t DistinctWindow::Count() const {
  return exact() ? used_ : static_cast<uint64_t>(std::llround(merged_->Estimate()));
}

void DistinctWindow::Turn(uint64_t parts) {
  for (uint64_t i = 0; i < std::min<uint64_t>(parts, kParts); ++i) {
    part_ = (part_ + 1) % kParts;
    sketches_[part_].reset();
    if (exact() && used_ > 0) Rehash(table_.size(), part_);
  }
  if (!exact()) MergeParts();
}

void DistinctWindow::Clear() {
  std::vector<uint64_t>().swap(table_);
  used_ = 0;
  for (auto& sketch : sketches_) sketch.reset();
  merged_.reset();
}

size_t DistinctWindow::MemoryBytes() const {
  size_t bytes = sizeof *this + table_.capacity() * sizeof(uint64_t);
  for (const auto& sketch : sketches_) bytes += sketch != nullptr ? sizeof(HyperLogLog) : 0;
  return bytes + (merged_ != nullptr ? sizeof(HyperLogLog) : 0);
}

std::string DistinctWindow::ToText() const {
  if (!exact()) return "sketch " + merged_->ToText();
  std::string out = "exact";
  for (size_t age = 0; age < kParts; ++age) {
    const size_t part = (part_ + kParts - age) % kParts;
    bool first = true;
    for (const uint64_t entry : table_) {
      if (entry == 0 || (entry & kPartBits) != part + 1) continue;
      std::array<char, 16> digits;
      char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), entry >> 3, 16).ptr;
      out += first ? " " + std::to_string(age) + ":" : ",";
      out.append(digits.data(), end);
      first = false;
    }
  }
  return out;
}

bool DistinctWindow::FromText(std::string_view text, uint64_t parts) {
  Clear();
  const std::string_view kind = TakeUntil(text, ' ');
  if (kind == "exact") return ReadExact(text, parts);
  if (kind != "sketch") return false;
  const auto sketch = HyperLogLog::FromText(text);
  if (!sketch) return false;
  // When its values were seen is not saved; a window that is over is empty.
  if (parts < kParts) sketches_[part_] = std::make_unique<HyperLogLog>(*sketch);
  MergeParts();
  return true;
}

bool DistinctWindow::ReadExact(std::string_view text, uint64_t parts) {
  while (!text.empty()) {
    std::string_view group = TakeUntil(text, ' ');
    uint64_t age = 0;
    if (!ReadNumber(TakeUntil(group, ':'), 10, age) || age >= kParts || group.empty()) return false;
    while (!group.empty()) {
      uint64_t hash = 0;
      if (!ReadNumber(TakeUntil(group, ','), 16, hash) || hash > (~uint64_t{0} >> 3)) return false;
      if (age + parts >= kParts || (exact() && used_ >= exact_limit_)) continue;
      const size_t now = part_;
      part_ = (part_ + kParts - age - parts) % kParts;
      Add(hash << 3);
      part_ = now;
    }
  }
  return true;
}

}  // namespace agent::label
