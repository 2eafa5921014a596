// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string>
#include <utility>

#include "agent/http/internal/jwt.h"
#include "agent/http/options.h"

namespace agent::http {
namespace {

using config::Node;

Node Scalar(std::string text, bool quoted = true) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.scalar = std::move(text);
  node.quoted = quoted;
  return node;
}

// A claim's JSON text; structured ones are shown as one text.
Node ScalarOfJson(const std::string& json) {
  const bool text = json.size() >= 2 && json.front() == '"' && json.find('\\') == std::string::npos;
  if (text) return Scalar(json.substr(1, json.size() - 2));
  const bool structured = json.front() == '[' || json.front() == '{' || json.front() == '"';
  return Scalar(json, structured);
}

Node Map() {
  Node node;
  node.kind = Node::Kind::kMap;
  return node;
}

class Writer {
 public:
  Writer(Node& map, bool reveal) : map_(map), reveal_(reveal) { map_.kind = Node::Kind::kMap; }

  void Text(const char* key, const std::string& text) {
    if (!text.empty()) Put(key, Scalar(text));
  }
  void Secret(const char* key, const std::string& text) {
    if (!text.empty()) Put(key, Scalar(Hide(text)));
  }
  void Flag(const char* key, bool flag) { Put(key, Scalar(flag ? "true" : "false", false)); }
  void List(const char* key, const std::vector<std::string>& items, bool secret = false) {
    if (items.empty()) return;
    Node list;
    list.kind = Node::Kind::kSequence;
    for (const std::string& item : items) list.items.push_back(Scalar(secret ? Hide(item) : item));
    Put(key, std::move(list));
  }
  void Put(const std::string& key, Node value) { map_.members.emplace_back(Scalar(key, false), std::move(value)); }
  // A map that is left out when it stays empty.
  template <class Fill>
  void Child(const char* key, Fill fill) {
    Node child = Map();
    Writer writer(child, reveal_);
    fill(writer);
    if (!child.members.empty()) Put(key, std::move(child));
  }
  bool reveal() const { return reveal_; }
  std::string Hide(const std::string& text) const { return reveal_ ? text : "<secret>"; }

 private:
  Node& map_;
  const bool reveal_;
};

const char* VersionName(TlsVersion version) {
  static constexpr std::array<const char*, 5> kNames = {"", "TLS10", "TLS11", "TLS12", "TLS13"};
  return kNames[static_cast<size_t>(version)];
}

void WriteTls(Writer& writer, const TlsOptions& tls) {
  writer.Child("tls_config", [&](Writer& to) {
    to.Text("ca", tls.ca);
    to.Text("cert", tls.cert);
    to.Secret("key", tls.key);
    to.Text("ca_file", tls.ca_file);
    to.Text("cert_file", tls.cert_file);
    to.Text("key_file", tls.key_file);
    to.Text("server_name", tls.server_name);
    to.Flag("insecure_skip_verify", tls.insecure_skip_verify);
    to.Text("min_version", VersionName(tls.min_version));
    to.Text("max_version", VersionName(tls.max_version));
  });
}

void WriteProxy(Writer& writer, const ProxyOptions& proxy) {
  writer.Text("proxy_url", writer.reveal() ? proxy.url : MaskUrl(proxy.url));
  writer.Text("no_proxy", proxy.no_proxy);
  if (proxy.from_environment) writer.Flag("proxy_from_environment", true);
  writer.Child("proxy_connect_header", [&](Writer& to) {
    for (const HeaderValues& header : proxy.connect_headers) to.List(header.name.c_str(), header.secrets, true);
  });
}

void WriteOAuth2(Writer& writer, const OAuth2& oauth2) {
  if (!oauth2.set()) return;
  writer.Child("oauth2", [&](Writer& to) {
    to.Text("client_id", oauth2.client_id);
    to.Secret("client_secret", oauth2.client_secret);
    to.Text("client_secret_file", oauth2.client_secret_file);
    to.Secret("client_certificate_key", oauth2.certificate_key);
    to.Text("client_certificate_key_file", oauth2.certificate_key_file);
    to.Text("client_certificate_key_id", oauth2.certificate_key_id);
    if (oauth2.jwt_bearer) to.Text("grant_type", std::string(kJwtGrant));
    to.Text("signature_algorithm", oauth2.signature_algorithm);
    to.Text("iss", oauth2.iss);
    to.Text("audience", oauth2.audience);
    to.Child("claims", [&](Writer& claims) {
      // JSON is YAML: a value is written as it stands.
      for (const auto& [name, json] : oauth2.claims) claims.Put(name, ScalarOfJson(json));
    });
    to.List("scopes", oauth2.scopes);
    to.Text("token_url", to.reveal() ? oauth2.token_url : MaskUrl(oauth2.token_url));
    to.Child("endpoint_params", [&](Writer& params) {
      for (const auto& [name, value] : oauth2.endpoint_params) params.Text(name.c_str(), value);
    });
    WriteTls(to, oauth2.tls);
    WriteProxy(to, oauth2.proxy);
  });
}

}  // namespace

void Encode(const ClientOptions& options, Node& map, bool reveal) {
  Writer writer(map, reveal);
  writer.Child("basic_auth", [&](Writer& to) {
    to.Text("username", options.basic_auth.username);
    to.Text("username_file", options.basic_auth.username_file);
    to.Secret("password", options.basic_auth.password);
    to.Text("password_file", options.basic_auth.password_file);
  });
  if (options.authorization.set()) {
    writer.Child("authorization", [&](Writer& to) {
      to.Text("type", options.authorization.type);
      to.Secret("credentials", options.authorization.credentials);
      to.Text("credentials_file", options.authorization.credentials_file);
    });
  }
  WriteOAuth2(writer, options.oauth2);
  WriteTls(writer, options.tls);
  WriteProxy(writer, options.proxy);
  writer.Flag("follow_redirects", options.follow_redirects);
  writer.Child("http_headers", [&](Writer& to) {
    for (const HeaderValues& header : options.headers) {
      to.Child(header.name.c_str(), [&](Writer& one) {
        one.List("values", header.values);
        one.List("secrets", header.secrets, true);
        one.List("files", header.files);
      });
    }
  });
}

}  // namespace agent::http
