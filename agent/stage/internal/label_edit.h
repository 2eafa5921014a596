// SPDX-License-Identifier: Apache-2.0
// The stages that change labels without looking at the record: labeldrop, labelallow,
// static_labels, tenant with a fixed value. The edit is a function from label set to
// label set, so each set is edited once and remembered.
#pragma once

#include <memory>
#include <utility>

#include "agent/stage/internal/label_cache.h"
#include "agent/stage/per_record.h"

namespace agent::stage {

// Edit: `const LabelSet* operator()(const LabelSet*, LabelInterner&) const`.
template <class Edit>
class LabelEditPlan : public StagePlan {
 public:
  explicit LabelEditPlan(Edit edit) : edit_(std::move(edit)) {}
  std::unique_ptr<Stage> NewLane() const override { return std::make_unique<Lane>(edit_); }

 private:
  class Lane : public PerRecordStage<Lane> {
   public:
    explicit Lane(const Edit& edit) : edit_(edit) {}
    bool One(Record& record, StageContext& context) {
      if (record.labels != from_) {  // records of one stream come in runs
        from_ = record.labels;
        to_ = cache_.Get(from_, {}, [&] { return edit_(from_, context.labels); });
      }
      record.labels = to_;
      return true;
    }
    void ForgetLabels() override {
      from_ = nullptr;
      cache_.Clear();
    }

   private:
    const Edit& edit_;
    const LabelSet* from_ = nullptr;
    const LabelSet* to_ = nullptr;
    LabelCache cache_;
  };

  const Edit edit_;
};

}  // namespace agent::stage
