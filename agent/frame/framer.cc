// SPDX-License-Identifier: Apache-2.0
#include "agent/frame/framer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "agent/frame/internal/docker_line.h"
#include "agent/frame/internal/rfc3339.h"
#include "agent/model/last_times.h"

namespace agent::frame {
namespace {

// The two streams of a container, as indexes.
enum StreamIndex : uint8_t { kStdout = 0, kStderr = 1 };
constexpr std::string_view kStreamNames[] = {"stdout", "stderr"};

// What a Feed call is about; everything a line's record needs beside its text.
struct Feeding {
  TailedFile& file;
  const LabelSet* base;
  WallNanos wall;
  LabelInterner& interner;
  RecordBatch& batch;
};

// The loop over lines that all formats share. Derived::Line makes the record.
template <class Derived>
class LineFramer : public Framer {
 public:
  LineFramer(const FramerOptions& options, FrameCounters& counters)
      : counters_(counters),
        special_(options.trim_lines || options.drop_carriage_return || options.charset != nullptr),
        trim_(options.trim_lines),
        drop_carriage_return_(options.drop_carriage_return) {
    if (options.charset != nullptr) decoder_ = std::make_unique<text::CharsetDecoder>(options.charset);
  }

  size_t Feed(std::string_view bytes, uint64_t offset, TailedFile& file, const LabelSet* base,
              WallNanos wall, LabelInterner& interner, RecordBatch& batch) override {
    Feeding feeding{file, base, wall, interner, batch};
    if (special_) [[unlikely]] return FeedSpecial(bytes, offset, feeding);
    const char* const start = bytes.data();
    const char* const end = start + bytes.size();
    const char* at = start;
    while (batch.records().size() < RecordBatch::kMaxRecords && at < end) {
      const auto* newline = static_cast<const char*>(std::memchr(at, '\n', static_cast<size_t>(end - at)));
      if (newline == nullptr) break;
      ++counters_.lines;
      static_cast<Derived*>(this)->Line({at, static_cast<size_t>(newline - at)},
                                        offset + static_cast<uint64_t>(at - start), feeding);
      at = newline + 1;
    }
    return static_cast<size_t>(at - start);
  }

  void FeedLast(std::string_view rest, uint64_t offset, TailedFile& file, const LabelSet* base,
                WallNanos wall, LabelInterner& interner, RecordBatch& batch) override {
    if (rest.empty()) return;
    Feeding feeding{file, base, wall, interner, batch};
    ++counters_.lines;
    if (special_) {
      if (decoder_ != nullptr) Begin(rest, offset, file);
      SpecialLine(rest, offset, feeding);
    } else {
      static_cast<Derived*>(this)->Line(rest, offset, feeding);
    }
  }

  void Flush(const LabelSet*, LabelInterner&, RecordBatch&) override {}
  uint64_t held_bytes() const override { return 0; }

 protected:
  Record& Emit(std::string_view line, WallNanos time, const LabelSet* labels, uint64_t begin, Feeding& feeding) {
    Record& record = *feeding.batch.Append();
    record.line = line;
    record.time = time;
    record.labels = labels;
    record.origin.file = &feeding.file;
    record.origin.begin = begin;
    return record;
  }

  // The time of reading. Lines of one read get rising ones, so that their order and
  // equal lines survive in Loki.
  WallNanos ReadTime(WallNanos wall) { return read_time_ = std::max(wall, read_time_ + 1); }

  // The time of a line that has none: just after the last one known for its labels
  // (Promtail's "fudge"), or the time of reading.
  WallNanos FudgedTime(const LabelSet* labels, WallNanos wall) {
    WallNanos time = read_time_;
    if (last_times_.Fudge(labels, time)) return time;
    return ReadTime(wall);
  }

  FrameCounters& counters_;
  LastTimes last_times_;  // of the formats that carry times

 private:
  // Of other character sets, unpacked files and standard input.
  size_t FeedSpecial(std::string_view bytes, uint64_t offset, Feeding& feeding) {
    if (decoder_ != nullptr) Begin(bytes, offset, feeding.file);
    const size_t newline = decoder_ != nullptr ? decoder_->charset().unit() : 1;
    size_t at = 0;
    while (feeding.batch.records().size() < RecordBatch::kMaxRecords) {
      const std::string_view rest = bytes.substr(at);
      const size_t end = decoder_ != nullptr ? decoder_->FindLineEnd(rest) : rest.find('\n');
      if (end == std::string_view::npos) break;
      ++counters_.lines;
      SpecialLine(rest.substr(0, end), offset + at, feeding);
      at += end + newline;
      begun_ = feeding.file.id;
    }
    return at;
  }

