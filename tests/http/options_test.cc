// SPDX-License-Identifier: Apache-2.0
#include "agent/http/options.h"

#include <gtest/gtest.h>

#include <string>

#include "agent/config/node.h"

namespace agent::http {
namespace {

struct Decoded {
  ClientOptions options;
  std::string problems;
};

Decoded Read(const std::string& yaml) {
  Diagnostics diagnostics;
  const config::Node node = config::ParseYaml(yaml, "test.yaml", diagnostics);
  Decoded out;
  config::MapReader reader(node, "clients[0]", diagnostics);
  Decode(reader, out.options);
  reader.Finish();
  out.problems = diagnostics.Text();
  return out;
}

std::string Written(const ClientOptions& options, bool reveal = false) {
  config::Node map;
  Encode(options, map, reveal);
  return config::WriteYaml(map);
}

constexpr const char* kEverything = R"(
basic_auth:
  username: me
  password: hidden1
tls_config:
  ca_file: /ca
  cert: '-----BEGIN CERT'
  key: '-----BEGIN hidden2'
  server_name: loki.test
  insecure_skip_verify: true
  min_version: TLS12
  max_version: TLS13
proxy_url: http://p:hidden3@proxy:3128
no_proxy: a,b
proxy_connect_header:
  X-Key: [hidden4]
follow_redirects: false
enable_http2: true
http_headers:
  X-A:
    values: [plain]
    secrets: [hidden5]
    files: [/f]
)";

TEST(HttpOptions, DefaultsArePrometheus) {
  const Decoded read = Read("{}");
  EXPECT_EQ(read.problems, "");
  EXPECT_EQ(read.options, ClientOptions());
  EXPECT_TRUE(read.options.follow_redirects);
}

TEST(HttpOptions, ReadsEverything) {
  const Decoded read = Read(kEverything);
  EXPECT_EQ(read.problems, "");
  const ClientOptions& o = read.options;
  EXPECT_EQ(o.basic_auth.username, "me");
  EXPECT_EQ(o.basic_auth.password, "hidden1");
  EXPECT_EQ(o.tls.ca_file, "/ca");
  EXPECT_EQ(o.tls.cert, "-----BEGIN CERT");
  EXPECT_EQ(o.tls.key, "-----BEGIN hidden2");
  EXPECT_EQ(o.tls.server_name, "loki.test");
  EXPECT_TRUE(o.tls.insecure_skip_verify);
  EXPECT_EQ(o.tls.min_version, TlsVersion::k12);
  EXPECT_EQ(o.tls.max_version, TlsVersion::k13);
  EXPECT_EQ(o.proxy.url, "http://p:hidden3@proxy:3128");
  EXPECT_EQ(o.proxy.no_proxy, "a,b");
  ASSERT_EQ(o.proxy.connect_headers.size(), 1u);
  EXPECT_EQ(o.proxy.connect_headers[0].secrets, std::vector<std::string>{"hidden4"});
  EXPECT_FALSE(o.follow_redirects);
  ASSERT_EQ(o.headers.size(), 1u);
  EXPECT_EQ(o.headers[0], (HeaderValues{"X-A", {"plain"}, {"hidden5"}, {"/f"}}));
}

TEST(HttpOptions, SecretsAreNotWrittenBack) {
  const std::string text = Written(Read(kEverything).options);
  EXPECT_EQ(text.find("hidden"), std::string::npos) << text;
  EXPECT_NE(text.find("<secret>"), std::string::npos) << text;
  EXPECT_NE(text.find("http://p:********@proxy:3128"), std::string::npos) << text;
}

TEST(HttpOptions, WhatIsWrittenOpenlyReadsBack) {
  const Decoded first = Read(kEverything);
  const Decoded again = Read(Written(first.options, true));
  EXPECT_EQ(again.problems, "");
  EXPECT_EQ(again.options, first.options);
  const Decoded oauth2 = Read(
      "oauth2: {client_id: i, client_secret_file: /s, token_url: 'http://t/x', scopes: [a], "
      "endpoint_params: {k: v}, tls_config: {insecure_skip_verify: true}, proxy_from_environment: true}");
  EXPECT_EQ(oauth2.problems, "");
  EXPECT_EQ(Read(Written(oauth2.options, true)).options, oauth2.options);
  const Decoded jwt = Read(
      "oauth2: {client_id: i, token_url: 'http://t/x', grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', "
      "client_certificate_key: hidden, client_certificate_key_id: k, signature_algorithm: RS512, iss: me, audience: you, "
      "claims: {text: x, number: 7, flag: true}}");
  EXPECT_EQ(jwt.problems, "");
  EXPECT_EQ(Read(Written(jwt.options, true)).options, jwt.options);
  EXPECT_EQ(Written(jwt.options).find("hidden"), std::string::npos);
}

TEST(HttpOptions, BearerTokenIsAShorthand) {
  const Decoded read = Read("bearer_token_file: /token");
  EXPECT_EQ(read.options.authorization.type, "Bearer");
  EXPECT_EQ(read.options.authorization.credentials_file, "/token");
  EXPECT_EQ(Read("authorization: {type: '  Token ', credentials: x}").options.authorization.type, "Token");
}

TEST(HttpOptions, EachMistakeIsNamed) {
  struct Row {
    const char* yaml;
    const char* problem;
  };
  const Row rows[] = {
      {"basic_auth: {username: a, username_file: b}", "both username and username_file"},
      {"basic_auth: {password: a, password_file: b}", "both password and password_file"},
      {"basic_auth: {password_ref: a}", "no secret manager"},
      {"{bearer_token: a, bearer_token_file: b}", "both bearer_token and bearer_token_file"},
      {"{bearer_token: a, authorization: {credentials: b}}", "authorization is given too"},
      {"{bearer_token: a, basic_auth: {username: b}}", "more than one of basic_auth"},
      {"{oauth2: {client_id: i, token_url: 'http://t'}, basic_auth: {username: b}}", "more than one of basic_auth"},
      {"authorization: {type: Basic, credentials: b}", "use basic_auth"},
      {"oauth2: {token_url: 'http://t'}", "client_id"},
      {"oauth2: {client_id: i}", "token_url"},
      {"oauth2: {client_id: i, token_url: 'no url'}", "not an absolute URL"},
      {"oauth2: {client_id: i, token_url: 'http://t', claims: []}", "is a map"},
      {"oauth2: {client_id: i, token_url: 'http://t', grant_type: other}", "\"other\" is not known"},
      {"oauth2: {client_id: i, token_url: 'http://t', grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer'}",
       "client_certificate_key: is missing"},
      {"oauth2: {client_id: i, token_url: 'http://t', grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', "
       "client_certificate_key: k, signature_algorithm: HS256}",
       "it is RS256"},
      {"tls_config: {cert: a}", "needs its key"},
      {"tls_config: {key_file: a}", "needs its cert"},
      {"tls_config: {ca: a, ca_file: b}", "both ca and ca_file"},
      {"tls_config: {min_version: TLS14}", "no TLS version"},
      {"tls_config: {min_version: TLS13, max_version: TLS12}", "lower than min_version"},
      {"tls_config: {ca: /etc/ca.pem}", "ca: is no PEM text"},
      {"tls_config: {server: x}", "server"},
      {"proxy_url: proxy", "is no proxy"},
      {"{proxy_url: 'http://p', proxy_from_environment: true}", "leave one of the two out"},
      {"{no_proxy: a, proxy_from_environment: true}", "leave one of the two out"},
      {"no_proxy: a", "without proxy_url"},
      {"proxy_connect_header: {a: [b]}", "without proxy_url"},
      {"http_headers: {Authorization: {values: [a]}}", "set by the program"},
      {"http_headers: {'a b': {values: [a]}}", "cannot be the name of a header"},
      {"http_headers: {a: {values: [\"x\\ny\"]}}", "line break"},
  };
  for (const Row& row : rows) {
    const std::string problems = Read(row.yaml).problems;
    EXPECT_NE(problems.find(row.problem), std::string::npos) << row.yaml << " gives: " << problems;
    EXPECT_NE(problems.find("test.yaml:1:"), std::string::npos) << problems;
  }
}

TEST(HttpUrl, HostMaskAndCheck) {
  EXPECT_EQ(HostOf("http://user:p@loki:3100/push?x"), "loki:3100");
  EXPECT_EQ(HostOf("https://loki"), "loki");
  EXPECT_EQ(HostOf("http://[::1]:80/"), "[::1]:80");
  EXPECT_EQ(HostOf("nonsense"), "");
  EXPECT_EQ(MaskUrl("http://user:p:q@loki/push"), "http://user:********@loki/push");
  EXPECT_EQ(MaskUrl("http://user@loki/push"), "http://user@loki/push");
  EXPECT_EQ(MaskUrl("http://loki/a:b@c"), "http://loki/a:b@c");
  for (const char* good : {"http://loki", "HTTPS://loki:3100/x?y#z", "http://u:p@[::1]:80"}) {
    EXPECT_TRUE(CheckUrl(good)) << good;
  }
  for (const char* bad : {"", "loki:3100", "/push", "ftp://loki", "http://", "http://:80/", "http://loki:8o/", "http://lo ki/"}) {
    EXPECT_FALSE(CheckUrl(bad)) << bad;
  }
}

}  // namespace
}  // namespace agent::http
