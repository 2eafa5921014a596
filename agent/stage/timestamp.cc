// SPDX-License-Identifier: Apache-2.0
// `timestamp`: the record's time becomes that of an extracted value. Where it is
// missing or in none of the formats, `fudge` sets the time just after the last one
// known for the record's labels (in this stage), and `skip` leaves it.
//
//   timestamp: {source: time, format: RFC3339Nano, fallback_formats: [Unix], location: Europe/Berlin}
#include <string_view>
#include <vector>

#include "agent/model/last_times.h"
#include "agent/stage/fields.h"
#include "agent/stage/per_record.h"
#include "agent/text/timestamp.h"

namespace agent::stage {
namespace {

struct TimestampPlan;

class TimestampStage : public PerRecordStage<TimestampStage> {
 public:
  explicit TimestampStage(const TimestampPlan& plan) : plan_(plan) {}
  bool One(Record& record, StageContext& context);

 private:
  const TimestampPlan& plan_;
  LastTimes last_;
};

struct TimestampPlan : SimplePlan<TimestampStage, TimestampPlan> {
  explicit TimestampPlan(const SymbolTable& symbols) : fields(symbols) {}
  bool Parse(std::string_view text, WallNanos now, WallNanos& out) const;

  FieldAccess fields;
  Symbol source = 0;
  std::vector<text::TimeFormat> formats;  // in the order they are tried
  bool fudge = true;
  metrics::Counter* failures = nullptr;
};

bool TimestampPlan::Parse(std::string_view text, WallNanos now, WallNanos& out) const {
  for (const text::TimeFormat& format : formats) {
    if (format.Parse(text, now, out)) return true;
  }
  return false;
}

bool TimestampStage::One(Record& record, StageContext& context) {
  std::string_view text;
  WallNanos time = 0;
  if (!ToText(plan_.fields.Get(record, plan_.source), context.arena, text) ||
      !plan_.Parse(text, context.wall, time)) {
    plan_.failures->Add(1);
    if (plan_.fudge) last_.Fudge(record.labels, record.time);
    return true;
  }
  record.time = time;
  if (plan_.fudge) last_.Remember(record.labels, time);
  return true;
}

void AddFormat(config::MapReader& reader, std::string_view key, const std::string& format,
               const std::optional<std::string>& location, TimestampPlan& plan) {
  auto compiled = text::TimeFormat::Compile(format, location);
  if (compiled) {
    plan.formats.push_back(std::move(*compiled));
  } else if (key == "format") {  // once is enough: only the location can be wrong
    reader.Error("location", compiled.error().what);
  }
}

std::unique_ptr<StagePlan> BuildTimestamp(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kStrictStage);
  auto plan = std::make_unique<TimestampPlan>(context.symbols);
  std::string source;
  std::string format;
  std::string location;
  std::string action = "fudge";
  std::vector<std::string> fallbacks;
  reader.String("source", source);
  reader.Require("source", !source.empty());
  reader.String("format", format);
  reader.Require("format", !format.empty());
  reader.StringList("fallback_formats", fallbacks);
  const bool located = reader.String("location", location);
  reader.String("action_on_failure", action);
  if (action != "fudge" && action != "skip") {
    reader.Error("action_on_failure", "`" + action + "` is not an action; write `fudge` or `skip`");
  }
  reader.Finish();
  const auto where = located ? std::optional(location) : std::nullopt;
  AddFormat(reader, "format", format, where, *plan);
  for (const std::string& fallback : fallbacks) AddFormat(reader, "fallback_formats", fallback, where, *plan);
  plan->source = context.symbols.Intern(source);
  plan->fudge = action == "fudge";
  plan->failures = context.FailureCounter("timestamp");
  return plan;
}

}  // namespace

const StageSpec kStage_timestamp{"timestamp", "", BuildTimestamp};

}  // namespace agent::stage
