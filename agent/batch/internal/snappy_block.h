// SPDX-License-Identifier: Apache-2.0
// The compressing half of snappy's block format, made for log lines. What it writes is
// read by every snappy decoder (Loki's is Go's); the other half stays the library's.
//
// Why not the library's: it takes half of the agent's CPU time. Candidates are found by
// a hash of six bytes instead of four, because lines share words and shapes, and a copy
// of four bytes saves one byte and costs as much time as one of forty; and a match
// grows backwards as well, which pays for the short ones that are not found. Measured in
// docs/PERFORMANCE.md: a fifth less time per byte, and as many bytes to send to one percent.
//
// Format: google/snappy format_description.txt. A block is the varint of its size, then
// elements: literals (tag 00) and copies of 1 or 2 bytes of offset (tags 01, 10). Pieces
// of the input are compressed by fragments of at most 64 KiB, so that an offset fits in
// two bytes; a copy never reaches over a fragment's beginning.
//
// Lane-local; no allocation. Any bytes are valid input.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace agent::batch::snappy_block {

inline constexpr size_t kFragment = 64 << 10;

// Room for the output of `bytes` of input in so many fragments, preamble included.
// Writing may touch all of it, also past the end that is returned. (A literal costs one
// byte more per 61 at most, and its rest three; copies never cost more than they save.)
constexpr size_t MostOutput(size_t bytes, size_t fragments) { return bytes + bytes / 61 + 3 * fragments + 64; }

// Where six bytes were seen last, by their hash. Its content says nothing between calls.
using Table = std::array<uint16_t, 1 << 14>;

// Writes one fragment of at most kFragment bytes; returns its end. What stands before the
// first is the varint of the size of all.
char* PutFragment(char* to, std::string_view fragment, Table& table);

}  // namespace agent::batch::snappy_block
