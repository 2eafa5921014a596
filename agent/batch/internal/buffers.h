// SPDX-License-Identifier: Apache-2.0
// Byte buffers for the open streams of a lane: sizes are powers of two, and what is
// given back is kept for the next batch up to a bound, so that neither one busy stream
// nor ten thousand quiet ones cost memory that nobody uses. Lane-local.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace agent::batch {

class BufferPool;

// A growing run of bytes. Owner: a stream; memory comes from and returns to a pool.
class Buffer {
 public:
  char* data() { return memory_.get(); }
  const char* data() const { return memory_.get(); }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  // The place for the next bytes; REQUIRES: capacity() - size() >= what is written.
  char* end() { return memory_.get() + size_; }
  void Wrote(size_t bytes) { size_ += bytes; }

 private:
  friend class BufferPool;
  std::unique_ptr<char[]> memory_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

class BufferPool {
 public:
  explicit BufferPool(size_t keep_bytes) : keep_bytes_(keep_bytes) {}

  // Makes room for `more` bytes; `hint` is a good first capacity.
  void Reserve(Buffer& buffer, size_t more, size_t hint);
  // Empties the buffer and takes its memory back.
  void Recycle(Buffer& buffer);
  // Gives back what is kept.
  void Release();
  size_t kept() const { return kept_; }

 private:
  static constexpr size_t kSmallest = 512;
  static constexpr size_t kClasses = 16;  // up to 16 MiB; larger ones are not kept
  static size_t ClassOf(size_t bytes);

  const size_t keep_bytes_;
  size_t kept_ = 0;
  std::array<std::vector<std::unique_ptr<char[]>>, kClasses> free_;
};

}  // namespace agent::batch
