// SPDX-License-Identifier: Apache-2.0
// Entries straight into protobuf's wire form, and a batch of them into one snappy block.
// The least that any client of Loki must do. Thread-compatible; no allocation per line.
// Format: proto/push.proto.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/floor/cri.h"

namespace bench {

// A growing buffer that does not clear what it gives.
class WireBuffer {
 public:
  void AppendEntry(const CriLine& line);
  void AppendField(char tag, std::string_view bytes);
  void AppendTagAndSize(char tag, uint64_t size);
  void AppendRaw(std::string_view bytes);
  void Clear() { size_ = 0; }
  std::string_view view() const { return {data_.get(), size_}; }
  size_t size() const { return size_; }

 private:
  void Reserve(size_t more) {
    if (size_ + more > capacity_) Grow(more);
  }
  void Grow(size_t more);
  std::unique_ptr<char[]> data_;
  size_t size_ = 0, capacity_ = 0;
};

// One stream's open entries.
struct FloorStream {
  std::string labels;
  WireBuffer entries;
};

class Batch {
 public:
  // `streams` must outlive the batch.
  explicit Batch(std::vector<FloorStream>* streams) : streams_(streams) {}
  // The bytes of lines since the last Close.
  uint64_t line_bytes = 0;
  uint64_t entries = 0;
  // Assembles the request of every stream with entries, empties them, and compresses if
  // wanted. Valid until the next call.
  std::string_view Close(bool compress);

 private:
  std::vector<FloorStream>* const streams_;
  WireBuffer request_;
  std::unique_ptr<char[]> packed_;
  size_t packed_capacity_ = 0;
};

}  // namespace bench
