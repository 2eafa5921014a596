// SPDX-License-Identifier: Apache-2.0
// OAuth2: the token request's form and the token's answer. Pure.
// Format: RFC 6749 sections 4.4 and 5.1, RFC 7523 section 2.1.
#pragma once

#include <string>
#include <string_view>

#include "agent/core/result.h"
#include "agent/core/time.h"
#include "agent/http/options.h"

namespace agent::http {

struct Token {
  std::string type;   // as sent in Authorization: "Bearer"
  std::string value;
  Duration lifetime{};  // 0 = unlimited
};

// application/x-www-form-urlencoded, for the client credentials grant. The secret goes
// into the form only if asked.
std::string TokenForm(const OAuth2& options, std::string_view secret_in_form);
// The same for the JWT bearer grant.
std::string AssertionForm(const OAuth2& options, std::string_view assertion);
std::string FormEscape(std::string_view text);

// Reads the JSON object of a token answer: access_token, token_type, expires_in.
Result<Token> ParseToken(std::string_view body);

}  // namespace agent::http
