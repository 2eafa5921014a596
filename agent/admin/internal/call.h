// SPDX-License-Identifier: Apache-2.0
// One request as the routes see it, and one answer as the session writes it; without
// Beast, so that only the session needs its headers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/admin/tail.h"

namespace agent::admin::internal {

struct Call {
  std::string method;
  std::string path;  // decoded, without the prefix; begins with a slash
  std::vector<std::pair<std::string, std::string>> parameters;  // decoded, in order
  std::string host;      // the Host header
  std::string origin;    // the Origin header
  std::string fetch_site;  // the Sec-Fetch-Site header
  bool from_loopback = false;

  // The first value, or "".
  const std::string& Parameter(std::string_view name) const;
};

struct Answer {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<TailHub::Watcher> tail;  // if set: a stream of events instead of a body

  static Answer Text(std::string body, int status = 200);
  static Answer Json(std::string body, int status = 200);
  static Answer Error(int status, std::string_view message);  // as JSON
};

// Takes a request target apart: "/a%20b?x=1&y" below `prefix`. False if it is not
// below the prefix, or not well formed.
bool ParseTarget(std::string_view target, std::string_view prefix, Call& call);

// "127.0.0.1", "::1", "localhost" and the like, with or without a port.
bool IsLoopbackHost(std::string_view host_and_port);
// The host of "host:port", "[::1]:port" or a URL; lower case.
std::string HostOf(std::string_view text);

}  // namespace agent::admin::internal
