// SPDX-License-Identifier: Apache-2.0
// What makes a file the same file: device, inode, birth time where the file system
// tells it, and a fingerprint of its first min(size, 1024) bytes. Never its path. The
// fingerprint grows with the file: the hash of a longer beginning continues the hash of
// a shorter one, so a file of one line is known at once and better known later.
// Values; pure, but for the functions that read.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/core/result.h"
#include "agent/platform/fs.h"

namespace agent::source {

// FNV-1a, 64 bit, of `length` bytes.
struct Fingerprint {
  static constexpr uint32_t kMost = 1024;
  uint32_t length = 0;
  uint64_t hash = 0xCBF29CE484222325;

  void Extend(std::string_view bytes);
  bool operator==(const Fingerprint&) const = default;
};

Fingerprint FingerprintOf(std::string_view bytes);

struct Identity {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t born_ns = 0;  // 0 = unknown, equals anything
  Fingerprint head;

  bool SameInode(const platform::FileStat& stat) const {
    return inode == stat.inode && device == stat.device &&
           (born_ns == 0 || stat.born_ns == 0 || born_ns == stat.born_ns);
  }
};

// The hash of the last bytes before a position: tells a file from another one that has
// the same inode number and the same beginning.
struct Mark {
  static constexpr uint32_t kLength = 64;
  uint32_t length = 0;
  uint64_t hash = 0;
};

enum class HeadCheck { kSame, kGrown, kDifferent };

// Compares the file's beginning with `head`; kGrown: it is the same and `head` now
// covers more of it. kDifferent also if the file is shorter than `head`.
Result<HeadCheck> CheckHead(platform::File& file, Fingerprint& head);
Result<Mark> ReadMark(platform::File& file, uint64_t offset);
// Fills `into` as far as the file goes; a short read is not the end.
Result<size_t> ReadFully(platform::File& file, uint64_t offset, std::span<char> into);

}  // namespace agent::source
