// SPDX-License-Identifier: Apache-2.0
// `eventlogmessage`: cuts an extracted value, the message of a Windows event, into its
// lines (CR LF) and each line at its first colon; the parts become extracted values.
// A key that is no label name is cleaned or left out, one that exists gets the suffix
// `_extracted` unless it may be overwritten. A value that has no text drops the record,
// as in Promtail, but counted.
//
//   eventlogmessage: {source: message, drop_invalid_labels: false, overwrite_existing: false}
#include <string>
#include <string_view>

#include "agent/stage/fields.h"
#include "agent/stage/internal/options.h"
#include "agent/stage/per_record.h"
#include "agent/text/utf8.h"

namespace agent::stage {
namespace {

struct EventLogMessagePlan;

class EventLogMessageStage : public PerRecordStage<EventLogMessageStage> {
 public:
  explicit EventLogMessageStage(const EventLogMessagePlan& plan) : plan_(plan) {}
  bool One(Record& record, StageContext& context);

 private:
  void Line(std::string_view line, Record& record, StageContext& context);

  const EventLogMessagePlan& plan_;
  std::string key_;
};

struct EventLogMessagePlan : SimplePlan<EventLogMessageStage, EventLogMessagePlan> {
  explicit EventLogMessagePlan(const SymbolTable& symbols) : fields(symbols) {}
  FieldAccess fields;
  Symbol source = 0;
  bool drop_invalid = false;
  bool overwrite = false;
  DropReason* reason = nullptr;
  metrics::Counter* failures = nullptr;
};

// Every character that may not stand in a label name becomes `_`.
void AppendLabelName(std::string& out, std::string_view key) {
  if (key.empty()) out.push_back('_');
  for (size_t at = 0; at < key.size();) {
    const text::Rune rune = text::DecodeRune(key.substr(at));
    const char c = key[at];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    out.push_back(letter || (at > 0 && c >= '0' && c <= '9') ? c : '_');
    at += rune.size;
  }
}

// Without the spaces around it, Unicode's included.
std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpaces[] = {" ",  "\t", "\n", "\v", "\f", "\r", "\xC2\x85", "\xC2\xA0",
                                          "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82",
                                          "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
                                          "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A",
                                          "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F",
                                          "\xE3\x80\x80"};
  for (bool more = true; more;) {
    more = false;
    for (const std::string_view space : kSpaces) {
      while (text.starts_with(space)) text.remove_prefix(space.size()), more = true;
      while (text.ends_with(space)) text.remove_suffix(space.size()), more = true;
    }
  }
  return text;
}

void EventLogMessageStage::Line(std::string_view line, Record& record, StageContext& context) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    plan_.failures->Add(1);
    return;
  }
  const std::string_view key = line.substr(0, colon);
  key_.clear();
  if (IsLabelName(key)) {
    key_.assign(key);
  } else if (plan_.drop_invalid) {
    return;
  } else {
    AppendLabelName(key_, key);
  }
  if (!plan_.overwrite && plan_.fields.GetByName(record, key_).present()) key_.append("_extracted");
  const std::string_view value = Trimmed(line.substr(colon + 1));
  if (text::IsValidUtf8(value)) plan_.fields.SetByName(record, key_, Value::String(value), context.arena);
}

bool EventLogMessageStage::One(Record& record, StageContext& context) {
  const Value source = plan_.fields.Get(record, plan_.source);
  if (!source.present()) return true;
  std::string_view message;
  if (!ToText(source, context.arena, message)) {
    context.Drop(record, *plan_.reason);
    return false;
  }
  for (;;) {
    const size_t end = message.find("\r\n");
    Line(message.substr(0, end), record, context);
    if (end == std::string_view::npos) return true;
    message.remove_prefix(end + 2);
  }
}

std::unique_ptr<StagePlan> BuildEventLogMessage(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kStrictStage);
  auto plan = std::make_unique<EventLogMessagePlan>(context.symbols);
  std::string source = "message";
  reader.String("source", source);
  if (!IsLabelName(source)) {
    reader.Error("source", "\"" + source + "\" is not a label name: use letters, digits and _");
  }
  reader.Bool("drop_invalid_labels", plan->drop_invalid);
  reader.Bool("overwrite_existing", plan->overwrite);
  reader.Finish();
  plan->source = context.symbols.Intern(source);
  plan->reason = context.NewDropReason("eventlogmessage_stage");
  plan->failures = context.FailureCounter("eventlogmessage");
  return plan;
}

}  // namespace

const StageSpec kStage_eventlogmessage{"eventlogmessage", "", BuildEventLogMessage};

}  // namespace agent::stage
