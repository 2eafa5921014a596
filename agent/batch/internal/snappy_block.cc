// SPDX-License-Identifier: Apache-2.0
#include "agent/batch/internal/snappy_block.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace agent::batch::snappy_block {
namespace {

// The first byte in memory is the lowest of a loaded word.
static_assert(std::endian::native == std::endian::little);

constexpr size_t kMinCopy = 4;
// Everything is looked at eight bytes at a time and short literals are copied sixteen at
// a time, so the last bytes of a fragment are always a literal.
constexpr size_t kTail = 16;
// Below this a fragment is one literal.
constexpr size_t kSmallest = 2 * kTail;
constexpr uint32_t kSmallestTableBits = 8;
constexpr uint32_t kTableBits = std::bit_width(static_cast<uint32_t>(Table().size())) - 1;
// Every 2^5 misses in a row the steps grow by a byte: what does not compress goes by quickly.
constexpr unsigned kPatience = 5;

uint64_t Load8(const char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

uint32_t Load4(const char* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

char* PutTwo(char* to, size_t value) {
  *to++ = static_cast<char>(value);
  *to++ = static_cast<char>(value >> 8);
  return to;
}

// REQUIRES: 1 <= size <= kFragment.
char* PutLiteralTag(char* to, size_t size) {
  const size_t less = size - 1;
  if (less < 60) {
    *to++ = static_cast<char>(less << 2);
    return to;
  }
  if (less < 256) {
    *to++ = static_cast<char>(60 << 2);
    *to++ = static_cast<char>(less);
    return to;
  }
  *to++ = static_cast<char>(61 << 2);
  return PutTwo(to, less);
}

char* PutLiteral(char* to, const char* from, size_t size) {
  to = PutLiteralTag(to, size);
  std::memcpy(to, from, size);
  return to + size;
}

// REQUIRES: kTail readable bytes at `from`, and room for as many.
char* PutLiteralInside(char* to, const char* from, size_t size) {
  if (size > kTail) return PutLiteral(to, from, size);
  to = PutLiteralTag(to, size);
  std::memcpy(to, from, kTail);
  return to + size;
}

char* PutShortCopy(char* to, size_t offset, size_t size) {
  if (size < 12 && offset < 2048) {
    *to++ = static_cast<char>(1 | (size - kMinCopy) << 2 | offset >> 8 << 5);
    *to++ = static_cast<char>(offset);
    return to;
  }
  *to++ = static_cast<char>(2 | (size - 1) << 2);
  return PutTwo(to, offset);
}

// One element copies at most 64 bytes, and none may be left with fewer than kMinCopy.
char* PutCopy(char* to, size_t offset, size_t size) {
  while (size >= 64 + kMinCopy) {
    to = PutShortCopy(to, offset, 64);
    size -= 64;
  }
  if (size > 64) {
    to = PutShortCopy(to, offset, 60);
    size -= 60;
  }
  return PutShortCopy(to, offset, size);
}

// The end of what is equal from `at` and from `match` on, before `end`. REQUIRES: match < at.
const char* EqualEnd(const char* at, const char* match, const char* end) {
  while (end - at >= 8) {
    const uint64_t differs = Load8(at) ^ Load8(match);
    if (differs != 0) return at + std::countr_zero(differs) / 8;
    at += 8;
    match += 8;
  }
  while (at < end && *at == *match) {
    ++at;
    ++match;
  }
  return at;
}

// The places that were seen, of one fragment.
class Seen {
 public:
  Seen(Table& table, std::string_view fragment)
      : places_(table.data()),
        begin_(fragment.data()),
        shift_(64 - std::clamp(std::bit_width(static_cast<uint32_t>(fragment.size() - 1)), kSmallestTableBits, kTableBits)) {
    std::memset(places_, 0, sizeof(uint16_t) << (64 - shift_));
  }

  // The last place whose six bytes had this hash, or the beginning; `at` is the last one now.
  const char* Exchange(const char* at, uint64_t bytes) {
    uint16_t& place = places_[(bytes << 16) * kPrime >> shift_];
    const char* const last = begin_ + place;
    place = static_cast<uint16_t>(at - begin_);
    return last;
  }

 private:
  static constexpr uint64_t kPrime = 0x9e3779b185ebca87;

  uint16_t* const places_;
  const char* const begin_;
  const uint32_t shift_;
};

}  // namespace

char* PutFragment(char* to, std::string_view fragment, Table& table) {
  const char* const begin = fragment.data();
  const char* const end = begin + fragment.size();
  const char* literal = begin;  // what is not written yet
  if (fragment.size() >= kSmallest) {
    Seen seen(table, fragment);
    const char* const last = end - kTail;  // to look at
    unsigned misses = 0;
    for (const char* at = begin + 1; at <= last;) {
      const uint64_t bytes = Load8(at);
      const char* match = seen.Exchange(at, bytes);
      if (Load4(match) != static_cast<uint32_t>(bytes)) {
        at += 1 + (misses++ >> kPatience);
        continue;
      }
      misses = 0;
      const char* const equal_end = EqualEnd(at + kMinCopy, match + kMinCopy, end);
      while (at > literal && match > begin && at[-1] == match[-1]) {
        --at;
        --match;
      }
      if (at > literal) to = PutLiteralInside(to, literal, static_cast<size_t>(at - literal));
      to = PutCopy(to, static_cast<size_t>(at - match), static_cast<size_t>(equal_end - at));
      literal = at = equal_end;
      if (at <= last) seen.Exchange(at - 1, Load8(at - 1));
    }
  }
  if (literal < end) to = PutLiteral(to, literal, static_cast<size_t>(end - literal));
  return to;
}

}  // namespace agent::batch::snappy_block
