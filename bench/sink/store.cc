// SPDX-License-Identifier: Apache-2.0
#include "bench/sink/store.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace bench {
namespace {

// A larger number is taken for a line that only looks marked.
constexpr uint64_t kMaxNumber = uint64_t{1} << 32;

uint64_t FingerprintOf(const StreamState& stream, const EntryView& entry) {
  const uint64_t mixed = (stream.name_hash ^ static_cast<uint64_t>(entry.nanos)) * 0x9E3779B97F4A7C15;
  return mixed ^ (mixed >> 32) ^ std::hash<std::string_view>()(entry.line);
}

}  // namespace

void LatencyHistogram::Add(int64_t nanos) {
  const auto value = static_cast<uint64_t>(std::max<int64_t>(nanos, 16));
  const auto octave = static_cast<size_t>(std::bit_width(value)) - 1;
  const size_t part = (value >> (octave - 4)) & 15;
  ++buckets_[octave * 16 + part];
  ++count_;
  max_ = std::max(max_, nanos);
}

int64_t LatencyHistogram::Quantile(double share) const {
  auto left = static_cast<uint64_t>(share * static_cast<double>(count_));
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i] > left) {
      const size_t octave = i / 16;
      return static_cast<int64_t>((uint64_t{16} + i % 16 + 1) << octave >> 4);
    }
    left -= buckets_[i];
  }
  return max_;
}

StreamState& Store::StreamFor(std::string_view tenant, std::string_view labels) {
  key_.assign(tenant);
  key_.push_back('\0');
  key_.append(labels);
  const auto [place, fresh] = index_.try_emplace(key_, streams_.size());
  if (fresh) {
    StreamState& stream = streams_.emplace_back();
    stream.tenant = tenant;
    stream.labels = labels;
    stream.name_hash = std::hash<std::string>()(key_);
  }
  return streams_[place->second];
}

bool Store::Knows(std::string_view tenant, std::string_view labels) const {
  std::string key(tenant);
  key.push_back('\0');
  key.append(labels);
  return index_.contains(key);
}

void Store::Add(std::string_view tenant, const StreamView& arrived, int64_t now) {
  StreamState& stream = StreamFor(tenant, arrived.labels);
  for (const EntryView& entry : arrived.entries) {
    if (stream.entries++ == 0) stream.first_nanos = entry.nanos;
    if (entry.nanos < stream.last_nanos) ++stream.time_went_back;
    stream.last_nanos = entry.nanos;
    stream.line_bytes += entry.line.size();
    line_bytes_ += entry.line.size();
    if (options_.verify) Verify(stream, entry, now);
  }
  entries_ += arrived.entries.size();
  KeepLast(stream, arrived);
}

void Store::Verify(StreamState& stream, const EntryView& entry, int64_t now) {
  const std::string_view line = entry.line;
  Mark mark;
  // Nearly always the mark ends the line or stands near its end: look there first.
  const size_t tail = line.size() > 96 && line.find('\n') == std::string_view::npos ? line.size() - 96 : 0;
  size_t at = ReadMark(line, tail, &mark);
  if (at == std::string_view::npos && tail != 0) at = ReadMark(line, 0, &mark);
  if (at == std::string_view::npos) ++unmarked_;
  for (; at != std::string_view::npos; at = ReadMark(line, at, &mark)) {
    if (mark.number >= kMaxNumber) continue;
    if (mark.nanos != 0) latency_.Add(now - mark.nanos);
    if (mark.nanos != 0 && mark.writer != 0) latency_of_others_.Add(now - mark.nanos);
    Note(stream, mark, entry);
  }
}

void Store::Note(StreamState& stream, const Mark& mark, const EntryView& entry) {
  if (recent_writer_ == nullptr || recent_writer_->writer != mark.writer) {
    recent_writer_ = &writers_[mark.writer];
    recent_writer_->writer = mark.writer;
  }
  WriterState& writer = *recent_writer_;
  const size_t word = mark.number / 64;
  const uint64_t bit = uint64_t{1} << (mark.number % 64);
  if (word >= writer.seen.size()) {
    writer.seen.resize(std::max(word + 1, writer.seen.size() * 2));
    writer.fingerprints.resize(writer.seen.size() * 64);
  }
  const uint64_t fingerprint = FingerprintOf(stream, entry);
  const bool duplicate = (writer.seen[word] & bit) != 0;
  writer.seen[word] |= bit;
  if (duplicate) {
    ++writer.duplicates;
    writer.duplicate_bytes += entry.line.size();
    if (writer.fingerprints[mark.number] != fingerprint) ++writer.different;
  } else {
    writer.fingerprints[mark.number] = fingerprint;
    if (writer.lines++ == 0) writer.first = writer.last = mark.number;
    writer.first = std::min(writer.first, mark.number);
    writer.last = std::max(writer.last, mark.number);
    ++marks_;
  }
  if (stream.recent >= stream.writers.size() || stream.writers[stream.recent].writer != mark.writer) {
    const auto found = std::find_if(stream.writers.begin(), stream.writers.end(),
                                    [&](const auto& seen) { return seen.writer == mark.writer; });
    stream.recent = static_cast<size_t>(found - stream.writers.begin());
    if (found == stream.writers.end()) {
      stream.writers.push_back({mark.writer, mark.number});
      return;
    }
  }
  uint64_t& largest = stream.writers[stream.recent].largest;
  if (!duplicate && mark.number < largest) ++writer.reordered;
  largest = std::max(largest, mark.number);
}

void Store::KeepLast(StreamState& stream, const StreamView& arrived) const {
  const size_t fresh = std::min<size_t>(arrived.entries.size(), options_.keep_lines);
  for (size_t i = arrived.entries.size() - fresh; i < arrived.entries.size(); ++i) {
    const EntryView& entry = arrived.entries[i];
    LastLine line;
    if (stream.last.size() >= options_.keep_lines) {  // reuse its memory
      line = std::move(stream.last.front());
      stream.last.pop_front();
    }
    line.nanos = entry.nanos;
    line.line.assign(entry.line.substr(0, 4096));
    line.metadata.assign(entry.metadata);
    stream.last.push_back(std::move(line));
  }
}

void Store::Clear() {
  streams_.clear();
  index_.clear();
  writers_.clear();
  recent_writer_ = nullptr;
  latency_ = {};
  latency_of_others_ = {};
  entries_ = line_bytes_ = marks_ = unmarked_ = 0;
}

std::vector<const WriterState*> Store::writers() const {
  std::vector<const WriterState*> all;
  for (const auto& [number, writer] : writers_) all.push_back(&writer);
  std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->writer < b->writer; });
  return all;
}

}  // namespace bench
