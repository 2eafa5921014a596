// SPDX-License-Identifier: Apache-2.0
#include "agent/batch/internal/encode.h"

#include <snappy-sinksource.h>
#include <snappy.h>

#include <cstring>

namespace agent::batch {
namespace {

class Pieces final : public snappy::Source {
 public:
  explicit Pieces(const std::vector<std::string_view>& pieces) : next_(pieces.data()), end_(next_ + pieces.size()) {
    for (const std::string_view piece : pieces) left_ += piece.size();
    SkipEmpty();
  }
  size_t Available() const override { return left_; }
  const char* Peek(size_t* length) override {
    if (next_ == end_) {
      *length = 0;
      return nullptr;
    }
    *length = next_->size() - at_;
    return next_->data() + at_;
  }
  void Skip(size_t bytes) override {
    left_ -= bytes;
    while (bytes > 0) {
      const size_t here = std::min(bytes, next_->size() - at_);
      at_ += here;
      bytes -= here;
      SkipEmpty();
    }
  }

 private:
  void SkipEmpty() {
    while (next_ != end_ && at_ == next_->size()) {
      ++next_;
      at_ = 0;
    }
  }

  const std::string_view* next_;
  const std::string_view* end_;
  size_t at_ = 0;  // consumed of *next_
  size_t left_ = 0;
};

}  // namespace

Bytes Compressor::Compress(const std::vector<std::string_view>& pieces) {
  Pieces source(pieces);
  const size_t most = snappy::MaxCompressedLength(source.Available());
  if (most > capacity_) {
    scratch_ = std::make_unique_for_overwrite<char[]>(most);
    capacity_ = most;
  }
  snappy::UncheckedByteArraySink sink(scratch_.get());
  Bytes out;
  out.size = out.capacity = snappy::Compress(&source, &sink);
  out.data = std::make_unique_for_overwrite<char[]>(out.size);
  std::memcpy(out.data.get(), scratch_.get(), out.size);
  return out;
}

}  // namespace agent::batch
