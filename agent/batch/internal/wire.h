// SPDX-License-Identifier: Apache-2.0
// The push protocol's bytes, written by hand (proto/push.proto is the format; the
// differential test against protobuf's classes is tests/batch/batcher_test.cc). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "agent/model/record.h"

namespace agent::batch::wire {

inline constexpr size_t kMaxVarint = 10;
// More than any entry needs beside its line and metadata.
inline constexpr size_t kEntryOverhead = 64;

inline size_t VarintSize(uint64_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

inline char* PutVarint(char* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}

// A length-delimited field: tag, length, bytes.
inline size_t BytesFieldSize(size_t length) { return 1 + VarintSize(length) + length; }

inline char* PutBytesField(char* to, char tag, std::string_view bytes) {
  *to++ = tag;
  to = PutVarint(to, bytes.size());
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

inline constexpr char kRequestStreams = 0x0a;   // PushRequest.streams = 1
inline constexpr char kStreamLabels = 0x0a;     // Stream.labels = 1
inline constexpr char kStreamEntries = 0x12;    // Stream.entries = 2
inline constexpr char kEntryTimestamp = 0x0a;   // Entry.timestamp = 1
inline constexpr char kEntryLine = 0x12;        // Entry.line = 2
inline constexpr char kEntryMetadata = 0x1a;    // Entry.structured_metadata = 3
inline constexpr char kPairName = 0x0a;         // LabelPair.name = 1
inline constexpr char kPairValue = 0x12;        // LabelPair.value = 2

// Size of one LabelPair message, as Promtail counts metadata towards a batch.
inline size_t PairSize(const MetadataPair& pair) {
  return (pair.name.empty() ? 0 : BytesFieldSize(pair.name.size())) +
         (pair.value.empty() ? 0 : BytesFieldSize(pair.value.size()));
}

// Writes one `entries` field of a Stream. REQUIRES: room for the line, the metadata
// (EntryMetadataRoom) and kEntryOverhead.
char* PutEntry(char* to, const Record& record, std::string_view line);
size_t EntryMetadataRoom(const Record& record);

}  // namespace agent::batch::wire
