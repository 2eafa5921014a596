// SPDX-License-Identifier: Apache-2.0
// What has arrived: counts per stream, and per writer the proof that every line came
// once and in order (bench/common/mark.h). Fed by the Api with decoded streams.
//
// Order: within one stream, a writer's numbers must grow; a number seen before is a
// duplicate, a smaller one not seen before is reordered. A gap is whatever is missing
// below the largest number seen; whoever knows how many lines were written compares. A
// duplicate that Loki would not hide (another stream, time or line) is *different*.
// Cost: nine bytes per marked line; the last few lines of each stream.
// Threads: thread-compatible.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bench/common/mark.h"
#include "bench/sink/decode.h"

namespace bench {

// Log-linear: 16 buckets to the octave, so a quantile is right within 7 %.
class LatencyHistogram {
 public:
  void Add(int64_t nanos);
  int64_t Quantile(double share) const;  // nanoseconds; 0 if empty
  uint64_t count() const { return count_; }
  int64_t max() const { return max_; }

 private:
  std::array<uint64_t, 64 * 16> buckets_{};
  uint64_t count_ = 0;
  int64_t max_ = 0;
};

struct LastLine {
  int64_t nanos = 0;
  std::string line;
  std::string metadata;  // raw
};

struct StreamState {
  std::string tenant, labels;
  uint64_t name_hash = 0;  // of both
  uint64_t entries = 0, line_bytes = 0;
  int64_t first_nanos = 0, last_nanos = 0;
  uint64_t time_went_back = 0;  // entries older than the one before
  std::deque<LastLine> last;
  struct Seen {
    uint64_t writer, largest;
  };
  std::vector<Seen> writers;  // few: usually one
  size_t recent = 0;          // index of the last one used
};

struct WriterState {
  uint64_t writer = 0;
  uint64_t lines = 0;  // distinct numbers
  uint64_t first = 0, last = 0;
  uint64_t duplicates = 0, duplicate_bytes = 0, reordered = 0;
  uint64_t different = 0;              // duplicates that are not the same
  std::vector<uint64_t> seen;          // a bit per number
  std::vector<uint64_t> fingerprints;  // of tenant, labels, time and line; by number
};

struct StoreOptions {
  bool verify = false;
  uint64_t keep_lines = 5;
};

class Store {
 public:
  explicit Store(StoreOptions options) : options_(options) {}

  bool Knows(std::string_view tenant, std::string_view labels) const;
  // `now` is wall-clock nanoseconds, for the latency of marked lines.
  void Add(std::string_view tenant, const StreamView& stream, int64_t now);
  void Clear();

  uint64_t entries() const { return entries_; }
  uint64_t line_bytes() const { return line_bytes_; }
  uint64_t marks() const { return marks_; }  // distinct
  uint64_t unmarked() const { return unmarked_; }
  const std::deque<StreamState>& streams() const { return streams_; }
  // In the order of their numbers.
  std::vector<const WriterState*> writers() const;
  const LatencyHistogram& latency() const { return latency_; }
  // Of all writers but number 0, which is podgen's hot one.
  const LatencyHistogram& latency_of_others() const { return latency_of_others_; }

 private:
  StreamState& StreamFor(std::string_view tenant, std::string_view labels);
  void Verify(StreamState& stream, const EntryView& entry, int64_t now);
  void Note(StreamState& stream, const Mark& mark, const EntryView& entry);
  void KeepLast(StreamState& stream, const StreamView& arrived) const;

  const StoreOptions options_;
  std::deque<StreamState> streams_;
  std::unordered_map<std::string, size_t> index_;  // tenant + NUL + labels
  std::string key_;
  std::unordered_map<uint64_t, WriterState> writers_;
  WriterState* recent_writer_ = nullptr;
  LatencyHistogram latency_;
  LatencyHistogram latency_of_others_;
  uint64_t entries_ = 0, line_bytes_ = 0, marks_ = 0, unmarked_ = 0;
};

}  // namespace bench
