// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "agent/http/internal/jwt.h"
#include "agent/http/internal/url.h"
#include "agent/http/options.h"

namespace agent::http {
namespace {

using config::MapReader;
using config::Node;

constexpr const char* kNoSecretStore =
    "there is no secret manager here; give the value itself, or a file (the same key ending in _file)";

// Promtail's rule for a value and the file that holds it.
void AtMostOne(MapReader& reader, std::string_view key, bool first, std::string_view other, bool second) {
  if (first && second) {
    reader.Error(other, "both " + std::string(key) + " and " + std::string(other) + " are given; leave one of them out");
  }
}

void Pair(MapReader& reader, const std::string& key, std::string& text, std::string& file) {
  reader.String(key, text);
  reader.String(key + "_file", file);
  AtMostOne(reader, key, !text.empty(), key + "_file", !file.empty());
}

void PairWithRef(MapReader& reader, const std::string& key, std::string& text, std::string& file) {
  Pair(reader, key, text, file);
  reader.Refuse(key + "_ref", kNoSecretStore);
}

void Version(MapReader& reader, std::string_view key, TlsVersion& version) {
  std::string text;
  if (!reader.String(key, text) || text.empty()) return;
  static constexpr std::array<std::string_view, 4> kNames = {"TLS10", "TLS11", "TLS12", "TLS13"};
  const auto found = std::find(kNames.begin(), kNames.end(), text);
  if (found == kNames.end()) {
    reader.Error(key, "\"" + text + "\" is no TLS version; write TLS10, TLS11, TLS12 or TLS13");
    return;
  }
  version = static_cast<TlsVersion>(1 + (found - kNames.begin()));
}

bool IsHeaderName(std::string_view name) {
  static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || kOthers.find(c) != std::string_view::npos;
  });
}

void CheckHeader(MapReader& reader, std::string_view key, const std::string& name,
                 const std::vector<std::string>& values) {
  if (!IsHeaderName(name)) reader.Error(key, "\"" + name + "\" cannot be the name of a header");
  for (const std::string& value : values) {
    if (value.find_first_of("\r\n") != std::string::npos) {
      reader.Error(key, "the header " + name + " has a value with a line break");
    }
  }
}

// Headers that libcurl or the room sets; Prometheus reserves the same.
bool IsReserved(const std::string& name) {
  static constexpr std::array<std::string_view, 14> kReserved = {
      "authorization", "host", "content-encoding", "content-length", "content-type", "user-agent",
      "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "www-authenticate",
      "accept-encoding", "x-prometheus-remote-write-version", "x-prometheus-remote-read-version"};
  return std::find(kReserved.begin(), kReserved.end(), LowerCase(name)) != kReserved.end();
}

void DecodeHeaders(MapReader& reader, std::vector<HeaderValues>& headers) {
  const Node* node = reader.Child("http_headers");
  if (node == nullptr) return;
  if (!node->is_map()) {
    reader.Error("http_headers", "is a map of header names, each with values, secrets or files");
    return;
  }
  for (const auto& [key, value] : node->members) {
    HeaderValues header;
    header.name = key.scalar;
    MapReader one(value, reader.PathOf("http_headers") + "." + key.scalar, reader.diagnostics());
    one.StringList("values", header.values);
    one.StringList("secrets", header.secrets);
    one.StringList("files", header.files);
    one.Finish();
    CheckHeader(reader, "http_headers", header.name, header.values);
    CheckHeader(reader, "http_headers", header.name, header.secrets);
    if (IsReserved(header.name)) {
      reader.Error("http_headers", "the header " + header.name + " is set by the program and cannot be given here");
    }
    headers.push_back(std::move(header));
  }
}

void DecodeConnectHeaders(MapReader& reader, ProxyOptions& proxy) {
  const Node* node = reader.Child("proxy_connect_header");
  if (node == nullptr) return;
  if (!node->is_map()) {
    reader.Error("proxy_connect_header", "is a map from header names to lists of values");
    return;
  }
  MapReader names(*node, reader.PathOf("proxy_connect_header"), reader.diagnostics());
  for (const auto& [key, value] : node->members) {
    HeaderValues header;
    header.name = key.scalar;
    names.StringList(key.scalar, header.secrets);
    CheckHeader(reader, "proxy_connect_header", header.name, header.secrets);
    proxy.connect_headers.push_back(std::move(header));
  }
}

