// SPDX-License-Identifier: Apache-2.0
// `tenant`: sets the label __tenant_id__, which becomes the request's X-Scope-OrgID
// and is not sent as a label. The tenant comes from an extracted value, a label or
// the options; where it is missing or empty, nothing changes.
//
//   tenant: {source: customer}    tenant: {label: namespace}    tenant: {value: team-a}
#include <optional>
#include <string_view>

#include "agent/stage/fields.h"
#include "agent/stage/internal/label_cache.h"
#include "agent/stage/per_record.h"

namespace agent::stage {
namespace {

constexpr std::string_view kTenantLabel = "__tenant_id__";

struct TenantPlan;

class TenantStage : public PerRecordStage<TenantStage> {
 public:
  explicit TenantStage(const TenantPlan& plan) : plan_(plan) {}
  bool One(Record& record, StageContext& context);
  void ForgetLabels() override { cache_.Clear(); }

 private:
  const TenantPlan& plan_;
  LabelCache cache_;
};

struct TenantPlan : SimplePlan<TenantStage, TenantPlan> {
  explicit TenantPlan(const SymbolTable& symbols) : fields(symbols) {}
  FieldAccess fields;
  std::optional<Symbol> source;
  std::string label;
  std::string value;
};

bool TenantStage::One(Record& record, StageContext& context) {
  std::string_view tenant = plan_.value;
  if (plan_.source) {
    if (!ToText(plan_.fields.Get(record, *plan_.source), context.arena, tenant)) return true;
  } else if (!plan_.label.empty()) {
    const std::string* const label = record.labels->Find(plan_.label);
    if (label == nullptr) return true;
    tenant = *label;
  }
  if (tenant.empty()) return true;
  record.labels = cache_.Get(record.labels, {&tenant, 1},
                             [&] { return context.labels.With(record.labels, kTenantLabel, tenant); });
  return true;
}

std::unique_ptr<StagePlan> BuildTenant(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kStrictStage);
  auto plan = std::make_unique<TenantPlan>(context.symbols);
  std::string source;
  reader.String("source", source);
  reader.String("label", plan->label);
  reader.String("value", plan->value);
  const int given = (source.empty() ? 0 : 1) + (plan->label.empty() ? 0 : 1) + (plan->value.empty() ? 0 : 1);
  if (given != 1) {
    context.diagnostics.AddError(options.place, context.path,
                                 std::string("exactly one of `source`, `label` and `value` is needed, but ") +
                                     (given == 0 ? "none is" : "more than one are") + " given");
  }
  reader.Finish();
  if (!source.empty()) plan->source = context.symbols.Intern(source);
  return plan;
}

}  // namespace

const StageSpec kStage_tenant{"tenant", "", BuildTenant};

}  // namespace agent::stage
