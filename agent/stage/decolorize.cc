// SPDX-License-Identifier: Apache-2.0
// `decolorize`: removes the escape sequences of terminals (colours, titles) from the
// line: ESC or U+009B, then what the public strip-ansi expression takes for one. A
// line without these two characters costs one scan.
//
//   decolorize:
#include <cstring>
#include <memory>
#include <string_view>

#include "agent/core/check.h"
#include "agent/stage/per_record.h"
#include "agent/text/regex.h"

namespace agent::stage {
namespace {

// Source: https://github.com/acarl005/stripansi, the expression that Loki uses.
constexpr std::string_view kSequence =
    R"([\x{1B}\x{9B}][[\]()#;?]*(?:(?:(?:[a-zA-Z\d]*(?:;[a-zA-Z\d]*)*)?\x{07})|(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PRZcf-ntqry=><~])))";

struct DecolorizePlan;

class DecolorizeStage : public PerRecordStage<DecolorizeStage> {
 public:
  explicit DecolorizeStage(const DecolorizePlan& plan) : plan_(plan) {}
  bool One(Record& record, StageContext& context);

 private:
  const DecolorizePlan& plan_;
};

struct DecolorizePlan : SimplePlan<DecolorizeStage, DecolorizePlan> {
  std::unique_ptr<const text::Regex> sequence;
};

bool MayHaveSequence(std::string_view line) {
  return line.find('\x1b') != std::string_view::npos || line.find("\xC2\x9B") != std::string_view::npos;
}

bool DecolorizeStage::One(Record& record, StageContext& context) {
  const std::string_view line = record.line;
  if (!MayHaveSequence(line)) return true;
  char* const first = static_cast<char*>(context.arena.Allocate(line.size(), 1));
  char* to = first;
  size_t copied = 0;
  std::string_view found;
  // A sequence is never empty, so the search always moves on.
  while (plan_.sequence->Find(line, copied, std::span(&found, 1), context.arena)) {
    const auto begin = static_cast<size_t>(found.data() - line.data());
    std::memcpy(to, line.data() + copied, begin - copied);
    to += begin - copied;
    copied = begin + found.size();
  }
  std::memcpy(to, line.data() + copied, line.size() - copied);
  to += line.size() - copied;
  record.line = {first, static_cast<size_t>(to - first)};
  return true;
}

std::unique_ptr<StagePlan> BuildDecolorize(const config::Node& options, BuildContext& context) {
  // Promtail ignores whatever stands under this stage.
  if (!options.is_null() && !(options.is_map() && options.members.empty())) {
    context.diagnostics.AddWarning(options.place, context.path, "this stage has no options; write `decolorize: {}`");
  }
  auto plan = std::make_unique<DecolorizePlan>();
  auto sequence = text::Regex::Compile(kSequence);
  CHECK(sequence.has_value(), "the constant expression of decolorize compiles");
  plan->sequence = std::move(*sequence);
  return plan;
}

}  // namespace

const StageSpec kStage_decolorize{"decolorize", "", BuildDecolorize};

}  // namespace agent::stage
