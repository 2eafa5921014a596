// SPDX-License-Identifier: Apache-2.0
#include "agent/batch/internal/encode.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "agent/batch/internal/wire.h"

namespace agent::batch {

using snappy_block::kFragment;

char* Compressor::Flush(char* to) {
  return snappy_block::PutFragment(to, {scratch_->gathered, std::exchange(gathered_, 0)}, scratch_->table);
}

Bytes Compressor::Compress(const std::vector<std::string_view>& pieces) {
  size_t total = 0;
  for (const std::string_view piece : pieces) total += piece.size();
  const size_t most = snappy_block::MostOutput(total, total / kFragment + 1);
  if (most > capacity_) {
    output_ = std::make_unique_for_overwrite<char[]>(most);
    capacity_ = most;
  }
  if (scratch_ == nullptr) scratch_ = std::make_unique_for_overwrite<Scratch>();

  char* to = wire::PutVarint(output_.get(), total);
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const size_t size = std::min(piece.size(), kFragment - gathered_);
      if (size == kFragment) {
        to = snappy_block::PutFragment(to, piece.substr(0, size), scratch_->table);
      } else {
        std::memcpy(scratch_->gathered + gathered_, piece.data(), size);
        gathered_ += size;
        if (gathered_ == kFragment) to = Flush(to);
      }
      piece.remove_prefix(size);
    }
  }
  to = Flush(to);

  Bytes out;
  out.size = out.capacity = static_cast<size_t>(to - output_.get());
  out.data = std::make_unique_for_overwrite<char[]>(out.size);
  std::memcpy(out.data.get(), output_.get(), out.size);
  return out;
}

void Compressor::Release() {
  scratch_.reset();
  output_.reset();
  capacity_ = 0;
}

}  // namespace agent::batch
