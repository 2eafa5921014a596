// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/internal/call.h"

#include <optional>

#include "agent/admin/internal/to_json.h"

namespace agent::admin::internal {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || HexDigit(text[i + 1]) < 0 || HexDigit(text[i + 2]) < 0) return std::nullopt;
      out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_space ? ' ' : text[i];
    }
  }
  return out;
}

bool ParseParameters(std::string_view query, Call& call) {
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), one.size() + 1));
    if (one.empty()) continue;
    const size_t equals = std::min(one.find('='), one.size());
    auto name = PercentDecode(one.substr(0, equals), true);
    auto value = PercentDecode(one.substr(std::min(one.size(), equals + 1)), true);
    if (!name || !value) return false;
    call.parameters.emplace_back(std::move(*name), std::move(*value));
  }
  return true;
}

}  // namespace

const std::string& Call::Parameter(std::string_view name) const {
  static const std::string kNone;
  for (const auto& [key, value] : parameters) {
    if (key == name) return value;
  }
  return kNone;
}

Answer Answer::Text(std::string body, int status) {
  Answer answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

Answer Answer::Json(std::string body, int status) {
  Answer answer = Text(std::move(body), status);
  answer.type = "application/json";
  return answer;
}

Answer Answer::Error(int status, std::string_view message) { return Json(ErrorJson(message), status); }

bool ParseTarget(std::string_view target, std::string_view prefix, Call& call) {
  const size_t question = std::min(target.find('?'), target.size());
  const std::string_view query = target.substr(std::min(target.size(), question + 1));
  auto path = PercentDecode(target.substr(0, question), false);
  if (!path || !path->starts_with('/') || !path->starts_with(prefix)) return false;
  call.path = path->substr(prefix.size());
  if (call.path.empty()) call.path = "/";
  return call.path[0] == '/' && ParseParameters(query, call);
}

std::string HostOf(std::string_view text) {
  if (const size_t scheme = text.find("://"); scheme != std::string_view::npos) text.remove_prefix(scheme + 3);
  text = text.substr(0, text.find('/'));
  if (text.starts_with('[')) {
    text = text.substr(1, text.find(']') - 1);
  } else if (text.find(':') == text.rfind(':')) {
    text = text.substr(0, text.find(':'));
  }
  std::string out;
  for (const char c : text) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

bool IsLoopbackHost(std::string_view host_and_port) {
  const std::string host = HostOf(host_and_port);
  if (host == "localhost" || host.ends_with(".localhost") || host == "::1") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
}

}  // namespace agent::admin::internal
