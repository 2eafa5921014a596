// SPDX-License-Identifier: Apache-2.0
// A bump allocator for everything that lives exactly as long as one record batch:
// records, extracted fields, replaced text. Lane-local. Nothing in it is destroyed,
// so only trivially destructible things may be put there. Blocks are kept over
// Reset (up to kKeepBytes), so the steady state allocates nothing. Under the
// address sanitizer Reset poisons the memory, and a stale view dies at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "agent/core/annotations.h"

namespace agent {

class Arena {
 public:
  static constexpr size_t kFirstBlock = 16 * 1024;
  static constexpr size_t kMaxBlock = 256 * 1024;
  static constexpr size_t kKeepBytes = 1024 * 1024;

  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Uninitialised bytes, aligned for any scalar; valid until Reset.
  void* Allocate(size_t bytes, size_t alignment = alignof(std::max_align_t)) LIFETIME_BOUND {
    const uintptr_t at = (next_ + alignment - 1) & ~(static_cast<uintptr_t>(alignment) - 1);
    if (at + bytes > end_ || next_ == 0) return AllocateSlow(bytes, alignment);
    Unpoison(at, bytes);
    next_ = at + bytes;
    return reinterpret_cast<void*>(at);
  }

  template <class T, class... Args>
  T* New(Args&&... args) LIFETIME_BOUND {
    static_assert(std::is_trivially_destructible_v<T>);
    return new (Allocate(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
  }

  // Value-initialised array.
  template <class T>
  std::span<T> NewArray(size_t count) LIFETIME_BOUND {
    static_assert(std::is_trivially_destructible_v<T>);
    // NOLINTNEXTLINE(bugprone-sizeof-expression): T may well be a pointer.
    T* first = static_cast<T*>(Allocate(sizeof(T) * count, alignof(T)));
    for (size_t i = 0; i < count; ++i) new (first + i) T();
    return {first, count};
  }

  std::string_view Copy(std::string_view text) LIFETIME_BOUND {
    if (text.empty()) return {};
    char* to = static_cast<char*>(Allocate(text.size(), 1));
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }

  // Gives back the unused end of the newest allocation: Allocate(most), write
  // less, then Trim(used).
  void Trim(const void* start, size_t used) { next_ = reinterpret_cast<uintptr_t>(start) + used; }

  // Forgets everything; every pointer and view into the arena is dead.
  void Reset();

  size_t bytes_reserved() const { return reserved_; }

 private:
  struct Block {
    std::unique_ptr<char[]> memory;
    size_t size;
  };

  void* AllocateSlow(size_t bytes, size_t alignment);
  void UseBlock(size_t index);
  static void Unpoison(uintptr_t at, size_t bytes);

  uintptr_t next_ = 0;
  uintptr_t end_ = 0;
  size_t current_ = 0;   // index of the block in use
  size_t reserved_ = 0;  // bytes of all blocks
  std::vector<Block> blocks_;
};

}  // namespace agent

#if defined(__SANITIZE_ADDRESS__)
#define AGENT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AGENT_ASAN 1
#endif
#endif
#ifndef AGENT_ASAN
#define AGENT_ASAN 0
#endif
#if AGENT_ASAN
#include <sanitizer/asan_interface.h>
#endif

inline void agent::Arena::Unpoison([[maybe_unused]] uintptr_t at, [[maybe_unused]] size_t bytes) {
#if AGENT_ASAN
  ASAN_UNPOISON_MEMORY_REGION(reinterpret_cast<void*>(at), bytes);
#endif
}
