// SPDX-License-Identifier: Apache-2.0
#include "agent/core/arena.h"

#include <algorithm>

namespace agent {

namespace {

void Poison([[maybe_unused]] char* memory, [[maybe_unused]] size_t size) {
#if AGENT_ASAN
  ASAN_POISON_MEMORY_REGION(memory, size);
#endif
}

}  // namespace

Arena::~Arena() {
#if AGENT_ASAN
  for (Block& block : blocks_) ASAN_UNPOISON_MEMORY_REGION(block.memory.get(), block.size);
#endif
}

void Arena::UseBlock(size_t index) {
  current_ = index;
  next_ = reinterpret_cast<uintptr_t>(blocks_[index].memory.get());
  end_ = next_ + blocks_[index].size;
}

void* Arena::AllocateSlow(size_t bytes, size_t alignment) {
  const size_t needed = bytes + alignment;
  for (size_t i = next_ == 0 ? 0 : current_ + 1; i < blocks_.size(); ++i) {
    if (blocks_[i].size < needed) continue;
    std::swap(blocks_[i], blocks_[next_ == 0 ? 0 : current_ + 1]);
    UseBlock(next_ == 0 ? 0 : current_ + 1);
    return Allocate(bytes, alignment);
  }
  const size_t grown = blocks_.empty() ? kFirstBlock : std::min(kMaxBlock, blocks_.back().size * 2);
  const size_t size = std::max(grown, needed);
  const size_t at = next_ == 0 ? 0 : current_ + 1;
  blocks_.insert(blocks_.begin() + static_cast<ptrdiff_t>(at),
                 Block{std::make_unique_for_overwrite<char[]>(size), size});
  reserved_ += size;
  Poison(blocks_[at].memory.get(), size);
  UseBlock(at);
  return Allocate(bytes, alignment);
}

void Arena::Reset() {
  // A burst may have grown the arena: give back what is beyond the kept size.
  while (reserved_ > kKeepBytes) {
    const auto largest = std::max_element(blocks_.begin(), blocks_.end(),
                                          [](const Block& a, const Block& b) { return a.size < b.size; });
#if AGENT_ASAN
    ASAN_UNPOISON_MEMORY_REGION(largest->memory.get(), largest->size);
#endif
    reserved_ -= largest->size;
    blocks_.erase(largest);
  }
  for (Block& block : blocks_) Poison(block.memory.get(), block.size);
  if (blocks_.empty()) {
    next_ = end_ = 0;
  } else {
    UseBlock(0);
  }
}

}  // namespace agent
