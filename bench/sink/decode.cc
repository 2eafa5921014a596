// SPDX-License-Identifier: Apache-2.0
#include "bench/sink/decode.h"

#include <snappy.h>
#include <zlib.h>

#include <charconv>

#include "bench/sink/wire.h"

namespace bench {
namespace {

bool ReadTimestamp(std::string_view bytes, int64_t* nanos) {
  int64_t seconds = 0, rest = 0;
  WireField field;
  while (!bytes.empty()) {
    if (!ReadField(&bytes, &field)) return false;
    if (field.number == 1) seconds = static_cast<int64_t>(field.value);
    if (field.number == 2) rest = static_cast<int64_t>(field.value);
  }
  // 64 bits of nanoseconds end in 2262; what is beyond wraps, and is Loki's to refuse.
  *nanos = static_cast<int64_t>(static_cast<uint64_t>(seconds) * 1'000'000'000u + static_cast<uint64_t>(rest));
  return true;
}

bool ReadEntry(std::string_view bytes, EntryView* entry) {
  WireField field;
  while (!bytes.empty()) {
    if (!ReadField(&bytes, &field)) return false;
    if (field.number == 1) {
      if (field.type != 2 || !ReadTimestamp(field.bytes, &entry->nanos)) return false;
    } else if (field.number == 2) {
      if (field.type != 2) return false;
      entry->line = field.bytes;
    } else if (field.number == 3) {
      // Consecutive in every encoder known; a gap would only show too much.
      const char* const start = entry->metadata.empty() ? field.whole.data() : entry->metadata.data();
      entry->metadata = {start, static_cast<size_t>(field.whole.data() + field.whole.size() - start)};
    }
  }
  return true;
}

// LogRecord: time_unix_nano = 1 (fixed64), body = 5 (AnyValue: string_value = 1).
bool ReadLogRecord(std::string_view bytes, EntryView* entry) {
  WireField field;
  while (!bytes.empty()) {
    if (!ReadField(&bytes, &field)) return false;
    if (field.number == 1 && field.type == 1) entry->nanos = static_cast<int64_t>(field.value);
    if (field.number == 5 && field.type == 2) {
      std::string_view body = field.bytes;
      WireField inner;
      if (body.empty()) continue;
      if (!ReadField(&body, &inner)) return false;
      if (inner.number == 1 && inner.type == 2) entry->line = inner.bytes;
    }
  }
  return true;
}

}  // namespace

StreamView& PushDecoder::NextStream(std::string_view labels) {
  if (used_ == streams_.size()) streams_.emplace_back();
  StreamView& stream = streams_[used_++];
  stream.labels = labels;
  stream.entries.clear();
  return stream;
}

bool PushDecoder::ReadStream(std::string_view bytes) {
  StreamView& stream = NextStream({});
  WireField field;
  while (!bytes.empty()) {
    if (!ReadField(&bytes, &field)) return false;
    if (field.number == 1 && field.type == 2) {
      stream.labels = field.bytes;
    } else if (field.number == 2) {
      if (field.type != 2) return false;
      EntryView entry;
      if (!ReadEntry(field.bytes, &entry)) return false;
      stream.entries.push_back(entry);
    }
  }
  return true;
}

std::string PushDecoder::Inflate(std::string_view body, std::string_view encoding, std::string_view* out) {
  *out = body;
  if (encoding.empty() || encoding == "identity") return {};
  if (encoding != "gzip" && encoding != "deflate") {
    return "Content-Encoding \"" + std::string(encoding) + "\" is not supported";
  }
  z_stream z{};
  if (inflateInit2(&z, 15 + 32) != Z_OK) return "zlib does not start";
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));  // zlib is not const-correct
  z.avail_in = static_cast<uInt>(body.size());
  plain_.resize(std::max<size_t>(body.size() * 8, 65536));
  int state = Z_OK;
  size_t filled = 0;
  while (state == Z_OK) {
    if (filled == plain_.size()) plain_.resize(plain_.size() * 2);
    z.next_out = reinterpret_cast<Bytef*>(plain_.data() + filled);
    z.avail_out = static_cast<uInt>(plain_.size() - filled);
    state = inflate(&z, Z_NO_FLUSH);
    filled = plain_.size() - z.avail_out;
  }
  inflateEnd(&z);
  *out = std::string_view(plain_).substr(0, filled);
  return state == Z_STREAM_END ? "" : "the gzip body is damaged or cut";
}

std::string PushDecoder::Decode(std::string_view body, std::string_view content_type, std::string_view encoding) {
  used_ = 0;
  kept_.clear();
  if (content_type.starts_with("application/json")) {
    std::string_view text;
    std::string wrong = Inflate(body, encoding, &text);
    raw_bytes_ = text.size();
    return wrong.empty() ? DecodeJson(text) : wrong;
  }
  size_t size = 0;
  if (!snappy::GetUncompressedLength(body.data(), body.size(), &size) || size > (size_t{1} << 30)) {
    return "snappy: corrupt input";
  }
  if (plain_.size() < size) plain_.resize(size);
  if (!snappy::RawUncompress(body.data(), body.size(), plain_.data())) return "snappy: corrupt input";
  raw_bytes_ = size;
  std::string_view rest = std::string_view(plain_).substr(0, size);
  WireField field;
  while (!rest.empty()) {
    if (!ReadField(&rest, &field)) return "the protobuf message is malformed";
    if (field.number != 1) continue;
    if (field.type != 2 || !ReadStream(field.bytes)) return "a stream in the protobuf message is malformed";
  }
  return {};
}

// ResourceLogs = 1 { resource = 1, scope_logs = 2 { log_records = 2 } }. A resource is one
// stream; its labels stay in their binary form, so they are named by number.
bool PushDecoder::ReadResource(std::string_view bytes) {
  StreamView& stream = NextStream("{otlp=\"resource\"}");
  WireField scope, record;
  while (!bytes.empty()) {
    if (!ReadField(&bytes, &scope)) return false;
    if (scope.number != 2 || scope.type != 2) continue;
    std::string_view records = scope.bytes;
    while (!records.empty()) {
      if (!ReadField(&records, &record)) return false;
      if (record.number != 2 || record.type != 2) continue;
      EntryView entry;
      if (!ReadLogRecord(record.bytes, &entry)) return false;
      stream.entries.push_back(entry);
    }
  }
  return true;
}

std::string PushDecoder::DecodeOtlp(std::string_view body, std::string_view encoding) {
  used_ = 0;
  std::string_view rest;
  std::string wrong = Inflate(body, encoding, &rest);
  if (!wrong.empty()) return wrong;
  raw_bytes_ = rest.size();
  WireField field;
  while (!rest.empty()) {
    if (!ReadField(&rest, &field)) return "the OTLP message is malformed";
    if (field.number == 1 && field.type == 2 && !ReadResource(field.bytes)) return "OTLP logs are malformed";
  }
  return {};
}

}  // namespace bench
