// SPDX-License-Identifier: Apache-2.0
#include "agent/batch/internal/wire.h"

#include "agent/core/time_text.h"

namespace agent::batch::wire {
namespace {

// The fields of a google.protobuf.Timestamp; zero values are left out.
char* PutTime(char* to, WallNanos time) {
  const auto [seconds, nanos] = Split(time);
  if (seconds != 0) {
    *to++ = 0x08;
    to = PutVarint(to, static_cast<uint64_t>(seconds));
  }
  if (nanos != 0) {
    *to++ = 0x10;
    to = PutVarint(to, static_cast<uint64_t>(nanos));
  }
  return to;
}

size_t MetadataSize(const Record& record) {
  size_t size = 0;
  for (const MetadataPair* pair = record.metadata; pair != nullptr; pair = pair->next) {
    size += BytesFieldSize(PairSize(*pair));
  }
  return size;
}

char* PutMetadata(char* to, const Record& record) {
  for (const MetadataPair* pair = record.metadata; pair != nullptr; pair = pair->next) {
    *to++ = kEntryMetadata;
    to = PutVarint(to, PairSize(*pair));
    if (!pair->name.empty()) to = PutBytesField(to, kPairName, pair->name);
    if (!pair->value.empty()) to = PutBytesField(to, kPairValue, pair->value);
  }
  return to;
}

}  // namespace

size_t EntryMetadataRoom(const Record& record) { return record.metadata == nullptr ? 0 : MetadataSize(record); }

char* PutEntry(char* to, const Record& record, std::string_view line) {
  char time[24];
  const auto time_size = static_cast<size_t>(PutTime(time, record.time) - time);
  const size_t size = BytesFieldSize(time_size) + (line.empty() ? 0 : BytesFieldSize(line.size())) +
                      EntryMetadataRoom(record);
  *to++ = kStreamEntries;
  to = PutVarint(to, size);
  to = PutBytesField(to, kEntryTimestamp, {time, time_size});
  if (!line.empty()) to = PutBytesField(to, kEntryLine, line);
  return record.metadata == nullptr ? to : PutMetadata(to, record);
}

}  // namespace agent::batch::wire
