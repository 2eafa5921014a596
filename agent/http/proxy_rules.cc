// SPDX-License-Identifier: Apache-2.0
#include "agent/http/internal/proxy_rules.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <vector>

#include "agent/http/internal/url.h"

namespace agent::http {
namespace {

// 4 or 16 bytes.
std::optional<std::vector<uint8_t>> ParseAddress(std::string_view text) {
  const std::string host(text);
  std::vector<uint8_t> bytes(16);
  if (inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1) return bytes;
  bytes.resize(4);
  if (inet_pton(AF_INET, host.c_str(), bytes.data()) == 1) return bytes;
  return std::nullopt;
}

bool IsLoopback(std::string_view host) {
  if (host == "localhost") return true;
  const auto address = ParseAddress(host);
  if (!address) return false;
  if (address->size() == 4) return address->front() == 127;
  for (size_t i = 0; i + 1 < address->size(); ++i) {
    if ((*address)[i] != 0) return false;
  }
  return address->back() == 1;
}

bool InNetwork(std::string_view network, std::string_view host) {
  const size_t slash = network.find('/');
  const auto base = ParseAddress(network.substr(0, slash));
  const auto address = ParseAddress(host);
  unsigned bits = 0;
  const std::string_view prefix = network.substr(slash + 1);
  const auto [end, error] = std::from_chars(prefix.data(), prefix.data() + prefix.size(), bits);
  if (!base || !address || error != std::errc() || end != prefix.data() + prefix.size()) return false;
  if (base->size() != address->size() || bits > base->size() * 8) return false;
  for (size_t bit = 0; bit < bits; ++bit) {
    const int mask = 0x80 >> (bit % 8);
    if (((*base)[bit / 8] & mask) != ((*address)[bit / 8] & mask)) return false;
  }
  return true;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool RuleMatches(std::string_view rule, std::string_view host, std::string_view port) {
  if (rule == "*") return true;
  if (rule.find('/') != std::string_view::npos) return InNetwork(rule, host);
  if (const auto address = ParseAddress(rule)) return ParseAddress(host) == address;
  const size_t colon = rule.rfind(':');
  if (colon != std::string_view::npos) {
    if (rule.substr(colon + 1) != port) return false;
    rule = rule.substr(0, colon);
    if (rule.size() > 2 && rule.front() == '[' && rule.back() == ']') rule = rule.substr(1, rule.size() - 2);
    if (const auto address = ParseAddress(rule)) return ParseAddress(host) == address;
  }
  if (rule.starts_with("*.")) rule.remove_prefix(1);
  if (rule.empty()) return false;
  if (rule.front() == '.') return host.ends_with(rule);
  if (host == rule) return true;
  return host.size() > rule.size() && host.ends_with(rule) && host[host.size() - rule.size() - 1] == '.';
}

std::string FromEnvironment(const Environment& environment, const char* upper, const char* lower) {
  std::string value = environment(upper);
  return value.empty() ? environment(lower) : value;
}

std::string WithScheme(std::string proxy) {
  if (!proxy.empty() && proxy.find("://") == std::string::npos) proxy.insert(0, "http://");
  return proxy;
}

}  // namespace

bool NoProxyMatches(std::string_view no_proxy, std::string_view host, std::string_view port) {
  while (!no_proxy.empty()) {
    const size_t comma = no_proxy.find(',');
    const std::string rule = LowerCase(Trim(no_proxy.substr(0, comma)));
    if (!rule.empty() && RuleMatches(rule, host, port)) return true;
    if (comma == std::string_view::npos) break;
    no_proxy.remove_prefix(comma + 1);
  }
  return false;
}

std::string ProxyFor(const ProxyOptions& options, std::string_view url, const Environment& environment) {
  if (options.url.empty() && !options.from_environment) return {};
  if (!options.url.empty() && options.no_proxy.empty()) return options.url;
  const std::optional<UrlParts> parts = SplitUrl(url);
  if (!parts) return {};
  const bool tls = LowerCase(parts->scheme) == "https";
  const std::string host = LowerCase(parts->host);
  const std::string_view port = !parts->port.empty() ? parts->port : tls ? "443" : "80";
  if (IsLoopback(host)) return {};
  std::string proxy = options.url;
  std::string no_proxy = options.no_proxy;
  if (options.from_environment) {
    proxy = tls ? FromEnvironment(environment, "HTTPS_PROXY", "https_proxy")
                : FromEnvironment(environment, "HTTP_PROXY", "http_proxy");
    no_proxy = FromEnvironment(environment, "NO_PROXY", "no_proxy");
  }
  if (proxy.empty() || NoProxyMatches(no_proxy, host, port)) return {};
  return WithScheme(std::move(proxy));
}

}  // namespace agent::http