void DecodeProxy(MapReader& reader, ProxyOptions& proxy) {
  if (reader.String("proxy_url", proxy.url) && !proxy.url.empty()) {
    const size_t scheme = proxy.url.find("://");
    const std::string word = LowerCase(proxy.url.substr(0, scheme));
    if (scheme == std::string::npos || (word != "http" && word != "https" && word != "socks5" && word != "socks5h")) {
      reader.Error("proxy_url", "\"" + MaskUrl(proxy.url) +
                                    "\" is no proxy; write http://host:port (or https://, socks5://, socks5h://)");
    }
  }
  reader.String("no_proxy", proxy.no_proxy);
  reader.Bool("proxy_from_environment", proxy.from_environment);
  DecodeConnectHeaders(reader, proxy);
  if (proxy.from_environment && !proxy.url.empty()) {
    reader.Error("proxy_url", "proxy_from_environment is on; leave one of the two out");
  }
  if (proxy.from_environment && !proxy.no_proxy.empty()) {
    reader.Error("no_proxy", "proxy_from_environment is on and takes NO_PROXY; leave one of the two out");
  }
  if (!proxy.from_environment && proxy.url.empty() && !proxy.no_proxy.empty()) {
    reader.Error("no_proxy", "says nothing without proxy_url");
  }
  if (!proxy.from_environment && proxy.url.empty() && !proxy.connect_headers.empty()) {
    reader.Error("proxy_connect_header", "says nothing without proxy_url or proxy_from_environment");
  }
}

void DecodeTlsChild(MapReader& reader, TlsOptions& tls) {
  const Node* node = reader.Child("tls_config");
  if (node == nullptr) return;
  MapReader inner(*node, reader.PathOf("tls_config"), reader.diagnostics());
  DecodeTls(inner, tls);
  inner.Finish();
}

// A YAML value as JSON, for a claim.
std::string JsonOf(const Node& node) {
  std::string out;
  if (node.is_sequence()) {
    for (const Node& item : node.items) out += (out.empty() ? "" : ",") + JsonOf(item);
    return "[" + out + "]";
  }
  if (node.is_map()) {
    for (const auto& [key, value] : node.members) {
      out += (out.empty() ? "" : ",") + JsonQuote(key.scalar) + ":" + JsonOf(value);
    }
    return "{" + out + "}";
  }
  if (node.is_null()) return "null";
  if (node.type() == Node::ScalarType::kBool) {
    const Result<bool> flag = config::ParseGoBool(node.scalar);
    return flag && *flag ? "true" : "false";
  }
  // A number that JSON writes as YAML does.
  const bool number = node.type() == Node::ScalarType::kInt || node.type() == Node::ScalarType::kFloat;
  if (number && node.scalar.find_first_not_of("0123456789.-eE") == std::string::npos) return node.scalar;
  return JsonQuote(node.scalar);
}

void DecodeJwt(MapReader& reader, OAuth2& oauth2) {
  PairWithRef(reader, "client_certificate_key", oauth2.certificate_key, oauth2.certificate_key_file);
  reader.String("client_certificate_key_id", oauth2.certificate_key_id);
  reader.String("signature_algorithm", oauth2.signature_algorithm);
  reader.String("iss", oauth2.iss);
  reader.String("audience", oauth2.audience);
  const Node* claims = reader.Child("claims");
  if (claims != nullptr && !claims->is_map()) {
    reader.Error("claims", "is a map from names to values");
  } else if (claims != nullptr) {
    for (const auto& [name, value] : claims->members) oauth2.claims[name.scalar] = JsonOf(value);
  }
  if (!oauth2.jwt_bearer) return;
  const std::string& algorithm = oauth2.signature_algorithm;
  if (!algorithm.empty() && algorithm != "RS256" && algorithm != "RS384" && algorithm != "RS512") {
    reader.Error("signature_algorithm", "\"" + algorithm + "\" is not known; it is RS256, RS384 or RS512");
  }
  if (oauth2.certificate_key.empty() && oauth2.certificate_key_file.empty()) {
    reader.Error("client_certificate_key", "is missing (or client_certificate_key_file): the JWT bearer grant signs with it");
  }
}

void DecodeOAuth2(MapReader& reader, OAuth2& oauth2) {
  const Node* node = reader.Child("oauth2");
  if (node == nullptr) return;
  MapReader inner(*node, reader.PathOf("oauth2"), reader.diagnostics());
  inner.String("client_id", oauth2.client_id);
  PairWithRef(inner, "client_secret", oauth2.client_secret, oauth2.client_secret_file);
  if (inner.String("token_url", oauth2.token_url)) {
    if (Status status = CheckUrl(oauth2.token_url); !status) inner.Error("token_url", status.error().what);
  }
  inner.StringList("scopes", oauth2.scopes);
  inner.StringMap("endpoint_params", oauth2.endpoint_params);
  std::string grant;
  if (inner.String("grant_type", grant) && !grant.empty() && grant != "client_credentials" && grant != kJwtGrant) {
    inner.Error("grant_type", "\"" + grant + "\" is not known; it is client_credentials or " + std::string(kJwtGrant));
  }
  oauth2.jwt_bearer = grant == kJwtGrant;
  DecodeJwt(inner, oauth2);
  inner.Require("client_id", !oauth2.client_id.empty());
  inner.Require("token_url", !oauth2.token_url.empty());
  DecodeTlsChild(inner, oauth2.tls);
  DecodeProxy(inner, oauth2.proxy);
  inner.Finish();
}

