// SPDX-License-Identifier: Apache-2.0
#include "agent/batch/internal/buffers.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace agent::batch {

size_t BufferPool::ClassOf(size_t bytes) {
  const size_t rounded = std::bit_ceil(std::max(bytes, kSmallest));
  return static_cast<size_t>(std::countr_zero(rounded) - std::countr_zero(kSmallest));
}

void BufferPool::Reserve(Buffer& buffer, size_t more, size_t hint) {
  if (buffer.capacity_ - buffer.size_ >= more) return;
  const size_t needed = std::max({buffer.size_ + more, buffer.capacity_ * 2, hint});
  const size_t size_class = ClassOf(needed);
  const size_t capacity = kSmallest << size_class;
  std::unique_ptr<char[]> memory;
  if (size_class < kClasses && !free_[size_class].empty()) {
    memory = std::move(free_[size_class].back());
    free_[size_class].pop_back();
    kept_ -= capacity;
  } else {
    memory = std::make_unique_for_overwrite<char[]>(capacity);
  }
  const size_t size = buffer.size_;
  if (size > 0) std::memcpy(memory.get(), buffer.memory_.get(), size);
  Recycle(buffer);
  buffer.memory_ = std::move(memory);
  buffer.capacity_ = capacity;
  buffer.size_ = size;
}

void BufferPool::Recycle(Buffer& buffer) {
  if (buffer.capacity_ > 0) {
    const size_t size_class = ClassOf(buffer.capacity_);
    if (size_class < kClasses && kept_ + buffer.capacity_ <= keep_bytes_) {
      kept_ += buffer.capacity_;
      free_[size_class].push_back(std::move(buffer.memory_));
    }
  }
  buffer.memory_.reset();
  buffer.size_ = buffer.capacity_ = 0;
}

void BufferPool::Release() {
  for (auto& of_a_size : free_) of_a_size.clear();
  kept_ = 0;
}

}  // namespace agent::batch
