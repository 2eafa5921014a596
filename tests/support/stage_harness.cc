// SPDX-License-Identifier: Apache-2.0
#include "tests/support/stage_harness.h"

#include <gtest/gtest.h>

#include <map>

#include "agent/model/dump.h"
#include "agent/stage/fields.h"
#include "agent/text/number.h"

namespace agent::test {
namespace {

std::unique_ptr<frame::Framer> FramerFor(const stage::PipelinePlan& plan, frame::FrameCounters& counters) {
  if (plan.format == stage::LineFormat::kPlain) return nullptr;
  frame::FramerOptions options;
  options.format = plan.format == stage::LineFormat::kCri ? frame::Format::kCri : frame::Format::kDocker;
  options.max_partial_line_size = plan.cri.max_partial_line_size;
  options.truncate_partials = plan.cri.truncate;
  return frame::MakeFramer(options, counters);
}

std::string ValueText(const Value& value) {
  std::string out;
  char number[text::kMaxNumberText];
  switch (value.kind) {
    case Value::Kind::kString:
      AppendGoQuoted(out, value.text);
      break;
    case Value::Kind::kNumber:
      out.assign(number, text::FormatDecimal(value.number, number));
      break;
    case Value::Kind::kBool:
      out = value.flag ? "true" : "false";
      break;
    case Value::Kind::kNull:
      out = "null";
      break;
    case Value::Kind::kErased:
      out = "(erased)";
      break;
    case Value::Kind::kAbsent:
      out = "(absent)";
      break;
  }
  return out;
}

}  // namespace

StageHarness::StageHarness(std::string_view yaml, LabelMap labels)
    : labels_(std::move(labels)), file_(std::make_shared<TailedFile>()) {
  file_->path = "/var/log/test.log";
  const config::Node list = config::ParseYaml(yaml, "test.yaml", diagnostics_);
  plan_ = stage::BuildPipeline(&list, "pipeline_stages", "test", diagnostics_, metrics_);
  chain_ = std::make_unique<stage::StageChain>(plan_->stages);
  framer_ = FramerFor(*plan_, counters_);
}

StageHarness::~StageHarness() = default;

std::string StageHarness::Push(const std::vector<std::string>& lines) { return Run(labels_, lines); }

std::string StageHarness::PushWith(const LabelMap& labels, const std::vector<std::string>& lines) {
  return Run(labels, lines);
}

std::string StageHarness::Run(const LabelMap& labels, const std::vector<std::string>& lines) {
  batch_.Reset();
  const LabelSet* base = interner_.Intern(labels);
  std::string bytes;  // lives until the dump is made
  std::vector<size_t> begins;
  for (const std::string& line : lines) {
    begins.push_back(bytes.size());
    bytes.append(line) += '\n';
  }
  begins.push_back(bytes.size());
  if (framer_ != nullptr) {
    framer_->Feed(bytes, offset_, *file_, base, wall_, interner_, batch_);
  } else {
    for (size_t i = 0; i < lines.size(); ++i) {
      Record* record = batch_.Append();
      record->line = std::string_view(bytes).substr(begins[i], lines[i].size());
      record->time = wall_;
      record->labels = base;
      record->origin = {file_.get(), offset_ + begins[i], nullptr};
    }
  }
  offset_ += bytes.size();
  stage::StageContext context{batch_.arena(), interner_, wall_, now_, {}};
  chain_->Process(batch_.records(), context);
  pause_until_ = context.pause_until;
  file_->receipts.SetProcessed(offset_);
  return Text(batch_.records());
}

std::string StageHarness::Flush(bool all) {
  batch_.Reset();
  stage::StageContext context{batch_.arena(), interner_, wall_, now_, {}};
  if (all && framer_ != nullptr) {
    framer_->Flush(interner_.Intern(labels_), interner_, batch_);
    chain_->Process(batch_.records(), context);
  }
  chain_->Flush(batch_.records(), context, all);
  return Text(batch_.records());
}

void StageHarness::SweepLabels() {
  batch_.Reset();
  chain_->ForgetLabels();
  interner_.Sweep();
}

std::string StageHarness::Drops() const {
  std::map<std::string, std::pair<uint64_t, uint64_t>> sums;
  for (const auto& reason : plan_->drop_reasons) {
    sums[reason->reason].first += reason->lines.load();
    sums[reason->reason].second += reason->bytes.load();
  }
  std::string out;
  for (const auto& [reason, sum] : sums) {
    if (sum.first == 0) continue;
    out += reason + ": " + std::to_string(sum.first) + ", " + std::to_string(sum.second) + "\n";
  }
  return out;
}

std::string StageHarness::Text(const std::vector<Record*>& records) const {
  std::string out;
  for (const Record* record : records) {
    out += Dump(*record);
    if (const std::string* tenant = record->labels->Find("__tenant_id__")) {
      AppendGoQuoted(out += " tenant=", *tenant);  // which Dump leaves out, as it is not sent
    }
    if (show_extracted_) out += ExtractedText(*record);
    out += '\n';
  }
  return out;
}

std::string StageHarness::ExtractedText(const Record& record) const {
  std::map<std::string, std::string> sorted;
  stage::FieldAccess(plan_->symbols).ForEach(record, [&](std::string_view name, const Value& value) {
    sorted[std::string(name)] = ValueText(value);
  });
  std::string out = " <";
  for (const auto& [name, value] : sorted) {
    if (out.size() > 2) out += ", ";
    out += name + "=" + value;
  }
  return out + ">";
}

std::string PipelineProblems(std::string_view yaml) {
  metrics::Registry metrics;
  Diagnostics diagnostics;
  const config::Node list = config::ParseYaml(yaml, "test.yaml", diagnostics);
  stage::BuildPipeline(&list, "pipeline_stages", "test", diagnostics, metrics);
  return diagnostics.Text();
}

void ExpectStageCases(const std::vector<StageCase>& cases) {
  for (const StageCase& c : cases) {
    SCOPED_TRACE(c.name);
    StageHarness run(c.yaml, {{"job", "test"}});
    if (!run.ok()) {
      ADD_FAILURE() << run.problems();
      continue;
    }
    run.ShowExtracted();
    std::string expected;
    for (const std::string& text : c.expected) expected += text + "\n";
    std::string out = run.Push(c.lines);
    if (!run.Drops().empty()) out += "drops: " + run.Drops();
    EXPECT_EQ(out, expected);
  }
}

void ExpectBadOptions(const std::string& stage, const std::vector<std::string>& options) {
  for (const std::string& bad : options) {
    SCOPED_TRACE(bad);
    const std::string problems = PipelineProblems("- " + stage + ": " + bad + "\n");
    EXPECT_NE(problems.find(": error: pipeline_stages[0]." + stage), std::string::npos) << problems;
  }
}

}  // namespace agent::test
