// SPDX-License-Identifier: Apache-2.0
#include "bench/floor/framing.h"

#include <snappy.h>

#include <algorithm>
#include <cstring>

namespace bench {
namespace {

inline char* PutVarint(char* out, uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

inline size_t VarintSize(uint64_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

}  // namespace

void WireBuffer::Grow(size_t more) {
  capacity_ = std::max(capacity_ * 2, size_ + more + 65536);
  auto bigger = std::make_unique_for_overwrite<char[]>(capacity_);
  if (size_ != 0) std::memcpy(bigger.get(), data_.get(), size_);
  data_ = std::move(bigger);
}

// Entry { timestamp = 1 { seconds = 1, nanos = 2 }, line = 2 } as field 2 of a Stream.
void WireBuffer::AppendEntry(const CriLine& line) {
  Reserve(line.content.size() + 48);
  const auto seconds = static_cast<uint64_t>(line.seconds);
  const size_t time = 1 + VarintSize(seconds) + (line.nanos != 0 ? 1 + VarintSize(line.nanos) : 0);
  const size_t body = 2 + time + 1 + VarintSize(line.content.size()) + line.content.size();
  char* out = data_.get() + size_;
  *out++ = 0x12;
  out = PutVarint(out, body);
  *out++ = 0x0A;
  *out++ = static_cast<char>(time);
  *out++ = 0x08;
  out = PutVarint(out, seconds);
  if (line.nanos != 0) {
    *out++ = 0x10;
    out = PutVarint(out, line.nanos);
  }
  *out++ = 0x12;
  out = PutVarint(out, line.content.size());
  std::memcpy(out, line.content.data(), line.content.size());
  size_ = static_cast<size_t>(out - data_.get()) + line.content.size();
}

void WireBuffer::AppendTagAndSize(char tag, uint64_t size) {
  Reserve(16);
  char* out = data_.get() + size_;
  *out++ = tag;
  size_ = static_cast<size_t>(PutVarint(out, size) - data_.get());
}

void WireBuffer::AppendField(char tag, std::string_view bytes) {
  AppendTagAndSize(tag, bytes.size());
  AppendRaw(bytes);
}

void WireBuffer::AppendRaw(std::string_view bytes) {
  Reserve(bytes.size());
  if (bytes.empty()) return;
  std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

std::string_view Batch::Close(bool compress) {
  request_.Clear();
  for (FloorStream& stream : *streams_) {
    if (stream.entries.size() == 0) continue;
    const size_t labels = 1 + VarintSize(stream.labels.size()) + stream.labels.size();
    request_.AppendTagAndSize(0x0A, labels + stream.entries.size());
    request_.AppendField(0x0A, stream.labels);
    request_.AppendRaw(stream.entries.view());
    stream.entries.Clear();
  }
  line_bytes = 0;
  entries = 0;
  if (!compress) return request_.view();
  const size_t most = snappy::MaxCompressedLength(request_.size());
  if (most > packed_capacity_) {
    packed_ = std::make_unique_for_overwrite<char[]>(most);
    packed_capacity_ = most;
  }
  size_t size = 0;
  snappy::RawCompress(request_.view().data(), request_.size(), packed_.get(), &size);
  return {packed_.get(), size};
}

}  // namespace bench
