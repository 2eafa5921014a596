// SPDX-License-Identifier: Apache-2.0
// TLS against a real server: authorities, names, client certificates, versions, and
// certificates that change while connections are open.
#include <gtest/gtest.h>

#include <string>

#include "agent/http/client.h"
#include "tests/http/http_harness.h"
#include "tests/support/scripted_loki.h"
#include "tests/support/test_certs.h"

namespace agent::http {
namespace {

using test::CertAndKey;
using test::ScriptedLoki;
using test::ServerTls;

class HttpTls : public ::testing::Test {
 protected:
  HttpTls() : server_(Options()) {}

  static std::shared_ptr<ServerTls> Tls(const CertAndKey& own, const std::string& client_ca = "") {
    auto tls = std::make_shared<ServerTls>();
    tls->certificate = own.certificate;
    tls->key = own.key;
    tls->client_ca = client_ca;
    return tls;
  }
  ScriptedLoki::Options Options() {
    ScriptedLoki::Options options;
    options.tls = Tls(own_);
    return options;
  }
  // The status, or the error's text.
  std::string Try(const std::shared_ptr<Endpoint>& endpoint, const std::string& host = "127.0.0.1") {
    const Result<Response> result = Exchange(client_, Get(server_.Url("/", host), endpoint));
    return result ? std::to_string(result->status) : result.error().what;
  }
  static bool IsBadCertificate(const std::string& text) {
    return text.find("certificate of") != std::string::npos && text.find("is not good") != std::string::npos;
  }

  const CertAndKey ca_ = test::MakeAuthority("test authority");
  const CertAndKey other_ca_ = test::MakeAuthority("another authority");
  const CertAndKey own_ = test::MakeCertificate(ca_, "loki", "DNS:loki.test,IP:127.0.0.1");
  TempFolder folder_;
  ScriptedLoki server_;
  Client client_;
};

TEST_F(HttpTls, TheAuthorityDecides) {
  ClientOptions options;
  EXPECT_TRUE(IsBadCertificate(Try(MakeEndpoint(options))));  // not one of the system's
  options.tls.ca = ca_.certificate;
  EXPECT_EQ(Try(MakeEndpoint(options)), "204");
  options.tls.ca = other_ca_.certificate;
  EXPECT_TRUE(IsBadCertificate(Try(MakeEndpoint(options))));
  options.tls.insecure_skip_verify = true;
  EXPECT_EQ(Try(MakeEndpoint(options)), "204");
}

TEST_F(HttpTls, TheNameIsVerified) {
  ClientOptions options;
  options.tls.ca = ca_.certificate;
  EXPECT_TRUE(IsBadCertificate(Try(MakeEndpoint(options), "localhost")));
  options.tls.server_name = "loki.test";
  EXPECT_EQ(Try(MakeEndpoint(options), "localhost"), "204");
  EXPECT_EQ(server_.requests().back().server_name, "loki.test");
  EXPECT_EQ(server_.requests().back().Header("host"), "localhost:" + std::to_string(server_.port()));
  options.tls.server_name = "other.test";
  EXPECT_TRUE(IsBadCertificate(Try(MakeEndpoint(options), "localhost")));
}

TEST_F(HttpTls, AChangedAuthorityFileTakesEffect) {
  ClientOptions options;
  options.tls.ca_file = folder_.Write("ca.pem", ca_.certificate);
  const auto endpoint = MakeEndpoint(options);
  EXPECT_EQ(Try(endpoint), "204");
  // The server gets a certificate of another authority; the open connection is gone.
  server_.SetTls(Tls(test::MakeCertificate(other_ca_, "loki", "IP:127.0.0.1")));
  server_.CloseConnections();
  EXPECT_TRUE(IsBadCertificate(Try(endpoint)));
  folder_.Write("ca.pem", other_ca_.certificate);
  EXPECT_EQ(Try(endpoint), "204");
  // And an authority that is no longer trusted is not trusted on a kept connection.
  folder_.Write("ca.pem", ca_.certificate);
  EXPECT_TRUE(IsBadCertificate(Try(endpoint)));
}

TEST_F(HttpTls, ClientCertificatesAreShownAndRotated) {
  server_.SetTls(Tls(own_, ca_.certificate));
  ClientOptions options;
  options.tls.ca = ca_.certificate;
  const std::string refused = Try(MakeEndpoint(options));
  EXPECT_NE(refused, "204");
  const CertAndKey first = test::MakeCertificate(ca_, "first", "");
  const CertAndKey second = test::MakeCertificate(ca_, "second", "");
  options.tls.cert_file = folder_.Write("cert.pem", first.certificate);
  options.tls.key_file = folder_.Write("key.pem", first.key);
  const auto endpoint = MakeEndpoint(options);
  EXPECT_EQ(Try(endpoint), "204");
  EXPECT_EQ(server_.requests().back().client_name, "first");
  folder_.Write("cert.pem", second.certificate);
  folder_.Write("key.pem", second.key);
  EXPECT_EQ(Try(endpoint), "204");
  EXPECT_EQ(server_.requests().back().client_name, "second");
}

TEST_F(HttpTls, OurOwnBadFilesAreConfigurationErrors) {
  ClientOptions options;
  options.tls.ca_file = folder_.Path("absent.pem");
  Result<Response> result = Exchange(client_, Get(server_.Url("/"), MakeEndpoint(options)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kNotFound);
  options.tls.ca_file = folder_.Write("ca.pem", "no certificate");
  result = Exchange(client_, Get(server_.Url("/"), MakeEndpoint(options)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kConfig) << result.error().what;
  options.tls.ca_file = "";
  options.tls.ca = ca_.certificate;
  options.tls.cert = "no certificate";
  options.tls.key = "no key";
  result = Exchange(client_, Get(server_.Url("/"), MakeEndpoint(options)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kConfig) << result.error().what;
}

TEST_F(HttpTls, VersionsAreBounded) {
  ClientOptions options;
  options.tls.ca = ca_.certificate;
  options.tls.min_version = TlsVersion::k13;
  EXPECT_EQ(Try(MakeEndpoint(options)), "204");
  options.tls.min_version = TlsVersion::kDefault;
  options.tls.max_version = TlsVersion::k12;
  EXPECT_EQ(Try(MakeEndpoint(options)), "204");
  EXPECT_EQ(server_.connections(), 2u);  // not the connection of other versions
}

}  // namespace
}  // namespace agent::http