  void SpecialLine(std::string_view line, uint64_t begin, Feeding& feeding) {
    if (drop_carriage_return_ && line.ends_with('\r')) line.remove_suffix(1);
    if (decoder_ != nullptr) line = decoder_->Decode(line, begin == 0, feeding.batch.arena());
    if (trim_) line = line.substr(0, line.find_last_not_of('\r') + 1);
    if (!trim_ || !line.empty()) static_cast<Derived*>(this)->Line(line, begin, feeding);
  }

  // Until a line of the file was found, the decoder has not seen enough of it.
  void Begin(std::string_view bytes, uint64_t offset, const TailedFile& file) {
    if (begun_ != file.id) decoder_->BeginFile(bytes, offset == 0);
  }

  const bool special_;
  const bool trim_;
  const bool drop_carriage_return_;
  WallNanos read_time_ = 0;
  std::unique_ptr<text::CharsetDecoder> decoder_;
  uint64_t begun_ = UINT64_MAX;  // the file whose byte order the decoder knows
};

class PlainFramer final : public LineFramer<PlainFramer> {
 public:
  using LineFramer::LineFramer;

  void Line(std::string_view line, uint64_t begin, Feeding& feeding) {
    Emit(line, ReadTime(feeding.wall), feeding.base, begin, feeding);
  }
};

// Labels of both streams, each resolved once per base set: most containers write to one.
class StreamLabels {
 public:
  const LabelSet* Get(const LabelSet* base, uint8_t stream, LabelInterner& interner) {
    if (base != base_.get()) {
      base_ = LabelPin(base);
      sets_ = {};
    }
    if (sets_[stream].get() == nullptr) [[unlikely]] {
      sets_[stream] = LabelPin(interner.With(base, "stream", kStreamNames[stream]));
    }
    return sets_[stream].get();
  }

 private:
  LabelPin base_;
  std::array<LabelPin, 2> sets_;
};

class CriFramer final : public LineFramer<CriFramer> {
 public:
  CriFramer(const FramerOptions& options, FrameCounters& counters)
      : LineFramer(options, counters),
        truncate_(options.truncate_partials),
        truncate_at_(options.max_partial_line_size),
        limit_(FramerOptions::kHardLimit) {}

  ~CriFramer() override {
    for (Partial& partial : partials_) Unhold(partial);
  }

  void Line(std::string_view line, uint64_t begin, Feeding& feeding) {
    Head head;
    if (!ParseHead(line, head)) {
      EmitAsItIs(line, begin, feeding);
      return;
    }
    WallNanos time = 0;
    const bool parsed = parser_.Parse(head.time, time);
    if (!parsed && HasSpace(head.time)) [[unlikely]] {
      EmitAsItIs(line, begin, feeding);
      return;
    }
    Partial& partial = partials_[head.stream];
    const LabelSet* labels = labels_.Get(feeding.base, head.stream, feeding.interner);
    if (parsed) [[likely]] {
      last_times_.Remember(labels, time);
    } else {
      time = FudgedTime(labels, feeding.wall);
    }
    if (head.partial) [[unlikely]] {
      Append(partial, head.content, time, begin, feeding, labels);
    } else if (!partial.origins.empty()) [[unlikely]] {
      Append(partial, head.content, time, begin, feeding, labels);
      EmitPartial(partial, labels, feeding.batch);
    } else {
      Emit(head.content, time, labels, begin, feeding);
    }
  }

  void Flush(const LabelSet* base, LabelInterner& interner, RecordBatch& batch) override {
    for (uint8_t i : {kStdout, kStderr}) {
      if (!partials_[i].origins.empty()) EmitPartial(partials_[i], labels_.Get(base, i, interner), batch);
    }
  }

  uint64_t held_bytes() const override { return partials_[0].text.size() + partials_[1].text.size(); }

 private:
  struct Head {
    std::string_view time;
    std::string_view content;
    uint8_t stream = kStdout;
    bool partial = false;
  };
  // Fragments of one stream that wait for their last one. Every file that holds a
  // fragment is held at its first one.
  struct Partial {
    std::string text;
    WallNanos time = 0;
    struct Held {
      TailedFile* file;
      uint64_t begin;
    };
    std::vector<Held> origins;
  };

  static bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f'; }

  void EmitAsItIs(std::string_view line, uint64_t begin, Feeding& feeding) {
    ++counters_.not_in_format;
    Emit(line, FudgedTime(feeding.base, feeding.wall), feeding.base, begin, feeding);
  }

