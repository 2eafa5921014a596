// SPDX-License-Identifier: Apache-2.0
// The loop that most stages share: a derived class writes
//   bool One(Record& record, StageContext& context)   // false: drop, already counted
// and one virtual call per batch runs it over all records, compacting in place.
#pragma once

#include "agent/stage/stage.h"

namespace agent::stage {

template <class Derived>
class PerRecordStage : public Stage {
 public:
  void Process(std::vector<Record*>& records, StageContext& context) override {
    auto* self = static_cast<Derived*>(this);
    size_t kept = 0;
    for (Record* record : records) {
      if (self->One(*record, context)) records[kept++] = record;
    }
    records.resize(kept);
  }
};

// A plan whose lanes need only a pointer to it.
template <class Lane, class Plan>
class SimplePlan : public StagePlan {
 public:
  std::unique_ptr<Stage> NewLane() const override {
    return std::make_unique<Lane>(static_cast<const Plan&>(*this));
  }
};

}  // namespace agent::stage
