// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/static_configs.h"

#include "agent/config/decode.h"

namespace agent::app {

std::vector<DiscoveredTarget> StaticTargets(const config::Node* list, const std::string& path,
                                            Diagnostics& diagnostics) {
  std::vector<DiscoveredTarget> out;
  if (list == nullptr || list->is_null()) return out;
  if (!list->is_sequence()) {
    diagnostics.AddError(list->place, path, "must be a list of target groups");
    return out;
  }
  for (size_t i = 0; i < list->items.size(); ++i) {
    config::MapReader reader(list->items[i], path + "[" + std::to_string(i) + "]", diagnostics);
    std::vector<std::string> addresses;
    reader.StringList("targets", addresses);
    if (addresses.empty()) addresses.emplace_back("localhost");
    LabelMap labels;
    reader.StringMap("labels", labels);
    reader.Finish();
    for (const std::string& address : addresses) {
      DiscoveredTarget target{labels};
      target.labels["__address__"] = address;
      out.push_back(std::move(target));
    }
  }
  return out;
}

}  // namespace agent::app