  // `<time> <stdout|stderr> <flags> <content>`; white space in the time is left to
  // the caller, who knows whether it parsed.
  static bool ParseHead(std::string_view line, Head& head) {
    const auto* space = static_cast<const char*>(std::memchr(line.data(), ' ', std::min<size_t>(line.size(), 64)));
    if (space == nullptr || space == line.data()) return false;
    head.time = {line.data(), static_cast<size_t>(space - line.data())};
    const size_t stream_at = head.time.size() + 1;
    if (line.size() < stream_at + 9) return false;  // "stdout F "
    const std::string_view stream = line.substr(stream_at, 7);
    if (stream == "stdout ") {
      head.stream = kStdout;
    } else if (stream == "stderr ") {
      head.stream = kStderr;
    } else {
      return false;
    }
    const size_t flags_at = stream_at + 7;
    if (line[flags_at + 1] == ' ' && !IsSpace(line[flags_at])) [[likely]] {
      head.partial = line[flags_at] == 'P';
      head.content = line.substr(flags_at + 2);
      return true;
    }
    const size_t flags_end = line.find(' ', flags_at);
    if (flags_end == std::string_view::npos || flags_end == flags_at) return false;
    head.content = line.substr(flags_end + 1);
    return !HasSpace(line.substr(flags_at, flags_end - flags_at));
  }

  static bool HasSpace(std::string_view text) {
    return text.find_first_of("\t\r\f") != std::string_view::npos;
  }

  void Append(Partial& partial, std::string_view content, WallNanos time, uint64_t begin, Feeding& feeding,
              const LabelSet* labels) {
    if (partial.text.size() + content.size() > limit_ && !partial.text.empty()) {
      ++counters_.cut_lines;
      EmitPartial(partial, labels, feeding.batch);
    }
    ++counters_.partials;
    if (partial.origins.empty() || partial.origins.back().file != &feeding.file) {
      feeding.file.receipts.Hold(begin);
      partial.origins.push_back({&feeding.file, begin});
    }
    partial.text.append(content);
    partial.time = time;
    if (truncate_ && partial.text.size() > truncate_at_) {
      ++counters_.cut_lines;
      partial.text.resize(truncate_at_);
    }
  }

  void EmitPartial(Partial& partial, const LabelSet* labels, RecordBatch& batch) {
    Record& record = *batch.Append();
    record.line = batch.arena().Copy(partial.text);
    record.time = partial.time;
    record.labels = labels;
    Origin* origin = &record.origin;
    for (size_t i = 0; i < partial.origins.size(); ++i) {
      if (i > 0) origin = origin->more = batch.arena().New<Origin>();
      origin->file = partial.origins[i].file;
      origin->begin = partial.origins[i].begin;
    }
    Unhold(partial);
    if (partial.text.capacity() > 64 * 1024) {
      partial.text = {};
    } else {
      partial.text.clear();
    }
  }

  static void Unhold(Partial& partial) {
    for (const Partial::Held& held : partial.origins) held.file->receipts.Release(held.begin);
    partial.origins.clear();
  }

  const bool truncate_;
  const uint64_t truncate_at_;
  const uint64_t limit_;
  Rfc3339Parser parser_;
  StreamLabels labels_;
  std::array<Partial, 2> partials_;
};

class DockerFramer final : public LineFramer<DockerFramer> {
 public:
  using LineFramer::LineFramer;

  void Line(std::string_view line, uint64_t begin, Feeding& feeding) {
    DockerLine fields;
    if (!reader_.Read(line, feeding.batch.arena(), fields)) ++counters_.not_in_format;
    const LabelSet* labels = feeding.base;
    if (fields.stream) {
      const bool known = *fields.stream == kStreamNames[kStdout] || *fields.stream == kStreamNames[kStderr];
      labels = known ? labels_.Get(feeding.base, *fields.stream == kStreamNames[kStderr] ? kStderr : kStdout,
                                   feeding.interner)
                     : feeding.interner.With(feeding.base, "stream", *fields.stream);
    }
    WallNanos time = 0;
    if (fields.time && parser_.Parse(*fields.time, time)) {
      last_times_.Remember(labels, time);
    } else {
      time = FudgedTime(labels, feeding.wall);
    }
    Emit(fields.log.value_or(line), time, labels, begin, feeding);
  }

 private:
  DockerLineReader reader_;
  Rfc3339Parser parser_;
  StreamLabels labels_;
};

}  // namespace

std::unique_ptr<Framer> MakeFramer(const FramerOptions& options, FrameCounters& counters) {
  switch (options.format) {
    case Format::kCri: return std::make_unique<CriFramer>(options, counters);
    case Format::kDocker: return std::make_unique<DockerFramer>(options, counters);
    case Format::kPlain: break;
  }
  return std::make_unique<PlainFramer>(options, counters);
}

}  // namespace agent::frame
