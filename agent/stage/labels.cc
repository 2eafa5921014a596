// SPDX-License-Identifier: Apache-2.0
// `labels`: sets labels from extracted values. A value that is missing, not
// convertible to text or not UTF-8 leaves its label as it was; an empty one is set.
//
//   labels: {level: , app: application}
#include <string_view>
#include <vector>

#include "agent/stage/fields.h"
#include "agent/stage/internal/label_cache.h"
#include "agent/stage/internal/options.h"
#include "agent/stage/per_record.h"
#include "agent/text/utf8.h"

namespace agent::stage {
namespace {

struct LabelsPlan;

class LabelsStage : public PerRecordStage<LabelsStage> {
 public:
  explicit LabelsStage(const LabelsPlan& plan);
  bool One(Record& record, StageContext& context);
  void ForgetLabels() override { cache_.Clear(); }

 private:
  const LabelsPlan& plan_;
  std::vector<std::string_view> texts_;  // of the current record, by label
  LabelCache cache_;
};

struct LabelsPlan : SimplePlan<LabelsStage, LabelsPlan> {
  struct Item {
    std::string label;
    Symbol source;
  };
  explicit LabelsPlan(const SymbolTable& symbols) : fields(symbols) {}
  FieldAccess fields;
  std::vector<Item> items;
};

LabelsStage::LabelsStage(const LabelsPlan& plan) : plan_(plan), texts_(plan.items.size()) {}

bool LabelsStage::One(Record& record, StageContext& context) {
  for (size_t i = 0; i < texts_.size(); ++i) {
    if (!ToText(plan_.fields.Get(record, plan_.items[i].source), context.arena, texts_[i])) {
      texts_[i] = std::string_view();
    } else if (texts_[i].data() == nullptr) {
      texts_[i] = "";
    }
  }
  record.labels = cache_.Get(record.labels, texts_, [&] {
    const LabelSet* labels = record.labels;
    for (size_t i = 0; i < texts_.size(); ++i) {
      if (texts_[i].data() == nullptr || !text::IsValidUtf8(texts_[i])) continue;
      labels = context.labels.With(labels, plan_.items[i].label, texts_[i]);
    }
    return labels;
  });
  return true;
}

std::unique_ptr<StagePlan> BuildLabels(const config::Node& options, BuildContext& context) {
  NamePairs pairs;
  if (!ReadLabelSources(options, context, pairs)) return nullptr;
  auto plan = std::make_unique<LabelsPlan>(context.symbols);
  for (const auto& [label, source] : pairs) plan->items.push_back({label, context.symbols.Intern(source)});
  return plan;
}

}  // namespace

const StageSpec kStage_labels{"labels", "", BuildLabels};

}  // namespace agent::stage
