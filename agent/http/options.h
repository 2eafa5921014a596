// SPDX-License-Identifier: Apache-2.0
// How to speak to one HTTP endpoint: TLS, proxy, authentication, extra headers; with
// the keys and rules of the Prometheus HTTP client configuration that Promtail uses.
// Plain data; const once an Endpoint has been made from it.
//
// Secrets are never written back: Encode masks them, and so does MaskUrl.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config/decode.h"
#include "agent/config/node.h"
#include "agent/model/label_set.h"

namespace agent::http {

enum class TlsVersion { kDefault, k10, k11, k12, k13 };

// Inline text or a file, at most one of the two. Files are read again when they change.
struct TlsOptions {
  std::string ca, ca_file;
  std::string cert, cert_file;
  std::string key, key_file;
  std::string server_name;            // sent as SNI and verified instead of the URL's host
  bool insecure_skip_verify = false;
  TlsVersion min_version = TlsVersion::kDefault;  // TLS 1.2
  TlsVersion max_version = TlsVersion::kDefault;

  bool operator==(const TlsOptions&) const = default;
};

// A header with its values: plain, secret, or read from files at every request.
struct HeaderValues {
  std::string name;
  std::vector<std::string> values, secrets, files;

  bool operator==(const HeaderValues&) const = default;
};

struct ProxyOptions {
  std::string url;
  std::string no_proxy;           // comma-separated hosts, domains, addresses, networks
  bool from_environment = false;  // HTTP_PROXY, HTTPS_PROXY, NO_PROXY in either case
  std::vector<HeaderValues> connect_headers;

  bool operator==(const ProxyOptions&) const = default;
};

// The file of a pair is read at every request, so that a rotated secret takes effect.
struct BasicAuth {
  std::string username, username_file;
  std::string password, password_file;

  bool operator==(const BasicAuth&) const = default;
  bool set() const { return !username.empty() || !username_file.empty() || !password.empty() || !password_file.empty(); }
};

struct Authorization {
  std::string type = "Bearer";
  std::string credentials, credentials_file;

  bool operator==(const Authorization&) const = default;
  bool set() const { return !credentials.empty() || !credentials_file.empty(); }
};

// Tokens by client credentials or by a signed assertion (JWT bearer grant, RFC 7523);
// cached until shortly before they expire.
struct OAuth2 {
  std::string client_id;
  std::string client_secret, client_secret_file;
  // -- JWT bearer only --
  bool jwt_bearer = false;  // grant_type
  std::string certificate_key, certificate_key_file;  // an RSA key in PEM
  std::string certificate_key_id;
  std::string signature_algorithm;  // RS256 (default), RS384, RS512
  std::string iss;                  // default: client_id
  std::string audience;             // default: token_url
  LabelMap claims;                  // values are JSON texts
  // --
  std::string token_url;
  std::vector<std::string> scopes;
  LabelMap endpoint_params;
  TlsOptions tls;
  ProxyOptions proxy;

  bool operator==(const OAuth2&) const = default;
  bool set() const { return !token_url.empty(); }
};

struct ClientOptions {
  TlsOptions tls;
  ProxyOptions proxy;
  BasicAuth basic_auth;  // at most one of basic_auth, authorization and oauth2 is set
  Authorization authorization;
  OAuth2 oauth2;
  bool follow_redirects = true;
  std::vector<HeaderValues> headers;  // http_headers

  bool operator==(const ClientOptions&) const = default;
};

// Takes its keys out of a map that has others too; the caller calls Finish. The
// options are good if `reader`'s diagnostics got no error.
//   basic_auth, authorization, bearer_token, bearer_token_file, oauth2, tls_config,
//   proxy_url, no_proxy, proxy_from_environment, proxy_connect_header,
//   follow_redirects, enable_http2, http_headers
void Decode(config::MapReader& reader, ClientOptions& options);
void DecodeTls(config::MapReader& reader, TlsOptions& options);  // the keys inside tls_config

// Appends the options to a YAML map, as Promtail dumps them: what is not set is left
// out, secrets read `<secret>` unless `reveal` (for comparing, never for printing).
void Encode(const ClientOptions& options, config::Node& map, bool reveal = false);

// The URL with its password, if any, replaced by asterisks.
std::string MaskUrl(std::string_view url);
// host:port of a URL as Promtail's `host` metric label has it (no default port).
std::string HostOf(std::string_view url);
// An error text if this is not an absolute http or https URL with a host.
Status CheckUrl(std::string_view url);

}  // namespace agent::http
