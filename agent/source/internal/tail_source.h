// SPDX-License-Identifier: Apache-2.0
// The bytes of a generation as source/ gives them to a lane: readable by the lane,
// and closed from this side when the writer has moved on, the file was truncated, or
// the descriptor must be released.
//
// Threads: ReadAt on the lane's thread, the rest on the io thread; a mutex guards what
// both touch and is never held over a system call.
// Invariants: (1) no byte at or above the limit is handed out; (2) after Seal nothing
// is handed out and the file is closed as soon as a running read returns.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "agent/core/mutex.h"
#include "agent/model/tailed_file.h"
#include "agent/platform/fs.h"
#include "agent/source/positions.h"

namespace agent::source {

class TailSource : public ByteSource {
 public:
  explicit TailSource(std::shared_ptr<platform::File> file) : file_(std::move(file)) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<char> into) final;

  // No byte at or above `limit` is handed out from now on. False, and no change, if one
  // was already.
  [[nodiscard]] bool CutAt(uint64_t limit);
  // No byte is handed out until Replace, Seal or Hold(false).
  void Hold(bool held);
  // No byte is handed out from now on; closes the file.
  void Seal();
  // Goes on with another file that has the same bytes (the copy of a truncated one).
  void Replace(std::shared_ptr<platform::File> file);
  // The end of the furthest read.
  uint64_t handed_out();
  // Of the first bytes that were handed out, if the reading began with them.
  Fingerprint head();
  // A read that found it sealed: the lane knows, and has processed what it had.
  bool seal_seen() const { return seal_seen_.load(std::memory_order_acquire); }
  std::shared_ptr<platform::File> file();

 protected:
  // Reads what is there at `offset`, at least a byte of it; 0 = the end.
  virtual Result<size_t> Fetch(platform::File& file, uint64_t offset, std::span<char> into) = 0;

 private:
  Mutex mutex_;
  std::shared_ptr<platform::File> file_ AGENT_GUARDED_BY(mutex_);
  uint64_t limit_ AGENT_GUARDED_BY(mutex_) = UINT64_MAX;
  uint64_t handed_out_ AGENT_GUARDED_BY(mutex_) = 0;
  Fingerprint head_ AGENT_GUARDED_BY(mutex_);
  bool held_ AGENT_GUARDED_BY(mutex_) = false;
  bool sealed_ AGENT_GUARDED_BY(mutex_) = false;
  std::atomic<bool> seal_seen_{false};
};

class PlainSource final : public TailSource {
 public:
  using TailSource::TailSource;

 private:
  Result<size_t> Fetch(platform::File& file, uint64_t offset, std::span<char> into) override;
};

// A source for a packed file. Reads forwards; a byte below the last Consumed cannot be
// read again. kConfig if this build does not know the packing.
Result<std::unique_ptr<TailSource>> MakeUnpackingSource(Packing packing, std::shared_ptr<platform::File> file);

// A packed file that reads as if it were not; forwards is cheap, backwards begins again. Its
// Stat is the packed file's. Thread-safe.
std::shared_ptr<platform::File> MakeUnpackedFile(Packing packing, std::shared_ptr<platform::File> file);

// The fingerprint of the unpacked beginning. kCorrupt if it is not packed so.
Result<Fingerprint> UnpackedHead(Packing packing, const std::shared_ptr<platform::File>& file, uint32_t length);

}  // namespace agent::source
