// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "agent/http/client.h"
#include "agent/http/internal/proxy_rules.h"
#include "tests/http/http_harness.h"
#include "tests/support/scripted_loki.h"
#include "tests/support/test_certs.h"

namespace agent::http {
namespace {

using test::ScriptedLoki;

TEST(HttpProxyRules, NoProxy) {
  struct Row {
    const char* no_proxy;
    const char* host;
    const char* port;
    bool direct;
  };
  const Row rows[] = {
      {"", "loki", "80", false},
      {"*", "loki", "80", true},
      {"loki", "loki", "80", true},
      {"a, LOKI ,b", "loki", "80", true},
      {"example.com", "example.com", "80", true},
      {"example.com", "www.example.com", "80", true},
      {"example.com", "wwwexample.com", "80", false},
      {".example.com", "example.com", "80", false},
      {".example.com", "www.example.com", "80", true},
      {"*.example.com", "www.example.com", "80", true},
      {"*.example.com", "example.com", "80", false},
      {"loki:3100", "loki", "3100", true},
      {"loki:3100", "loki", "80", false},
      {"10.1.2.3", "10.1.2.3", "80", true},
      {"10.1.2.3", "10.1.2.33", "80", false},
      {"10.1.2.3:80", "10.1.2.3", "80", true},
      {"10.0.0.0/8", "10.200.3.4", "80", true},
      {"10.0.0.0/8", "11.0.0.1", "80", false},
      {"10.0.0.0/8", "loki", "80", false},
      {"10.0.0.0/99", "10.0.0.1", "80", false},
      {"fd00::/16", "fd00:1::2", "80", true},
      {"fd00::1", "fd00::1", "80", true},
      {"0.0.0.0/0", "192.168.1.1", "80", true},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(NoProxyMatches(row.no_proxy, row.host, row.port), row.direct)
        << row.no_proxy << " for " << row.host << ":" << row.port;
  }
}

TEST(HttpProxyRules, ProxyFor) {
  std::map<std::string, std::string> variables;
  const Environment environment = [&](const char* name) { return variables[name]; };
  ProxyOptions options;
  variables["HTTP_PROXY"] = "http://env:1";
  EXPECT_EQ(ProxyFor(options, "http://loki/", environment), "");  // only if asked
  options.from_environment = true;
  EXPECT_EQ(ProxyFor(options, "http://loki/", environment), "http://env:1");
  EXPECT_EQ(ProxyFor(options, "https://loki/", environment), "");
  variables["https_proxy"] = "secure:2";
  EXPECT_EQ(ProxyFor(options, "https://loki/", environment), "http://secure:2");
  EXPECT_EQ(ProxyFor(options, "http://localhost:3100/", environment), "");
  EXPECT_EQ(ProxyFor(options, "http://127.9.9.9/", environment), "");
  EXPECT_EQ(ProxyFor(options, "http://[::1]:80/", environment), "");
  variables["NO_PROXY"] = "loki:443";
  EXPECT_EQ(ProxyFor(options, "https://loki/", environment), "");
  EXPECT_EQ(ProxyFor(options, "http://LOKI/", environment), "http://env:1");

  ProxyOptions fixed;
  fixed.url = "http://proxy:3128";
  EXPECT_EQ(ProxyFor(fixed, "http://localhost/", environment), "http://proxy:3128");
  fixed.no_proxy = "other";
  EXPECT_EQ(ProxyFor(fixed, "http://localhost/", environment), "");
  EXPECT_EQ(ProxyFor(fixed, "http://loki/", environment), "http://proxy:3128");
}

ScriptedLoki::Options ProxyServer(std::shared_ptr<test::ServerTls> tls = nullptr) {
  ScriptedLoki::Options options;
  options.proxy = true;
  options.tls = std::move(tls);
  return options;
}

TEST(HttpProxy, PlainRequestsGoToTheProxy) {
  ScriptedLoki proxy(ProxyServer());
  Client client;
  ClientOptions options;
  options.proxy.url = proxy.Url("");
  const Result<Response> result = Exchange(client, Post("http://loki.invalid:3100/push", "x", MakeEndpoint(options)));
  ASSERT_TRUE(result) << result.error().what;
  EXPECT_EQ(proxy.requests().at(0).target, "http://loki.invalid:3100/push");
}

TEST(HttpProxy, TlsGoesThroughATunnelWithItsOwnHeaders) {
  const test::CertAndKey ca = test::MakeAuthority("authority");
  const test::CertAndKey own = test::MakeCertificate(ca, "loki", "DNS:loki.invalid");
  auto tls = std::make_shared<test::ServerTls>();
  tls->certificate = own.certificate;
  tls->key = own.key;
  ScriptedLoki proxy(ProxyServer(tls));
  Client client;
  ClientOptions options;
  options.proxy.url = proxy.Url("");
  options.proxy.connect_headers = {{"X-Proxy-Key", {}, {"key"}, {}}};
  options.tls.ca = ca.certificate;
  options.authorization.credentials = "for loki only";
  const Result<Response> result = Exchange(client, Post("https://loki.invalid/push", "x", MakeEndpoint(options)));
  ASSERT_TRUE(result) << result.error().what;
  const auto seen = proxy.requests();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].method, "CONNECT");
  EXPECT_EQ(seen[0].target, "loki.invalid:443");
  EXPECT_EQ(seen[0].Header("x-proxy-key"), "key");
  EXPECT_EQ(seen[0].Header("authorization"), "");
  EXPECT_EQ(seen[1].target, "/push");
  EXPECT_EQ(seen[1].Header("authorization"), "Bearer for loki only");
  EXPECT_EQ(seen[1].Header("x-proxy-key"), "");
}

}  // namespace
}  // namespace agent::http
