// SPDX-License-Identifier: Apache-2.0
// `multiline`: joins lines into one record. A line that matches `firstline` begins a
// block; the lines after it are added with a line feed between them. A block ends at
// the next first line, at max_lines, when its stream is silent for max_wait_time, or
// at the end. Lines before the first match of a stream pass as they are.
//
//   multiline: {firstline: '^\d{4}-', max_wait_time: 3s, max_lines: 128}
//
// A stream is a file's chain and a label set, as they are at this stage. A block has
// the labels, time, extracted map and metadata of its first line; what follows a block
// that was cut off by time or size still has those of the old first line, as Promtail.
// Receipts: an open block holds its lines' bytes, over a rotation too.
// Cost: one copy of each line; the regular expression runs only for lines whose first
// byte it could match. Memory: the open blocks, and some hundred bytes for a stream,
// until it has been silent for kForget.
#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/stage/held_record.h"
#include "agent/stage/internal/first_byte.h"
#include "agent/stage/stage.h"
#include "agent/text/regex.h"

namespace agent::stage {
namespace {

constexpr Duration kForget = std::chrono::minutes(10);
constexpr Duration kForgetEvery = std::chrono::minutes(1);
// A writer writes a block at once; one that was silent for so long is whole when the agent ends.
constexpr Duration kQuietAtStop = std::chrono::milliseconds(250);

struct MultilinePlan : StagePlan {
  std::unique_ptr<Stage> NewLane() const override;
  // Whether the line begins a block.
  bool IsFirst(std::string_view line, Arena& arena) const {
    return first_byte.Allows(line) && firstline->Contains(line, arena);
  }

  std::unique_ptr<const text::Regex> firstline;
  FirstByte first_byte;
  Duration max_wait = std::chrono::seconds(3);
  uint64_t max_lines = 128;  // 0: no limit
};

struct Key {
  uint64_t chain = 0;
  const LabelSet* labels = nullptr;
  bool operator==(const Key&) const = default;
};

struct KeyHash {
  size_t operator()(const Key& key) const {
    return static_cast<size_t>((key.chain ^ key.labels->hash()) * 0x9E3779B97F4A7C15u);
  }
};

struct Group {
  HeldRecord block;
  LabelPin labels;  // keeps the key's label set
  uint64_t number = 0;
  uint64_t lines = 0;
  MonoTime last_line{};
};

class MultilineStage : public Stage {
 public:
  explicit MultilineStage(const MultilinePlan& plan) : plan_(plan) {}

  void Process(std::vector<Record*>& records, StageContext& context) override;
  MonoTime NextDeadline() const override { return next_deadline_; }
  void Flush(std::vector<Record*>& records, StageContext& context, bool all) override;
  size_t Held() const override;

 private:
  Group* Find(const Record& record);
  Group& Make(const Record& record);
  void Add(Group& group, const Record& record, bool first, StageContext& context);
  void Emit(Group& group, std::vector<Record*>& out, StageContext& context);
  void ForgetIdle(MonoTime now);

