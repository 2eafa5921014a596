// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/successors.h"

namespace agent::app {

std::vector<ClientKey> KeysOf(const std::vector<push::ClientOptions>& clients) {
  std::vector<ClientKey> keys;
  for (const push::ClientOptions& client : clients) keys.push_back({client.name, client.url, client.tenant_id});
  return keys;
}

std::vector<std::optional<uint32_t>> Successors(const std::vector<ClientKey>& before,
                                                const std::vector<ClientKey>& now) {
  using Alike = bool (*)(const ClientKey&, const ClientKey&);
  constexpr Alike kFromBestToWorst[] = {
      [](const ClientKey& a, const ClientKey& b) { return a == b; },
      [](const ClientKey& a, const ClientKey& b) { return !a.name.empty() && a.name == b.name; },
      [](const ClientKey& a, const ClientKey& b) { return a.name.empty() && b.name.empty() && a.url == b.url; },
      [](const ClientKey& a, const ClientKey& b) { return a.name.empty() && b.name.empty(); },
  };
  std::vector<std::optional<uint32_t>> found(before.size());
  std::vector<bool> taken(now.size());
  for (const Alike alike : kFromBestToWorst) {
    for (size_t i = 0; i < before.size(); ++i) {
      for (size_t j = 0; j < now.size() && !found[i]; ++j) {
        if (taken[j] || !alike(before[i], now[j])) continue;
        found[i] = static_cast<uint32_t>(j);
        taken[j] = true;
      }
    }
  }
  return found;
}

}  // namespace agent::app
