// SPDX-License-Identifier: Apache-2.0
// One GET to a running agent, blocking, over plain HTTP/1.1: enough for the commands,
// which end with their answer. The body is handed out as it comes, so that a live tail
// is live.
// Threads: any; no state. Limits: kMostHead bytes of head; a body that is collected by
// the caller is the caller's.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/core/result.h"

namespace agent::cli {

struct Endpoint {
  std::string host;
  std::string port;
  std::string prefix;  // of all paths, without a slash at the end
};

// "127.0.0.1:9080", "http://localhost:9080/sluice", "[::1]:80", ":9080".
Result<Endpoint> ParseEndpoint(std::string_view text);

struct HttpAnswer {
  int status = 0;
  std::string body;  // empty if `sink` took it
};

// `sink`: gets the body of a 200 in pieces; false ends the transfer.
using BodySink = std::function<bool(std::string_view)>;
Result<HttpAnswer> HttpGet(const Endpoint& endpoint, const std::string& path_and_query, const BodySink& sink = {});

// For the values of a query.
std::string UrlEscape(std::string_view text);

}  // namespace agent::cli
