// SPDX-License-Identifier: Apache-2.0
// `pack`: the line becomes a JSON object of some extracted values and the line itself
// as `_entry`; labels of those names are removed. Unless ingest_timestamp is false,
// the record's time becomes now.
//
//   pack: {labels: [app, pod], ingest_timestamp: false}
#include <algorithm>
#include <string>
#include <vector>

#include "agent/stage/fields.h"
#include "agent/stage/internal/label_cache.h"
#include "agent/stage/per_record.h"
#include "agent/text/json_value.h"

namespace agent::stage {
namespace {

struct PackPlan;

class PackStage : public PerRecordStage<PackStage> {
 public:
  explicit PackStage(const PackPlan& plan);
  bool One(Record& record, StageContext& context);
  void ForgetLabels() override { cache_.Clear(); }

 private:
  const PackPlan& plan_;
  std::vector<text::JsonMember> members_;
  std::vector<std::string_view> packed_;  // by name: not null if its value was packed
  LabelCache cache_;
};

struct PackPlan : SimplePlan<PackStage, PackPlan> {
  struct Item {
    std::string name;
    Symbol symbol;
  };
  explicit PackPlan(const SymbolTable& symbols) : fields(symbols) {}
  FieldAccess fields;
  std::vector<Item> items;  // sorted, each once
  bool ingest_timestamp = true;
};

PackStage::PackStage(const PackPlan& plan) : plan_(plan), packed_(plan.items.size()) {}

bool PackStage::One(Record& record, StageContext& context) {
  members_.clear();
  for (size_t i = 0; i < plan_.items.size(); ++i) {
    const PackPlan::Item& item = plan_.items[i];
    std::string_view text;
    const bool found = ToText(plan_.fields.Get(record, item.symbol), context.arena, text);
    packed_[i] = found ? std::string_view("") : std::string_view();
    if (found) members_.push_back({item.name, text::JsonValue::String(text)});
  }
  members_.push_back({"_entry", text::JsonValue::String(record.line)});
  const auto object = text::JsonValue::Object(members_.data(), members_.size());
  if (!text::WriteJson(object, text::JsonStyle::kStage, context.arena, record.line)) return true;
  record.labels = cache_.Get(record.labels, packed_, [&] {
    const LabelSet* labels = record.labels;
    for (size_t i = 0; i < packed_.size(); ++i) {
      if (packed_[i].data() != nullptr) labels = context.labels.Without(labels, plan_.items[i].name);
    }
    return labels;
  });
  if (plan_.ingest_timestamp) record.time = context.wall;
  return true;
}

std::unique_ptr<StagePlan> BuildPack(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kWeakStage);
  auto plan = std::make_unique<PackPlan>(context.symbols);
  std::vector<std::string> names;
  reader.StringList("labels", names);
  reader.Bool("ingest_timestamp", plan->ingest_timestamp);
  reader.Finish();
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) plan->items.push_back({name, context.symbols.Intern(name)});
  return plan;
}

}  // namespace

const StageSpec kStage_pack{"pack", "", BuildPack};

}  // namespace agent::stage
