// SPDX-License-Identifier: Apache-2.0
// The mark that a generated line carries so that its receiver can prove that nothing was
// lost, doubled or reordered: `seq=WRITER:NUMBER:NANOS`. WRITER is one log file's chain,
// NUMBER counts its lines from 0, NANOS is when the line was written (0: not recorded).
// podgen writes it, sink reads it. Pure; no allocation.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace bench {

struct Mark {
  uint64_t writer = 0;
  uint64_t number = 0;
  int64_t nanos = 0;
};

inline constexpr std::string_view kMarkPrefix = "seq=";
inline constexpr size_t kMaxMarkSize = 4 + 3 * 20 + 4;

// REQUIRES: kMaxMarkSize bytes at `out`. Returns the end.
inline char* WriteMark(const Mark& mark, char* out) {
  std::memcpy(out, kMarkPrefix.data(), kMarkPrefix.size());
  char* const end = out + kMaxMarkSize - 2;  // room for the colons, which to_chars does not count
  out = std::to_chars(out + kMarkPrefix.size(), end, mark.writer).ptr;
  *out++ = ':';
  out = std::to_chars(out, end, mark.number).ptr;
  *out++ = ':';
  return std::to_chars(out, end, mark.nanos).ptr;
}

// Reads the first whole mark in `text` at or after `from`. Returns the position behind
// it, or npos if there is none (`seq=` alone, as in "icmp_seq=3", is no mark).
inline size_t ReadMark(std::string_view text, size_t from, Mark* mark) {
  while (true) {
    const void* hit = from < text.size() ? memmem(text.data() + from, text.size() - from,
                                                  kMarkPrefix.data(), kMarkPrefix.size())
                                         : nullptr;
    if (hit == nullptr) return std::string_view::npos;
    const char* at = static_cast<const char*>(hit) + kMarkPrefix.size();
    const char* const end = text.data() + text.size();
    from = static_cast<size_t>(at - text.data());
    auto read = std::from_chars(at, end, mark->writer);
    if (read.ec != std::errc{} || read.ptr == end || *read.ptr != ':') continue;
    read = std::from_chars(read.ptr + 1, end, mark->number);
    if (read.ec != std::errc{} || read.ptr == end || *read.ptr != ':') continue;
    read = std::from_chars(read.ptr + 1, end, mark->nanos);
    if (read.ec != std::errc{}) continue;
    return static_cast<size_t>(read.ptr - text.data());
  }
}

}  // namespace bench
