// SPDX-License-Identifier: Apache-2.0
// What the framing fuzz targets share: any bytes, read whole and in pieces, must give
// the same records, and nothing may be held when all is flushed.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "agent/frame/framer.h"
#include "agent/model/dump.h"

namespace agent::fuzz {

inline std::string Frame(frame::Format format, std::string_view bytes, size_t piece) {
  frame::FrameCounters counters;
  LabelInterner interner;
  auto file = std::make_shared<TailedFile>();
  RecordBatch batch;
  const auto framer = frame::MakeFramer({.format = format}, counters);
  const LabelSet* base = interner.Empty();
  std::string out;
  std::string window;
  uint64_t offset = 0;
  const auto take = [&] {
    out += Dump(batch.records());
    batch.Reset();
  };
  for (size_t at = 0; at < bytes.size(); at += piece) {
    window += bytes.substr(at, piece);
    while (const size_t used = framer->Feed(window, offset, *file, base, 7, interner, batch)) {
      take();
      window.erase(0, used);
      offset += used;
    }
  }
  framer->FeedLast(window, offset, *file, base, 7, interner, batch);
  take();
  framer->Flush(base, interner, batch);
  take();
  if (!file->receipts.Settled() || framer->held_bytes() != 0) std::abort();
  return out;
}

inline int CheckFraming(frame::Format format, const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = Frame(format, bytes, size + 1);
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{64}}) {
    if (Frame(format, bytes, piece) != whole) std::abort();
  }
  return 0;
}

}  // namespace agent::fuzz
