// SPDX-License-Identifier: Apache-2.0
// `structured_metadata` (old name `non_indexed_labels`): extracted values, or else
// labels, become structured metadata of the entry. A label named like the source and
// with that very value is removed: it has moved.
//
//   structured_metadata: {trace_id: , pod: }
#include <string_view>
#include <vector>

#include "agent/stage/fields.h"
#include "agent/stage/internal/label_cache.h"
#include "agent/stage/internal/options.h"
#include "agent/stage/per_record.h"
#include "agent/text/utf8.h"

namespace agent::stage {
namespace {

struct MetadataPlan;

class MetadataStage : public PerRecordStage<MetadataStage> {
 public:
  explicit MetadataStage(const MetadataPlan& plan);
  bool One(Record& record, StageContext& context);
  void ForgetLabels() override { cache_.Clear(); }

 private:
  const MetadataPlan& plan_;
  std::vector<std::string_view> moved_;  // by item: its value if the label of that name has it
  LabelCache cache_;
};

struct MetadataPlan : SimplePlan<MetadataStage, MetadataPlan> {
  struct Item {
    std::string name;
    std::string source;
    Symbol symbol;
  };
  explicit MetadataPlan(const SymbolTable& symbols) : fields(symbols) {}
  FieldAccess fields;
  std::vector<Item> items;
};

MetadataStage::MetadataStage(const MetadataPlan& plan) : plan_(plan), moved_(plan.items.size()) {}

bool MetadataStage::One(Record& record, StageContext& context) {
  const LabelSet& labels = *record.labels;
  bool any_moved = false;
  for (size_t i = 0; i < plan_.items.size(); ++i) {
    const MetadataPlan::Item& item = plan_.items[i];
    const std::string* const label = labels.Find(item.source);
    std::string_view text;
    moved_[i] = std::string_view();
    const bool extracted =
        ToText(plan_.fields.Get(record, item.symbol), context.arena, text) && text::IsValidUtf8(text);
    if (!extracted) {
      if (label == nullptr) continue;
      text = *label;
    }
    AppendMetadata(context.arena, record, item.name, text);
    if (label != nullptr && *label == text) {
      moved_[i] = *label;
      any_moved = true;
    }
  }
  if (!any_moved) return true;
  record.labels = cache_.Get(record.labels, moved_, [&] {
    const LabelSet* left = record.labels;
    for (size_t i = 0; i < moved_.size(); ++i) {
      if (moved_[i].data() != nullptr) left = context.labels.Without(left, plan_.items[i].source);
    }
    return left;
  });
  return true;
}

std::unique_ptr<StagePlan> BuildMetadata(const config::Node& options, BuildContext& context) {
  NamePairs pairs;
  if (!ReadLabelSources(options, context, pairs)) return nullptr;
  auto plan = std::make_unique<MetadataPlan>(context.symbols);
  for (const auto& [name, source] : pairs)
    plan->items.push_back({name, source, context.symbols.Intern(source)});
  return plan;
}

}  // namespace

const StageSpec kStage_structured_metadata{"structured_metadata", "non_indexed_labels", BuildMetadata};

}  // namespace agent::stage
