// SPDX-License-Identifier: Apache-2.0
// From bytes to records: splits lines, decodes the container runtime's format
// (CRI or Docker json-file), joins CRI partial lines. Fed by flow/ with what it read
// from a file, feeds the pipeline. Pure; lane-local; one Framer per chain of files
// (a partial line may run over a rotation).
//
// Views: a record's line points into the bytes given to Feed, or into the batch's
// arena (joined partials, unescaped JSON); it is valid until the batch is reset. The
// interner and the files given to Feed outlive the framer.
// Cost: no allocation and no copy per record, except for joined, escaped and decoded lines.
// Format: CRI logs as the kubelet's container runtimes write them,
//   `2016-10-06T00:17:09.669794202Z stdout P log content`; Docker's json-file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/model/record.h"
#include "agent/text/charset.h"

namespace agent::frame {

enum class Format { kPlain, kCri, kDocker };

struct FramerOptions {
  Format format = Format::kPlain;
  // Partial lines of one stream are joined up to this many bytes; more is cut into
  // another record and counted. 0 = kHardLimit.
  uint64_t max_partial_line_size = 0;
  bool truncate_partials = false;  // Promtail: cut instead of splitting
  // What the file is written in; null: UTF-8, whose bytes pass as they are.
  std::shared_ptr<const text::Charset> charset = nullptr;
  // Standard input's rules: carriage returns at the end of a line go, empty lines too.
  bool trim_lines = false;
  // One carriage return at the end of a line goes, as in what Promtail unpacks.
  bool drop_carriage_return = false;
  static constexpr uint64_t kHardLimit = 16 * 1024 * 1024;

  bool operator==(const FramerOptions&) const = default;
};

// Shared counters of a lane's framers; plain numbers, lane-local.
struct FrameCounters {
  uint64_t lines = 0;          // physical lines
  uint64_t not_in_format = 0;  // shipped as they are
  uint64_t partials = 0;       // CRI fragments joined
  uint64_t cut_lines = 0;
};

class Framer {
 public:
  virtual ~Framer() = default;

  // Cuts complete lines off the front of `bytes`, which start at `offset` of `file`,
  // and appends their records to `batch` until it has kMaxRecords or no complete line
  // is left. Returns the bytes consumed. `base` are the file's labels. Records carry
  // `wall` where the line has no time of its own.
  virtual size_t Feed(std::string_view bytes, uint64_t offset, TailedFile& file, const LabelSet* base,
                      WallNanos wall, LabelInterner& interner, RecordBatch& batch) = 0;
  // The file is finished: what is left without a newline is its last line.
  virtual void FeedLast(std::string_view rest, uint64_t offset, TailedFile& file, const LabelSet* base,
                        WallNanos wall, LabelInterner& interner, RecordBatch& batch) = 0;
  // The chain has ended: emits partial lines that wait for an end.
  virtual void Flush(const LabelSet* base, LabelInterner& interner, RecordBatch& batch) = 0;
  // Partial bytes kept (for the memory budget).
  virtual uint64_t held_bytes() const = 0;
};

std::unique_ptr<Framer> MakeFramer(const FramerOptions& options, FrameCounters& counters);

}  // namespace agent::frame