void DecodeBasicAuth(MapReader& reader, BasicAuth& basic) {
  const Node* node = reader.Child("basic_auth");
  if (node == nullptr) return;
  MapReader inner(*node, reader.PathOf("basic_auth"), reader.diagnostics());
  PairWithRef(inner, "username", basic.username, basic.username_file);
  PairWithRef(inner, "password", basic.password, basic.password_file);
  inner.Finish();
}

void DecodeAuthorization(MapReader& reader, Authorization& authorization) {
  const Node* node = reader.Child("authorization");
  if (node != nullptr) {
    MapReader inner(*node, reader.PathOf("authorization"), reader.diagnostics());
    inner.String("type", authorization.type);
    const size_t first = authorization.type.find_first_not_of(" \t");
    const size_t last = authorization.type.find_last_not_of(" \t");
    authorization.type = first == std::string::npos ? "Bearer" : authorization.type.substr(first, last - first + 1);
    if (LowerCase(authorization.type) == "basic") inner.Error("type", "cannot be \"basic\"; use basic_auth instead");
    PairWithRef(inner, "credentials", authorization.credentials, authorization.credentials_file);
    inner.Finish();
  }
  std::string token, file;
  reader.String("bearer_token", token);
  reader.String("bearer_token_file", file);
  AtMostOne(reader, "bearer_token", !token.empty(), "bearer_token_file", !file.empty());
  if (token.empty() && file.empty()) return;
  if (node != nullptr) {
    reader.Error(token.empty() ? "bearer_token_file" : "bearer_token", "authorization is given too; leave one of them out");
    return;
  }
  authorization.credentials = std::move(token);
  authorization.credentials_file = std::move(file);
}

// A file may come later; a text cannot change.
void NeedsPem(MapReader& reader, const char* key, const std::string& text) {
  if (text.empty() || text.find("-----BEGIN ") != std::string::npos) return;
  reader.Error(key, std::string("is no PEM text, which begins with -----BEGIN; a file's name belongs into ") + key + "_file");
}

}  // namespace

void DecodeTls(MapReader& reader, TlsOptions& tls) {
  PairWithRef(reader, "ca", tls.ca, tls.ca_file);
  PairWithRef(reader, "cert", tls.cert, tls.cert_file);
  PairWithRef(reader, "key", tls.key, tls.key_file);
  NeedsPem(reader, "ca", tls.ca);
  NeedsPem(reader, "cert", tls.cert);
  NeedsPem(reader, "key", tls.key);
  reader.String("server_name", tls.server_name);
  reader.Bool("insecure_skip_verify", tls.insecure_skip_verify);
  Version(reader, "min_version", tls.min_version);
  Version(reader, "max_version", tls.max_version);
  const bool cert = !tls.cert.empty() || !tls.cert_file.empty();
  const bool key = !tls.key.empty() || !tls.key_file.empty();
  if (cert && !key) reader.Error("cert", "a client certificate needs its key or key_file");
  if (key && !cert) reader.Error("key", "a client key needs its cert or cert_file");
  if (tls.max_version != TlsVersion::kDefault && tls.min_version > tls.max_version) {
    reader.Error("max_version", "is lower than min_version");
  }
}

void Decode(MapReader& reader, ClientOptions& options) {
  DecodeTlsChild(reader, options.tls);
  DecodeProxy(reader, options.proxy);
  DecodeBasicAuth(reader, options.basic_auth);
  DecodeAuthorization(reader, options.authorization);
  DecodeOAuth2(reader, options.oauth2);
  reader.Bool("follow_redirects", options.follow_redirects);
  bool http2 = false;  // Promtail accepts the key and always pushes over HTTP/1.1; so do we
  reader.Bool("enable_http2", http2);
  DecodeHeaders(reader, options.headers);
  const int ways = int{options.basic_auth.set()} + int{options.authorization.set()} + int{options.oauth2.set()};
  if (ways > 1) {
    const char* key = options.oauth2.set() ? "oauth2" : "basic_auth";
    reader.Error(key, "more than one of basic_auth, authorization (bearer_token) and oauth2 is given; leave one");
  }
}

}  // namespace agent::http
