// SPDX-License-Identifier: Apache-2.0
// One generation of one log file: what source/ (io thread) and a lane share about
// it. A rename, a truncation or a re-creation ends a generation and starts another
// TailedFile; generations of one path share `chain`, and a lane reads them in order.
//
// Ownership: shared_ptr; source/ holds it while the file exists or is not settled,
// the lane while it has bytes to read or receipts open, a batch while in flight.
// Threads: the first group is immutable; `receipts` is lane-local; the atomics are
// written by one side (named) and read by anyone, relaxed unless said otherwise.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "agent/core/result.h"
#include "agent/core/time.h"
#include "agent/model/receipt.h"
#include "agent/model/tally.h"
#include "agent/model/target.h"

namespace agent {

// The bytes of one generation. Plain files read at any offset; a decompressing
// source must be read forwards, but may be asked again for bytes that the caller
// did not consume (offsets at or above the last `consumed`).
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Reads up to into.size() bytes at `offset`. 0 = nothing there now (end of file).
  virtual Result<size_t> ReadAt(uint64_t offset, std::span<char> into) = 0;
  // Says that bytes below `consumed` will not be asked for again.
  virtual void Consumed(uint64_t /*consumed*/) {}
};

struct TailedFile : std::enable_shared_from_this<TailedFile> {
  // -- immutable --
  uint64_t id = 0;       // unique in the process
  uint64_t chain = 0;    // the same for all generations of one path
  std::string path;      // as the glob named it (its `filename` label, if any)
  std::shared_ptr<const Target> target;
  LabelMap labels;       // target's labels plus `filename` or those of the pod's path
  std::unique_ptr<ByteSource> bytes;
  uint64_t start_offset = 0;
  std::shared_ptr<Tally> tally;  // of its pod; null: nobody counts. Set by the FileSink
  // The generation before this one; the lane reads it to its end first. The lane
  // resets it when that has happened.
  std::shared_ptr<TailedFile> predecessor;

  // -- lane-local (the lane that `chain` hashes to) --
  ReceiptTracker receipts{0};
  bool read_done = false;  // finished or abandoned, and nothing is left to read

  // -- written by the lane --
  std::atomic<uint64_t> read_offset{0};       // processed into records
  std::atomic<uint64_t> committed_offset{0};  // may be saved as the position
  std::atomic<uint64_t> lines{0};
  std::atomic<int64_t> last_data_ns{0};       // MonoTime of the last byte read
  std::atomic<bool> at_end{false};            // the last read found no more bytes
  std::atomic<bool> drained{false};           // finished, and every byte settled (release)
  std::atomic<bool> read_failed{false};       // the last read was an error
  std::atomic<uint64_t> dropped_lines{0};     // by stages and limits
  std::atomic<const std::string*> last_drop{nullptr};  // which stage; lives as long as the process

  // -- written by source/ --
  std::atomic<bool> finished{false};   // no byte will follow: ship an unterminated last line
  std::atomic<bool> abandoned{false};  // do not read further; what is unread is counted as lost
  std::atomic<uint64_t> size{0};       // as of the last look, for lag
};

// Where source/ hands files to the lanes. Called on the io thread; never blocks.
class FileSink {
 public:
  virtual ~FileSink() = default;
  virtual void Add(std::shared_ptr<TailedFile> file) = 0;
  // There may be bytes to read, or `finished`/`abandoned` has been set.
  virtual void Readable(const std::shared_ptr<TailedFile>& file) = 0;
};

}  // namespace agent
