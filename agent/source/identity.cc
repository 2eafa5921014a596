// SPDX-License-Identifier: Apache-2.0
#include "agent/source/identity.h"

#include <algorithm>
#include <array>

namespace agent::source {

void Fingerprint::Extend(std::string_view bytes) {
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3;
  }
  length += static_cast<uint32_t>(bytes.size());
}

Fingerprint FingerprintOf(std::string_view bytes) {
  Fingerprint made;
  made.Extend(bytes.substr(0, Fingerprint::kMost));
  return made;
}

Result<size_t> ReadFully(platform::File& file, uint64_t offset, std::span<char> into) {
  size_t filled = 0;
  while (filled < into.size()) {
    auto got = file.ReadAt(offset + filled, into.subspan(filled));
    if (!got && got.error().code == Code::kRetry) continue;
    if (!got) return Forward(got);
    if (*got == 0) break;
    filled += *got;
  }
  return filled;
}

Result<HeadCheck> CheckHead(platform::File& file, Fingerprint& head) {
  std::array<char, Fingerprint::kMost> bytes;
  auto got = ReadFully(file, 0, bytes);
  if (!got) return Forward(got);
  const std::string_view now(bytes.data(), *got);
  if (now.size() < head.length) return HeadCheck::kDifferent;
  Fingerprint same = FingerprintOf(now.substr(0, head.length));
  if (same.hash != head.hash) return HeadCheck::kDifferent;
  if (now.size() == head.length) return HeadCheck::kSame;
  same.Extend(now.substr(head.length));
  head = same;
  return HeadCheck::kGrown;
}

Result<Mark> ReadMark(platform::File& file, uint64_t offset) {
  std::array<char, Mark::kLength> bytes;
  const uint64_t length = std::min<uint64_t>(offset, bytes.size());
  auto got = ReadFully(file, offset - length, {bytes.data(), static_cast<size_t>(length)});
  if (!got) return Forward(got);
  return Mark{static_cast<uint32_t>(*got), FingerprintOf({bytes.data(), *got}).hash};
}

}  // namespace agent::source
