// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include "agent/http/internal/url.h"
#include "agent/http/options.h"

namespace agent::http {

std::optional<UrlParts> SplitUrl(std::string_view url) {
  const size_t colon = url.find("://");
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  UrlParts parts;
  parts.scheme = url.substr(0, colon);
  const size_t start = colon + 3;
  size_t end = url.find_first_of("/?#", start);
  if (end == std::string_view::npos) end = url.size();
  parts.authority = url.substr(start, end - start);
  parts.rest = url.substr(end);
  const size_t at = parts.authority.rfind('@');
  if (at != std::string_view::npos) parts.user = parts.authority.substr(0, at);
  parts.host_port = at == std::string_view::npos ? parts.authority : parts.authority.substr(at + 1);
  const size_t port = parts.host_port.rfind(':');
  const size_t bracket = parts.host_port.rfind(']');
  if (port != std::string_view::npos && (bracket == std::string_view::npos || port > bracket)) {
    parts.host = parts.host_port.substr(0, port);
    parts.port = parts.host_port.substr(port + 1);
  } else {
    parts.host = parts.host_port;
  }
  if (parts.host.size() >= 2 && parts.host.front() == '[' && parts.host.back() == ']') {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  }
  return parts;
}

std::string LowerCase(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string MaskUrl(std::string_view url) {
  const std::optional<UrlParts> parts = SplitUrl(url);
  if (!parts) return std::string(url);
  const size_t colon = parts->user.find(':');
  if (colon == std::string_view::npos) return std::string(url);
  std::string out(parts->scheme);
  out.append("://").append(parts->user.substr(0, colon)).append(":********@");
  return out.append(parts->host_port).append(parts->rest);
}

std::string HostOf(std::string_view url) {
  const std::optional<UrlParts> parts = SplitUrl(url);
  return parts ? std::string(parts->host_port) : std::string();
}

Status CheckUrl(std::string_view url) {
  const std::string shown = "\"" + MaskUrl(url) + "\"";
  const std::optional<UrlParts> parts = SplitUrl(url);
  if (!parts) {
    return Fail(Code::kConfig, shown + " is not an absolute URL; write it as http://host:port/path");
  }
  const std::string scheme = LowerCase(parts->scheme);
  if (scheme != "http" && scheme != "https") {
    return Fail(Code::kConfig, shown + " has the scheme " + scheme + "; only http and https are known");
  }
  if (parts->host.empty()) return Fail(Code::kConfig, shown + " names no host");
  const auto strange = [](unsigned char c) { return c <= ' ' || c == 0x7f || c == '"' || c == '<' || c == '>'; };
  if (std::any_of(url.begin(), url.end(), strange)) {
    return Fail(Code::kConfig, shown + " holds a space, a quote or a control character");
  }
  const auto digit = [](unsigned char c) { return std::isdigit(c) != 0; };
  if (!std::all_of(parts->port.begin(), parts->port.end(), digit) || parts->port.size() > 5) {
    return Fail(Code::kConfig, shown + " has \"" + std::string(parts->port) + "\" for a port");
  }
  return {};
}

}  // namespace agent::http
