// SPDX-License-Identifier: Apache-2.0
#include "agent/http/internal/token.h"

#include <cctype>
#include <charconv>
#include <optional>

#include "agent/http/internal/jwt.h"
#include "agent/http/internal/url.h"

namespace agent::http {
namespace {

// Just enough JSON for a flat answer: walks one object and hands out its members.
// Nested values are skipped, escapes other than \uXXXX above ASCII are decoded.
class ObjectReader {
 public:
  explicit ObjectReader(std::string_view text) : text_(text) { SkipSpace(); }

  // False at the object's end or at broken syntax.
  bool Next(std::string& key, std::string& value) {
    if (!Take(first_ ? '{' : ',')) return false;
    first_ = false;
    const auto name = String();
    if (!name || !Take(':')) return false;
    key = *name;
    SkipSpace();
    if (at_ < text_.size() && text_[at_] == '"') {
      const auto string = String();
      if (!string) return false;
      value = *string;
      return true;
    }
    const size_t start = at_;
    if (!SkipValue()) return false;
    value = text_.substr(start, at_ - start);
    return true;
  }

 private:
  void SkipSpace() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool Take(char c) {
    SkipSpace();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    SkipSpace();
    return true;
  }

  std::optional<std::string> String() {
    if (at_ >= text_.size() || text_[at_] != '"') return std::nullopt;
    std::string out;
    for (++at_; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '"') {
        ++at_;
        return out;
      }
      if (c != '\\') {
        out += c;
        continue;
      }
      if (++at_ >= text_.size()) break;
      c = text_[at_];
      if (c == 'u') {
        unsigned code = 0;
        const char* from = text_.data() + at_ + 1;
        if (at_ + 4 >= text_.size() || std::from_chars(from, from + 4, code, 16).ptr != from + 4) break;
        if (code > 0x7f) return std::nullopt;  // no token has it
        out += static_cast<char>(code);
        at_ += 4;
      } else {
        static constexpr std::string_view kFrom = "nrtbf", kTo = "\n\r\t\b\f";
        const size_t known = kFrom.find(c);
        out += known == std::string_view::npos ? c : kTo[known];
      }
    }
    return std::nullopt;
  }

  bool SkipValue() {
    size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        if (!String()) return false;
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') {
        if (depth == 0) return true;
        --depth;
      }
      if (c == ',' && depth == 0) return true;
      ++at_;
    }
    return false;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool first_ = true;
};

}  // namespace

std::string FormEscape(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

std::string TokenForm(const OAuth2& options, std::string_view secret_in_form) {
  std::string form = "grant_type=client_credentials";
  const auto add = [&form](std::string_view name, std::string_view value) {
    form.append("&").append(FormEscape(name)).append("=").append(FormEscape(value));
  };
  if (!options.scopes.empty()) {
    std::string scopes;
    for (const std::string& scope : options.scopes) scopes.append(scopes.empty() ? "" : " ").append(scope);
    add("scope", scopes);
  }
  for (const auto& [name, value] : options.endpoint_params) add(name, value);
  if (!secret_in_form.empty()) {
    add("client_id", options.client_id);
    add("client_secret", secret_in_form);
  }
  return form;
}

std::string AssertionForm(const OAuth2& options, std::string_view assertion) {
  std::string grant(kJwtGrant);
  std::string rest;
  std::string scopes;
  for (const std::string& scope : options.scopes) scopes.append(scopes.empty() ? "" : " ").append(scope);
  if (!scopes.empty()) rest += "&scope=" + FormEscape(scopes);
  for (const auto& [name, value] : options.endpoint_params) {
    if (name == "grant_type") {
      grant = value;
    } else {
      rest += "&" + FormEscape(name) + "=" + FormEscape(value);
    }
  }
  return "grant_type=" + FormEscape(grant) + "&assertion=" + FormEscape(assertion) + rest;
}

Result<Token> ParseToken(std::string_view body) {
  Token token;
  std::string key, value;
  ObjectReader reader(body);
  while (reader.Next(key, value)) {
    if (key == "access_token") token.value = value;
    if (key == "token_type") token.type = value;
    if (key == "expires_in") {
      int64_t seconds = 0;
      std::from_chars(value.data(), value.data() + value.size(), seconds);
      if (seconds > 0) token.lifetime = std::chrono::seconds(std::min<int64_t>(seconds, 100'000'000));
    }
  }
  if (token.value.empty()) return Fail(Code::kCorrupt, "the token answer holds no access_token");
  for (const char c : token.value + token.type) {
    if (c < ' ' || c == 0x7f) return Fail(Code::kCorrupt, "the token answer's access_token holds control characters");
  }
  if (token.type.empty() || LowerCase(token.type) == "bearer") token.type = "Bearer";
  return token;
}

}  // namespace agent::http
