// SPDX-License-Identifier: Apache-2.0
// What a lane keeps for each pipeline, file and chain. Private to flow/; lane-local.
#pragma once

#include <memory>
#include <vector>

#include "agent/flow/lane.h"

namespace agent::flow {

struct Lane::PipelineState {
  explicit PipelineState(std::shared_ptr<const stage::PipelinePlan> p) : plan(std::move(p)), chain(plan->stages) {}
  std::shared_ptr<const stage::PipelinePlan> plan;
  stage::StageChain chain;
  MonoTime paused_until{};
};

struct Lane::FileState {
  std::shared_ptr<TailedFile> file;
  Chain* chain = nullptr;
  LabelPin base;
  bool queued = false;
  label::Shares::Index share = 0;
  uint32_t turns = 0;  // taken in a row, of its weight
};

struct Lane::Chain {
  uint64_t id = 0;
  PipelineState* pipeline = nullptr;
  std::unique_ptr<frame::Framer> framer;
  std::vector<std::unique_ptr<FileState>> files;  // mostly one; only the first is read
  LabelPin last_base;
};

frame::FramerOptions FramerOptionsOf(const stage::PipelinePlan& plan, bool trim_lines);

}  // namespace agent::flow
