// SPDX-License-Identifier: Apache-2.0
// A record that a stage keeps back over batches (an open CRI line, an open multiline
// group): a copy of everything in it, and a hold on the bytes of its files, so that
// no position passes them before the record is emitted.
//
// Lane-local, owned by its stage. Labels are pinned. Memory is kept from one use to
// the next; the steady state allocates only when a record is longer than any before.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/model/record.h"

namespace agent::stage {

class HeldRecord {
 public:
  HeldRecord() = default;
  HeldRecord(HeldRecord&&) noexcept = default;
  HeldRecord& operator=(HeldRecord&&) noexcept = default;

  bool held() const { return held_; }
  const std::string& line() const { return line_; }
  const LabelSet* labels() const { return labels_.get(); }

  // Copies the whole record and holds its bytes. REQUIRES: !held().
  void Keep(const Record& record);
  // Adds `separator` and the record's line, and holds the record's bytes as well.
  // Labels, time, extracted map and metadata stay as they are. REQUIRES: held().
  void Append(std::string_view separator, const Record& record);
  // Cuts the line to at most `bytes`.
  void Truncate(size_t bytes) {
    if (line_.size() > bytes) line_.resize(bytes);
  }
  // Takes labels, time, extracted map and metadata from another record.
  void Adopt(const Record& record);

  // A record with copies in the arena; the holds pass to it. Leaves !held().
  Record* Emit(Arena& arena);
  // The same, but labels, time, extracted map and metadata stay for KeepAgain.
  Record* EmitAndRemember(Arena& arena);
  // Keeps the line of `record` with what the last EmitAndRemember left. REQUIRES: !held().
  void KeepAgain(const Record& record);
  // Prepends the kept line to that of `record`, and its bytes' origins. Leaves !held().
  void JoinInto(Record& record, Arena& arena);

 private:
  struct SavedValue {
    Value value;  // text of a string is in bytes_
    size_t offset = 0;
    size_t size = 0;
  };
  struct SavedPair {
    SavedValue name;
    SavedValue value;
  };

  SavedValue Save(const Value& value);
  SavedValue SaveText(std::string_view text) { return Save(Value::String(text)); }
  static Value Restore(const SavedValue& saved, std::string_view bytes);
  void HoldOrigins(const Origin& origin);
  void PassOrigins(Record& record, Arena& arena);

  bool held_ = false;
  WallNanos time_ = 0;
  std::string line_;
  LabelPin labels_;
  LabelPin background_;
  bool has_fields_ = false;
  std::vector<SavedValue> slots_;
  std::vector<SavedPair> extra_;
  std::vector<SavedPair> metadata_;
  std::string bytes_;            // of all saved texts
  std::vector<Origin> origins_;  // one a file, the lowest begin; `more` unused
};

}  // namespace agent::stage
