// SPDX-License-Identifier: Apache-2.0
// Go templates alone: the first line of the input is a template, the rest is what it
// meets in its fields. Whatever compiles ends within its limits, and says why it failed.
#include "agent/core/check.h"
#include "agent/text/template.h"
#include "tests/fuzz/two_parts.h"

namespace {

using namespace agent;

class Fields : public text::TemplateData {
 public:
  Fields(const text::Template& compiled, std::string_view text)
      : compiled_(compiled),
        fields_{{"Value", text}, {"Entry", text}, {"level", "info"}, {"n", "-12.5"}, {"list", "a,b,,c"}, {"empty", ""}} {}
  bool Field(size_t index, std::string_view& out) const override { return Named(compiled_.names()[index], out); }
  bool Named(std::string_view name, std::string_view& out) const override {
    for (const auto& [key, text] : fields_) {
      if (key != name) continue;
      out = text;
      return true;
    }
    return false;
  }
  void ForEach(const Visit& visit) const override {
    for (const auto& [key, text] : fields_) visit(key, text);
  }

 private:
  const text::Template& compiled_;
  std::vector<std::pair<std::string_view, std::string_view>> fields_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto [source, text] = fuzz::TwoParts(data, size);
  // A tenth of an agent's limits: the same ways to them, sooner.
  constexpr text::TemplateLimits kLimits{.output = 1u << 20, .memory = 2u << 20, .steps = 100'000, .depth = 100};
  for (const auto type : {text::TemplateDataType::kAny, text::TemplateDataType::kString}) {
    const auto compiled = text::Template::Compile(source, type);
    if (!compiled) {
      CHECK(!compiled.error().what.empty(), "a refusal says why");
      return 0;
    }
    text::TemplateScratch scratch(1, kLimits);
    scratch.SetNow(1'709'632'800'000'000'000);
    const Fields fields(**compiled, text);
    std::string_view out;
    for (int run = 0; run < 2; ++run) {  // the second one meets the first one's caches
      if ((*compiled)->Execute(fields, scratch, out)) {
        CHECK(out.size() <= kLimits.output, "a text within the limit");
      } else {
        CHECK(!scratch.error().empty(), "a failure says why");
      }
    }
  }
  return 0;
}
