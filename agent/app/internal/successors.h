// SPDX-License-Identifier: Apache-2.0
// Which client of a configuration goes on with the batches of which client of an earlier
// one. Pure.
//
// A named client is followed by the one of its name. Those without a name are followed by
// one without a name, each by another one: of the same address and tenant if there is
// one, else of the same address, else by what is left, in the order of the lists. A
// client without a follower was taken out of the configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/push/options.h"

namespace agent::app {

struct ClientKey {
  std::string name;
  std::string url;
  std::string tenant;

  bool operator==(const ClientKey&) const = default;
};

std::vector<ClientKey> KeysOf(const std::vector<push::ClientOptions>& clients);

// By index of `before`: the index in `now`.
std::vector<std::optional<uint32_t>> Successors(const std::vector<ClientKey>& before,
                                                const std::vector<ClientKey>& now);

}  // namespace agent::app
