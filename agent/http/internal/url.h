// SPDX-License-Identifier: Apache-2.0
// The parts of a URL, as views into it. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/core/annotations.h"

namespace agent::http {

struct UrlParts {
  std::string_view scheme;
  std::string_view authority;  // user:password@host:port
  std::string_view user;       // user:password, or empty
  std::string_view host_port;
  std::string_view host;       // without brackets
  std::string_view port;       // empty: the scheme's own
  std::string_view rest;       // path, query and fragment
};

// Nothing if there is no `scheme://`.
std::optional<UrlParts> SplitUrl(std::string_view url LIFETIME_BOUND);

std::string LowerCase(std::string_view text);

}  // namespace agent::http
