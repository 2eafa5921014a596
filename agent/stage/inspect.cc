// SPDX-License-Identifier: Apache-2.0
#include "agent/stage/inspect.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>

#include "agent/core/time_text.h"
#include "agent/stage/fields.h"
#include "agent/text/number.h"

namespace agent::stage {
namespace {

// A number as Go prints it: with an exponent below 1e-4 and from 1e6 on.
std::string NumberText(double value) {
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::scientific).ptr;
  const std::string scientific(digits, end);
  const size_t e = scientific.find('e');
  const int exponent = e == std::string::npos ? 0 : std::atoi(scientific.c_str() + e + 1);
  if (exponent < -4 || exponent >= 6) return scientific;
  char fixed[text::kMaxNumberText];
  return {fixed, text::FormatDecimal(value, fixed)};
}

struct Shown {
  const char* type = "";
  std::string text;
  bool operator==(const Shown&) const = default;
};

Shown Show(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kString: return {"string", std::string(value.text)};
    case Value::Kind::kNumber: return {"float64", NumberText(value.number)};
    case Value::Kind::kBool: return {"bool", value.flag ? "true" : "false"};
    default: return {"", "<nil>"};
  }
}

std::string TimeText(WallNanos time) {
  const SplitTime split = Split(time);
  const std::time_t seconds = split.seconds;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];
  const int size = std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d", utc.tm_year + 1900,
                                 utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
  std::string out(text, static_cast<size_t>(std::max(size, 0)));
  AppendFraction(out, split.nanos);
  return out + " +0000 UTC";
}

// A copy of what stages change.
struct Snapshot {
  Snapshot(const Record& record, const FieldAccess& access)
      : labels(FormatAllLabels(*record.labels)), time(TimeText(record.time)), line(record.line) {
    access.ForEach(record, [this](std::string_view name, const Value& value) { extracted[std::string(name)] = Show(value); });
    for (const MetadataPair* pair = record.metadata; pair != nullptr; pair = pair->next) {
      metadata += (metadata.empty() ? "{" : " {") + std::string(pair->name) + " " + std::string(pair->value) + "}";
    }
    metadata = "[" + metadata + "]";
  }
  std::map<std::string, Shown> extracted;
  std::string labels;
  std::string time;
  std::string line;
  std::string metadata;
};

void Change(std::string& out, const std::string& path, const std::string* before, const std::string* after) {
  out += "\n" + path + ":";
  if (before != nullptr) out += "\n\t-: " + *before;
  if (after != nullptr) out += "\n\t+: " + *after;
}

std::string Difference(const Snapshot& before, const Snapshot& after) {
  std::string out;
  auto a = before.extracted.begin();
  auto b = after.extracted.begin();
  while (a != before.extracted.end() || b != after.extracted.end()) {
    const bool gone = b == after.extracted.end() || (a != before.extracted.end() && a->first < b->first);
    const bool added = !gone && (a == before.extracted.end() || b->first < a->first);
    std::string path = "{stages.Entry}.Extracted[";
    AppendGoQuoted(path, gone ? a->first : b->first);
    path += "]";
    if (gone) {
      Change(out, path, &a->second.text, nullptr);
    } else if (added) {
      Change(out, path, nullptr, &b->second.text);
    } else if (a->second != b->second) {
      const bool same_type = std::string_view(a->second.type) == b->second.type && *a->second.type != '\0';
      Change(out, same_type ? path + ".(" + b->second.type + ")" : path, &a->second.text, &b->second.text);
    }
    if (!added) ++a;
    if (!gone) ++b;
  }
  const auto whole = [&out](const char* path, const std::string& x, const std::string& y) {
    if (x != y) Change(out, std::string("{stages.Entry}.Entry.") + path, &x, &y);
  };
  whole("Labels", before.labels, after.labels);
  whole("Entry.Timestamp", before.time, after.time);
  whole("Entry.Line", before.line, after.line);
  whole("Entry.StructuredMetadata", before.metadata, after.metadata);
  return out;
}

struct InspectPlan : StagePlan {
  InspectPlan(std::unique_ptr<StagePlan> p, std::string n, const SymbolTable& symbols, const Inspector& s)
      : plan(std::move(p)), name(std::move(n)), access(symbols), say(s) {}
  std::unique_ptr<Stage> NewLane() const override;

  const std::unique_ptr<StagePlan> plan;
  const std::string name;
  const FieldAccess access;
  const Inspector& say;
};

class InspectStage final : public Stage {
 public:
  explicit InspectStage(const InspectPlan& plan) : plan_(plan), inner_(plan.plan->NewLane()) {}

  void Process(std::vector<Record*>& records, StageContext& context) override {
    std::vector<Record*> out;
    for (Record* record : records) {
      const Snapshot before(*record, plan_.access);
      std::vector<Record*> one = {record};
      inner_->Process(one, context);
      Report(before, record, one);
      out.insert(out.end(), one.begin(), one.end());
    }
    records.swap(out);
  }
  MonoTime NextDeadline() const override { return inner_->NextDeadline(); }
  void Flush(std::vector<Record*>& records, StageContext& context, bool all) override {
    inner_->Flush(records, context, all);
    for (const Record* record : records) Say("\n\t+: " + std::string(record->line));
  }
  void ForgetLabels() override { inner_->ForgetLabels(); }
  size_t Held() const override { return inner_->Held(); }

 private:
  void Say(const std::string& what) const { plan_.say("[inspect: " + plan_.name + " stage]: " + what + "\n"); }

  void Report(const Snapshot& before, const Record* record, const std::vector<Record*>& after) const {
    std::string text;
    bool passed = false;
    for (const Record* other : after) {
      passed = passed || other == record;
      text += other == record ? Difference(before, Snapshot(*record, plan_.access)) : "\n\t+: " + std::string(other->line);
    }
    if (!passed) text += inner_->Held() > 0 ? "\n(kept back)" : "\n(dropped)";
    Say(text.empty() ? "none" : text);
  }

  const InspectPlan& plan_;
  const std::unique_ptr<Stage> inner_;
};

std::unique_ptr<Stage> InspectPlan::NewLane() const { return std::make_unique<InspectStage>(*this); }

}  // namespace

std::unique_ptr<StagePlan> Inspected(std::unique_ptr<StagePlan> plan, std::string name, const SymbolTable& symbols,
                                     const Inspector& say) {
  return std::make_unique<InspectPlan>(std::move(plan), std::move(name), symbols, say);
}

}  // namespace agent::stage
