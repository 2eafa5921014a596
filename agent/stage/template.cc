// SPDX-License-Identifier: Apache-2.0
// `template`: an extracted value becomes the text of a Go template. In the template
// every extracted value is a field, `.Value` is the one that is replaced (if it is
// there) and `.Entry` the line. Empty text removes the value; a template that fails on
// a record changes nothing and is counted. docs/STAGES-TEMPLATE.md has the functions.
//
//   template: {source: level, template: '{{ .Value | ToUpper }}'}
#include <memory>
#include <optional>
#include <string>

#include "agent/stage/internal/template_fields.h"
#include "agent/stage/per_record.h"

namespace agent::stage {
namespace {

struct TemplatePlan;

class TemplateStage : public PerRecordStage<TemplateStage> {
 public:
  explicit TemplateStage(const TemplatePlan& plan) : plan_(plan) {}
  bool One(Record& record, StageContext& context);

 private:
  const TemplatePlan& plan_;
  std::optional<text::TemplateScratch> scratch_;
};

struct TemplatePlan : SimplePlan<TemplateStage, TemplatePlan> {
  TemplatePlan(const SymbolTable& symbols, std::shared_ptr<const text::Template> t, TemplateNames n)
      : fields(symbols), made(std::move(t)), names(std::move(n)) {}
  FieldAccess fields;
  std::shared_ptr<const text::Template> made;
  TemplateNames names;
  Symbol source = 0;
  metrics::Counter* failures = nullptr;
};

bool TemplateStage::One(Record& record, StageContext& context) {
  if (!scratch_) scratch_.emplace(SeedOf(context));
  scratch_->SetNow(context.wall);
  TemplateFields data(plan_.fields, plan_.names, record, context.arena);
  std::string_view text;
  if (ToText(plan_.fields.Get(record, plan_.source), context.arena, text)) data.SetValue(text);
  data.SetEntry(record.line);
  if (!plan_.made->Execute(data, *scratch_, text)) {
    plan_.failures->Add(1);
  } else if (text.empty()) {
    plan_.fields.Erase(record, plan_.source, context.arena);
  } else {
    plan_.fields.Set(record, plan_.source, Value::String(context.arena.Copy(text)), context.arena);
  }
  return true;
}

std::unique_ptr<StagePlan> BuildTemplate(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kStrictStage);
  std::string source, text;
  reader.String("source", source);
  reader.Require("source", !source.empty());
  reader.String("template", text);
  const auto made = text::Template::Compile(text);
  if (!made) reader.Error("template", "the template does not compile: " + made.error().what);
  reader.Finish();
  if (!made) return nullptr;
  auto plan = std::make_unique<TemplatePlan>(context.symbols, *made, TemplateNames(**made, context.symbols));
  plan->source = context.symbols.Intern(source);
  plan->failures = context.FailureCounter("template");
  return plan;
}

}  // namespace

const StageSpec kStage_template{"template", "", BuildTemplate};

}  // namespace agent::stage