  const MultilinePlan& plan_;
  std::unordered_map<Key, std::unique_ptr<Group>, KeyHash> groups_;
  Key last_key_;  // of the record before: most have the same
  Group* last_group_ = nullptr;
  uint64_t next_number_ = 0;
  MonoTime next_deadline_ = kNever;  // may be early, never late
  MonoTime next_forget_{};
  std::vector<Record*> out_;
};

std::unique_ptr<Stage> MultilinePlan::NewLane() const { return std::make_unique<MultilineStage>(*this); }

Key KeyOf(const Record& record) {
  return {record.origin.file == nullptr ? 0 : record.origin.file->chain, record.labels};
}

Group* MultilineStage::Find(const Record& record) {
  const Key key = KeyOf(record);
  if (last_group_ != nullptr && key == last_key_) return last_group_;
  const auto found = groups_.find(key);
  if (found == groups_.end()) return nullptr;
  last_key_ = key;
  last_group_ = found->second.get();
  return last_group_;
}

Group& MultilineStage::Make(const Record& record) {
  const Key key = KeyOf(record);
  auto& group = groups_[key];
  group = std::make_unique<Group>();
  group->labels = LabelPin(record.labels);
  group->number = next_number_++;
  last_key_ = key;
  last_group_ = group.get();
  return *group;
}

void MultilineStage::Add(Group& group, const Record& record, bool first, StageContext& context) {
  if (!group.block.held()) {
    if (first) {
      group.block.Keep(record);
    } else {
      group.block.KeepAgain(record);
    }
    next_deadline_ = std::min(next_deadline_, context.now + plan_.max_wait);
  } else if (first) {  // the block so far was one empty line, which goes
    group.block.EmitAndRemember(context.arena);
    group.block.Keep(record);
  } else {
    group.block.Append(group.block.line().empty() ? "" : "\n", record);
  }
  // At a stop only what an earlier stage has let go comes: it was silent there.
  group.last_line = context.stopping ? MonoTime() : context.now;
  ++group.lines;
}

// A block of nothing but empty lines is not sent, and goes on counting.
void MultilineStage::Emit(Group& group, std::vector<Record*>& out, StageContext& context) {
  if (!group.block.held() || group.block.line().empty()) return;
  out.push_back(group.block.EmitAndRemember(context.arena));
  group.lines = 0;
}

void MultilineStage::Process(std::vector<Record*>& records, StageContext& context) {
  out_.clear();
  for (Record* record : records) {
    const bool first = plan_.IsFirst(record->line, context.arena);
    Group* group = Find(*record);
    if (group == nullptr && !first) {
      out_.push_back(record);
      continue;
    }
    if (group == nullptr) group = &Make(*record);
    if (first) Emit(*group, out_, context);
    Add(*group, *record, first, context);
    if (group->lines == plan_.max_lines) Emit(*group, out_, context);
  }
  records.swap(out_);
}

void MultilineStage::Flush(std::vector<Record*>& records, StageContext& context, bool all) {
  if (!all && !context.stopping && context.now < next_deadline_) return;
  const Duration wait = context.stopping ? std::min(plan_.max_wait, kQuietAtStop) : plan_.max_wait;
  std::vector<Group*> due;
  next_deadline_ = kNever;
  for (const auto& [key, group] : groups_) {
    if (!group->block.held()) continue;
    const MonoTime deadline = group->last_line + wait;
    if (all || deadline <= context.now) {
      due.push_back(group.get());
    } else {
      next_deadline_ = std::min(next_deadline_, deadline);
    }
  }
  std::sort(due.begin(), due.end(), [](const Group* a, const Group* b) {
    return a->last_line != b->last_line ? a->last_line < b->last_line : a->number < b->number;
  });
  for (Group* group : due) {
    // An empty line alone is not sent; its bytes are done with.
    if (group->block.line().empty()) group->block.EmitAndRemember(context.arena);
    Emit(*group, records, context);
  }
  ForgetIdle(context.now);
}

void MultilineStage::ForgetIdle(MonoTime now) {
  if (now < next_forget_) return;
  next_forget_ = now + kForgetEvery;
  last_group_ = nullptr;
  std::erase_if(groups_, [now](const auto& entry) {
    return !entry.second->block.held() && entry.second->last_line + kForget < now;
  });
}

size_t MultilineStage::Held() const {
  return static_cast<size_t>(
      std::count_if(groups_.begin(), groups_.end(), [](const auto& entry) { return entry.second->block.held(); }));
}

std::unique_ptr<StagePlan> BuildMultiline(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kWeakStage);
  auto plan = std::make_unique<MultilinePlan>();
  std::string firstline, wait;
  int64_t lines = static_cast<int64_t>(plan->max_lines);
  reader.Require("firstline", reader.String("firstline", firstline));
  if (reader.String("max_wait_time", wait)) {
    const auto duration = config::ParseGoDuration(wait);
    if (duration) {
      plan->max_wait = std::max(*duration, Duration::zero());
    } else {
      reader.Error("max_wait_time", duration.error().what);
    }
  }
  if (reader.Int("max_lines", lines) && lines < 0) {
    reader.Warning("max_lines", "a negative number of lines means no limit; write 0");
    lines = 0;
  }
  reader.Finish();
  plan->max_lines = static_cast<uint64_t>(lines);
  auto regex = text::Regex::Compile(firstline);
  if (!regex) {
    reader.Error("firstline", regex.error().what);
    return nullptr;
  }
  plan->firstline = std::move(*regex);
  plan->first_byte = FirstByte(firstline);
  return plan;
}

}  // namespace

const StageSpec kStage_multiline{"multiline", "", BuildMultiline};

}  // namespace agent::stage
