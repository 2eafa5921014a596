// SPDX-License-Identifier: Apache-2.0
// The signed assertion of OAuth2's JWT bearer grant. Pure, but for OpenSSL's signing.
// Format: RFC 7519, RFC 7523 section 3; claims as Prometheus sends them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/core/result.h"
#include "agent/http/options.h"

namespace agent::http {

inline constexpr std::string_view kJwtGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer";

// `private_key`: an RSA key in PEM. `id` becomes the claim jti.
Result<std::string> MakeJwt(const OAuth2& options, std::string_view private_key, int64_t now_seconds,
                            std::string_view id);

std::string Base64Url(std::string_view bytes);
// A JSON string, quotes included.
std::string JsonQuote(std::string_view text);

}  // namespace agent::http
