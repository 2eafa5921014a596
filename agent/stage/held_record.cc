// SPDX-License-Identifier: Apache-2.0
#include "agent/stage/held_record.h"

#include <algorithm>
#include <cstring>

#include "agent/core/check.h"

namespace agent::stage {

HeldRecord::SavedValue HeldRecord::Save(const Value& value) {
  SavedValue saved{value, bytes_.size(), 0};
  if (value.kind == Value::Kind::kString) {
    saved.size = value.text.size();
    bytes_.append(value.text);
  }
  return saved;
}

Value HeldRecord::Restore(const SavedValue& saved, std::string_view bytes) {
  if (saved.value.kind != Value::Kind::kString) return saved.value;
  return Value::String(bytes.substr(saved.offset, saved.size));
}

void HeldRecord::HoldOrigins(const Origin& origin) {
  for (const Origin* at = &origin; at != nullptr; at = at->more) {
    if (at->file == nullptr) continue;
    const auto known = std::find_if(origins_.begin(), origins_.end(),
                                    [at](const Origin& held) { return held.file == at->file; });
    if (known == origins_.end()) {
      at->file->receipts.Hold(at->begin);
      origins_.push_back({at->file, at->begin, nullptr});
    } else if (at->begin < known->begin) {
      at->file->receipts.Hold(at->begin);
      at->file->receipts.Release(known->begin);
      known->begin = at->begin;
    }
  }
}

void HeldRecord::PassOrigins(Record& record, Arena& arena) {
  for (const Origin& held : origins_) {
    held.file->receipts.Release(held.begin);
    Origin* at = &record.origin;
    while (at->file != nullptr && at->file != held.file && at->more != nullptr) at = at->more;
    if (at->file == nullptr) {
      at->file = held.file;
      at->begin = held.begin;
    } else if (at->file == held.file) {
      at->begin = std::min(at->begin, held.begin);
    } else {
      at->more = arena.New<Origin>(held);
    }
  }
  origins_.clear();
}

void HeldRecord::Keep(const Record& record) {
  DCHECK(!held_, "a held record must be emitted before another is kept");
  held_ = true;
  line_.assign(record.line);
  HoldOrigins(record.origin);
  Adopt(record);
}

void HeldRecord::Append(std::string_view separator, const Record& record) {
  DCHECK(held_, "nothing is kept to append to");
  line_.append(separator).append(record.line);
  HoldOrigins(record.origin);
}

void HeldRecord::Adopt(const Record& record) {
  time_ = record.time;
  labels_ = LabelPin(record.labels);
  slots_.clear();
  extra_.clear();
  metadata_.clear();
  bytes_.clear();
  for (const MetadataPair* pair = record.metadata; pair != nullptr; pair = pair->next) {
    const SavedValue name = SaveText(pair->name);
    metadata_.push_back({name, SaveText(pair->value)});
  }
  has_fields_ = record.fields != nullptr;
  background_ = LabelPin(has_fields_ ? record.fields->background : nullptr);
  if (!has_fields_) return;
  for (const Value& value : record.fields->slots) slots_.push_back(Save(value));
  for (const Fields::Extra* extra = record.fields->extra; extra != nullptr; extra = extra->next) {
    const SavedValue name = SaveText(extra->name);
    extra_.push_back({name, Save(extra->value)});
  }
}

void HeldRecord::KeepAgain(const Record& record) {
  DCHECK(!held_, "a held record must be emitted before another is kept");
  held_ = true;
  line_.assign(record.line);
  HoldOrigins(record.origin);
}

Record* HeldRecord::Emit(Arena& arena) {
  Record* record = EmitAndRemember(arena);
  labels_ = LabelPin();
  background_ = LabelPin();
  return record;
}

Record* HeldRecord::EmitAndRemember(Arena& arena) {
  DCHECK(held_, "nothing is kept to emit");
  held_ = false;
  Record* record = arena.New<Record>();
  record->line = arena.Copy(line_);
  record->time = time_;
  record->labels = labels_.get();
  PassOrigins(*record, arena);
  const std::string_view bytes = arena.Copy(bytes_);
  for (const SavedPair& pair : metadata_) {
    AppendMetadata(arena, *record, Restore(pair.name, bytes).text, Restore(pair.value, bytes).text);
  }
  if (has_fields_) {
    record->fields = arena.New<Fields>();
    record->fields->background = background_.get();
    if (!slots_.empty()) record->fields->slots = arena.NewArray<Value>(slots_.size());
    for (size_t i = 0; i < slots_.size(); ++i) record->fields->slots[i] = Restore(slots_[i], bytes);
    for (auto extra = extra_.rbegin(); extra != extra_.rend(); ++extra) {
      record->fields->extra = arena.New<Fields::Extra>(Fields::Extra{
          Restore(extra->name, bytes).text, Restore(extra->value, bytes), record->fields->extra});
    }
  }
  return record;
}

void HeldRecord::JoinInto(Record& record, Arena& arena) {
  DCHECK(held_, "nothing is kept to join");
  held_ = false;
  char* to = static_cast<char*>(arena.Allocate(line_.size() + record.line.size() + 1, 1));
  std::memcpy(to, line_.data(), line_.size());
  if (!record.line.empty()) std::memcpy(to + line_.size(), record.line.data(), record.line.size());
  record.line = {to, line_.size() + record.line.size()};
  PassOrigins(record, arena);
  labels_ = LabelPin();
  background_ = LabelPin();
}

}  // namespace agent::stage
