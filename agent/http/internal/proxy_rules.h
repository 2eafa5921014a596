// SPDX-License-Identifier: Apache-2.0
// Which proxy a URL goes through. Pure; the rules are those of Go's
// golang.org/x/net/http/httpproxy, which Promtail follows:
//   * localhost and loopback addresses are never proxied, unless there is a plain
//     proxy_url without no_proxy, which takes everything;
//   * no_proxy: `*`; addresses; networks (10.0.0.0/8); names, which cover their
//     subdomains; names with a leading dot, which cover only those; each with an
//     optional :port.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/http/options.h"

namespace agent::http {

// The value of an environment variable, or empty.
using Environment = std::function<std::string(const char* name)>;

// The proxy's URL, or empty for a direct connection.
std::string ProxyFor(const ProxyOptions& options, std::string_view url, const Environment& environment);

// Is `host` (lower case, without brackets) excluded by the list?
bool NoProxyMatches(std::string_view no_proxy, std::string_view host, std::string_view port);

}  // namespace agent::http
