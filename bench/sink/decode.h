// SPDX-License-Identifier: Apache-2.0
// Push bodies to entries: Loki's snappy protobuf and its JSON, and OTLP's logs (protobuf)
// so that collectors without a Loki exporter can be measured too. Feeds the Store.
//
// Views handed to a visitor are valid during the call. Thread-compatible.
// A body is checked whole before it is visited (Check), so that a malformed one leaves
// nothing behind. Formats: proto/push.proto; Loki's HTTP API; opentelemetry-proto
// logs/v1 (only records, their time and their string bodies are read).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

struct EntryView {
  int64_t nanos = 0;
  std::string_view line;
  std::string_view metadata;  // raw repeated LabelPair fields of the Entry, or empty
};

struct StreamView {
  std::string_view labels;  // {a="b"} as sent
  std::vector<EntryView> entries;
};

// Decodes into a reused vector: no allocation per entry in the steady state.
class PushDecoder {
 public:
  // An empty string, or what is wrong with the body. Views point into `body` or into
  // memory of the decoder, valid until the next call.
  std::string Decode(std::string_view body, std::string_view content_type, std::string_view encoding);
  std::string DecodeOtlp(std::string_view body, std::string_view encoding);

  const std::vector<StreamView>& streams() const { return streams_; }
  size_t stream_count() const { return used_; }
  uint64_t raw_bytes() const { return raw_bytes_; }

 private:
  StreamView& NextStream(std::string_view labels);
  bool ReadStream(std::string_view bytes);
  bool ReadResource(std::string_view bytes);
  std::string DecodeJson(std::string_view text);
  std::string Inflate(std::string_view body, std::string_view encoding, std::string_view* out);

  std::vector<StreamView> streams_;
  size_t used_ = 0;
  uint64_t raw_bytes_ = 0;
  std::string plain_;  // uncompressed body
  std::deque<std::string> kept_;  // never moves what it holds
};

// {a="b", c="d"} to pairs; the values unquoted. False if it is no label set.
bool ReadLabels(std::string_view text, std::vector<std::pair<std::string, std::string>>* out);
// Raw LabelPair fields of an Entry to pairs.
void ReadMetadata(std::string_view raw, const std::function<void(std::string_view, std::string_view)>& visit);

}  // namespace bench
