// SPDX-License-Identifier: Apache-2.0
// What happened to the lines of one pod, or of one target's other files: sums over all
// of its files and their generations, which come and go.
//
// Ownership: app/ makes tallies and puts one into each TailedFile before a lane sees it.
// Threads: written by the lanes, read by anyone; relaxed. A handful of adds per read
// and per batch of records, none per record.
#pragma once

#include <atomic>
#include <cstdint>

#include "agent/core/time.h"
#include "agent/model/stream_list.h"

namespace agent {

struct Tally {
  std::atomic<uint64_t> bytes_read{0};
  std::atomic<uint64_t> lines_read{0};     // physical ones
  std::atomic<uint64_t> entries_out{0};    // that left the pipeline for a batch
  std::atomic<uint64_t> bytes_out{0};      // line bytes of those
  std::atomic<uint64_t> lines_dropped{0};  // by stages and limits
  std::atomic<WallNanos> last_read{0};     // 0: never
  std::atomic<WallNanos> last_stored{0};   // when Loki took a batch with lines of it
  StreamList streams;                      // that its files have fed lately

  // Lines came, and every one was dropped on purpose.
  bool silenced() const {
    return entries_out.load(std::memory_order_relaxed) == 0 && lines_dropped.load(std::memory_order_relaxed) > 0;
  }
};

}  // namespace agent
