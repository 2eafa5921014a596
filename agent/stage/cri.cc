// SPDX-License-Identifier: Apache-2.0
// `cri` where the framer does not do it: after other stages, or where a later stage
// reads what it leaves in the extracted map (`time`, `stream`, `flags`, `content`).
// Decodes `<time> <stdout|stderr> <flags> <content>`, sets time, label `stream` and
// line, and joins lines that the runtime has split (flags `P`, up to one that has
// other flags), by label set. Other lines pass as they are.
//
// Unlike Promtail, only a line of a stream that is not open yet can push out the open
// ones (max_partial_lines counts streams), and a size of 0 does not cut everything.
// Held fragments hold the position; at the end of a file they are emitted.
#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/model/last_times.h"
#include "agent/stage/fields.h"
#include "agent/stage/held_record.h"
#include "agent/stage/internal/cri_options.h"
#include "agent/text/timestamp.h"

namespace agent::stage {
namespace {

constexpr size_t kMaxJoined = 16 * 1024 * 1024;  // a joined line is emitted beyond that

struct CriLine {
  std::string_view time;
  std::string_view stream;
  std::string_view flags;
  std::string_view content;
};

// Takes a run of characters that are no space, and the space behind it.
bool TakeWord(std::string_view& line, std::string_view& word) {
  const size_t end = line.find_first_of(" \t\n\f\r");
  if (end == 0 || end == std::string_view::npos || line[end] != ' ') return false;
  word = line.substr(0, end);
  line.remove_prefix(end + 1);
  return true;
}

bool ParseCri(std::string_view line, CriLine& out) {
  if (!TakeWord(line, out.time) || !TakeWord(line, out.stream) || !TakeWord(line, out.flags)) return false;
  out.content = line;
  return out.stream == "stdout" || out.stream == "stderr";
}

struct CriPlan : StagePlan {
  CriPlan(SymbolTable& symbols, text::TimeFormat rfc3339)
      : fields(symbols),
        format(std::move(rfc3339)),
        time(symbols.Intern("time")),
        stream(symbols.Intern("stream")),
        flags(symbols.Intern("flags")),
        content(symbols.Intern("content")) {}
  std::unique_ptr<Stage> NewLane() const override;

  FieldAccess fields;
  text::TimeFormat format;
  CriOptions options;
  Symbol time;
  Symbol stream;
  Symbol flags;
  Symbol content;
};

class CriStage : public Stage {
 public:
  explicit CriStage(const CriPlan& plan) : plan_(plan) {}

  void Process(std::vector<Record*>& records, StageContext& context) override;
  void Flush(std::vector<Record*>& records, StageContext& context, bool all) override;
  size_t Held() const override { return open_.size(); }

 private:
  struct Open {
    const LabelSet* labels;  // pinned by the record
    HeldRecord record;
  };

  bool Decode(Record& record, StageContext& context);
  void Fragment(Record& record, StageContext& context);
  void EmitAll(StageContext& context);
  std::vector<Open>::iterator Find(const LabelSet* labels) {
    return std::find_if(open_.begin(), open_.end(),
                        [labels](const Open& open) { return open.labels == labels; });
  }
  bool Truncates() const { return plan_.options.truncate && plan_.options.max_partial_line_size > 0; }

  const CriPlan& plan_;
  LastTimes last_;
  std::vector<Open> open_;  // in order of opening; at most max_partial_lines
  std::vector<Record*> out_;
};

std::unique_ptr<Stage> CriPlan::NewLane() const { return std::make_unique<CriStage>(*this); }

// True if the record is a fragment that a later one completes.
bool CriStage::Decode(Record& record, StageContext& context) {
  plan_.fields.EnterPipeline(record, context.arena);
  CriLine line;
  if (!ParseCri(record.line, line)) {
    last_.Fudge(record.labels, record.time);
    return false;
  }
  const auto set = [&](Symbol name, std::string_view value) {
    plan_.fields.Set(record, name, Value::String(value), context.arena);
  };
  set(plan_.time, line.time);
  set(plan_.stream, line.stream);
  set(plan_.flags, line.flags);
  set(plan_.content, line.content);
  record.labels = context.labels.With(record.labels, "stream", line.stream);
  record.line = line.content;
  if (plan_.format.Parse(line.time, context.wall, record.time)) {
    last_.Remember(record.labels, record.time);
  } else {
    last_.Fudge(record.labels, record.time);
  }
  return line.flags == "P";
}

void CriStage::EmitAll(StageContext& context) {
  for (Open& open : open_) out_.push_back(open.record.Emit(context.arena));
  open_.clear();
}

void CriStage::Fragment(Record& record, StageContext& context) {
  auto open = Find(record.labels);
  if (open == open_.end()) {
    if (open_.size() >= plan_.options.max_partial_lines) EmitAll(context);
    open_.push_back({record.labels, {}});
    open = open_.end() - 1;
    open->record.Keep(record);
  } else {
    open->record.Append("", record);
    open->record.Adopt(record);
  }
  if (Truncates()) open->record.Truncate(plan_.options.max_partial_line_size);
  if (open->record.line().size() < kMaxJoined) return;
  out_.push_back(open->record.Emit(context.arena));
  open_.erase(open);
}

void CriStage::Process(std::vector<Record*>& records, StageContext& context) {
  out_.clear();
  for (Record* record : records) {
    if (Decode(*record, context)) {
      Fragment(*record, context);
      continue;
    }
    if (const auto open = Find(record->labels); open != open_.end()) {
      open->record.JoinInto(*record, context.arena);
      open_.erase(open);
      if (Truncates()) record->line = record->line.substr(0, plan_.options.max_partial_line_size);
    }
    out_.push_back(record);
  }
  records.swap(out_);
}

void CriStage::Flush(std::vector<Record*>& records, StageContext& context, bool all) {
  if (!all) return;
  out_.clear();
  EmitAll(context);
  records.insert(records.end(), out_.begin(), out_.end());
}

std::unique_ptr<StagePlan> BuildCri(const config::Node& options, BuildContext& context) {
  const CriOptions read = ReadCriOptions(options, context);
  auto format = text::TimeFormat::Compile("RFC3339Nano", std::nullopt);
  if (!format) return nullptr;
  auto plan = std::make_unique<CriPlan>(context.symbols, std::move(*format));
  plan->options = read;
  return plan;
}

}  // namespace

const StageSpec kStage_cri{"cri", "", BuildCri};

}  // namespace agent::stage
