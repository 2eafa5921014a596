// SPDX-License-Identifier: Apache-2.0
// What travels through a lane: records, in batches of at most kMaxRecords.
//
// A Record is a bundle of views and is meaningless outside its RecordBatch: `line`
// and string values point into the lane's read buffer, the batch's arena, or memory
// that a stage keeps until its next call. Whoever keeps a record longer copies it.
// Lane-local. No allocation per record: records and fields come from the arena.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/core/arena.h"
#include "agent/core/time.h"
#include "agent/model/label_set.h"
#include "agent/model/tailed_file.h"
#include "agent/model/value.h"

namespace agent {

// Index of a name in its pipeline's SymbolTable (stage/symbols.h).
using Symbol = uint32_t;

struct MetadataPair {
  std::string_view name;
  std::string_view value;
  MetadataPair* next = nullptr;
};

// Where a record's bytes begin. `more` is set where a record has bytes of several
// files (a line or group that runs over a rotation).
struct Origin {
  TailedFile* file = nullptr;
  uint64_t begin = 0;
  Origin* more = nullptr;
};

// The extracted map of one record: slots by symbol, names found at run time, and the
// labels at the pipeline's start as the background. See stage/fields.h for access.
struct Fields {
  std::span<Value> slots;
  const LabelSet* background = nullptr;
  struct Extra {
    std::string_view name;
    Value value;
    Extra* next;
  };
  Extra* extra = nullptr;
};

struct Record {
  std::string_view line;
  WallNanos time = 0;
  const LabelSet* labels = nullptr;
  Fields* fields = nullptr;          // null until a stage needs it
  MetadataPair* metadata = nullptr;  // in order of sending
  Origin origin;
};

class RecordBatch {
 public:
  static constexpr size_t kMaxRecords = 512;  // records + lines stay in the L2 cache

  Arena& arena() { return arena_; }
  // In order. A stage removes what it drops or keeps, and inserts what it emits.
  std::vector<Record*>& records() { return records_; }
  const std::vector<Record*>& records() const { return records_; }

  Record* Append() {
    records_.push_back(arena_.New<Record>());
    return records_.back();
  }
  void Reset() {
    records_.clear();
    arena_.Reset();
  }

 private:
  Arena arena_;
  std::vector<Record*> records_;
};

inline void AppendMetadata(Arena& arena, Record& record, std::string_view name, std::string_view value) {
  MetadataPair** tail = &record.metadata;
  while (*tail != nullptr) tail = &(*tail)->next;
  *tail = arena.New<MetadataPair>(MetadataPair{name, value, nullptr});
}

}  // namespace agent
