// SPDX-License-Identifier: Apache-2.0
// Who we say we are: basic auth, bearer tokens, OAuth2, extra headers, from values and
// from files that change.
#include <gtest/gtest.h>

#include <string>

#include "agent/http/client.h"
#include "agent/http/internal/jwt.h"
#include "agent/http/internal/token.h"
#include "tests/http/http_harness.h"
#include "tests/support/scripted_loki.h"
#include "tests/support/test_certs.h"

namespace agent::http {
namespace {

using test::ReceivedRequest;
using test::ScriptedAnswer;
using test::ScriptedLoki;

class HttpAuth : public ::testing::Test {
 protected:
  std::string AuthorizationOf(const ClientOptions& options) { return AuthorizationOf(MakeEndpoint(options)); }
  std::string AuthorizationOf(std::shared_ptr<Endpoint> endpoint) {
    const Result<Response> result = Exchange(client_, Get(server_.Url("/"), std::move(endpoint)));
    return result ? server_.requests().back().Header("authorization") : result.error().what;
  }
  TempFolder folder_;
  ScriptedLoki server_;
  Client client_;
};

TEST_F(HttpAuth, Basic) {
  ClientOptions options;
  options.basic_auth.username = "user";
  options.basic_auth.password = "pass:word";
  EXPECT_EQ(AuthorizationOf(options), "Basic dXNlcjpwYXNzOndvcmQ=");
}

TEST_F(HttpAuth, BasicFromTheUrl) {
  ASSERT_TRUE(Exchange(client_, Get(server_.Url("/", "user:pa%40ss@127.0.0.1"))));
  EXPECT_EQ(server_.requests().back().Header("authorization"), "Basic dXNlcjpwYUBzcw==");
}

TEST_F(HttpAuth, BasicFilesAreReadForEveryRequest) {
  ClientOptions options;
  options.basic_auth.username_file = folder_.Write("user", "one\n");
  options.basic_auth.password_file = folder_.Write("password", "  first \n");
  const auto endpoint = MakeEndpoint(options);
  EXPECT_EQ(AuthorizationOf(endpoint), "Basic b25lOmZpcnN0");
  folder_.Write("password", "second");
  EXPECT_EQ(AuthorizationOf(endpoint), "Basic b25lOnNlY29uZA==");
}

TEST_F(HttpAuth, BearerAndOtherTypes) {
  ClientOptions options;
  options.authorization.credentials = "token";
  EXPECT_EQ(AuthorizationOf(options), "Bearer token");
  options.authorization.type = "Token";
  options.authorization.credentials = "";
  options.authorization.credentials_file = folder_.Write("token", "abc\n");
  const auto endpoint = MakeEndpoint(options);
  EXPECT_EQ(AuthorizationOf(endpoint), "Token abc");
  folder_.Write("token", "xyz\n");
  EXPECT_EQ(AuthorizationOf(endpoint), "Token xyz");
}

TEST_F(HttpAuth, AMissingFileIsAnErrorThatNamesIt) {
  ClientOptions options;
  options.authorization.credentials_file = folder_.Path("absent");
  const Result<Response> result = Exchange(client_, Get(server_.Url("/"), MakeEndpoint(options)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kNotFound);
  EXPECT_NE(result.error().what.find(folder_.Path("absent")), std::string::npos);
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(HttpAuth, ExtraHeaders) {
  ClientOptions options;
  options.headers = {{"X-Plain", {"a", "b"}, {}, {}},
                     {"X-Secret", {}, {"s"}, {}},
                     {"X-File", {}, {}, {folder_.Write("header", "from file\n")}},
                     {"X-Both", {"endpoint"}, {}, {}}};
  Request request = Get(server_.Url("/"), MakeEndpoint(options));
  request.headers = {{"x-both", "request"}};
  ASSERT_TRUE(Exchange(client_, std::move(request)));
  const ReceivedRequest seen = server_.requests().back();
  EXPECT_EQ(seen.Header("x-plain"), "a, b");
  EXPECT_EQ(seen.Header("x-secret"), "s");
  EXPECT_EQ(seen.Header("x-file"), "from file");
  EXPECT_EQ(seen.Header("x-both"), "request");
}

class HttpOAuth2 : public HttpAuth {
 protected:
  HttpOAuth2() {
    options_.oauth2.client_id = "me@home";
    options_.oauth2.client_secret = "s/cret";
    options_.oauth2.token_url = server_.Url("/token");
    options_.oauth2.scopes = {"write", "read"};
    options_.oauth2.endpoint_params = {{"audience", "loki & co"}};
    server_.SetHandler([this](const ReceivedRequest& request) { return Handle(request); });
  }
  ScriptedAnswer Handle(const ReceivedRequest& request) {
    ScriptedAnswer answer;
    if (request.target != "/token") {
      answer.status = request.Header("authorization") == "Bearer " + refused_ ? 401 : 204;
      return answer;
    }
    answer.status = token_status_;
    answer.body = token_status_ != 200 ? "nope" : token_body_.empty() ? TokenBody() : token_body_;
    if (only_form_ && request.body.find("client_secret=s%2Fcret") == std::string::npos) answer.status = 401;
    return answer;
  }
  std::string TokenBody() {
    return "{\"access_token\": \"T" + std::to_string(++tokens_) + "\", \"token_type\":\"bearer\", \"expires_in\": 3600}";
  }
  std::vector<ReceivedRequest> TokenRequests() {
    std::vector<ReceivedRequest> out;
    for (const ReceivedRequest& request : server_.requests()) {
      if (request.target == "/token") out.push_back(request);
    }
    return out;
  }

  ClientOptions options_;
  int tokens_ = 0;
  int token_status_ = 200;
  bool only_form_ = false;
  std::string token_body_, refused_ = "none";
};

TEST_F(HttpOAuth2, FetchesATokenOnceAndUsesIt) {
  const auto endpoint = MakeEndpoint(options_);
  EXPECT_EQ(AuthorizationOf(endpoint), "Bearer T1");
  EXPECT_EQ(AuthorizationOf(endpoint), "Bearer T1");
  const auto asked = TokenRequests();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].method, "POST");
  EXPECT_EQ(asked[0].body, "grant_type=client_credentials&scope=write+read&audience=loki+%26+co");
  EXPECT_EQ(asked[0].Header("authorization"), "Basic bWUlNDBob21lOnMlMkZjcmV0");  // both form-encoded
  EXPECT_EQ(asked[0].Header("content-type"), "application/x-www-form-urlencoded");
}

TEST_F(HttpOAuth2, RequestsThatWaitForATokenShareIt) {
  const auto endpoint = MakeEndpoint(options_);
  int answers = 0;
  for (int i = 0; i < 5; ++i) {
    client_.Submit(Get(server_.Url("/"), endpoint), [&](Result<Response> result) { answers += result.has_value(); });
  }
  while (client_.pending() > 0) client_.Poll(std::chrono::seconds(1));
  EXPECT_EQ(answers, 5);
  EXPECT_EQ(TokenRequests().size(), 1u);
}

TEST_F(HttpOAuth2, PutsTheSecretIntoTheFormWhereTheServerWantsIt) {
  only_form_ = true;
  EXPECT_EQ(AuthorizationOf(options_), "Bearer T2");  // T1 was made for the refused request
  EXPECT_NE(TokenRequests().back().body.find("&client_id=me%40home&client_secret=s%2Fcret"), std::string::npos);
}

TEST_F(HttpOAuth2, A401FetchesAnotherToken) {
  const auto endpoint = MakeEndpoint(options_);
  EXPECT_EQ(AuthorizationOf(endpoint), "Bearer T1");
  refused_ = "T1";
  EXPECT_EQ(Exchange(client_, Get(server_.Url("/"), endpoint))->status, 401);
  EXPECT_EQ(AuthorizationOf(endpoint), "Bearer T2");
}

TEST_F(HttpOAuth2, NoTokenIsAnError) {
  token_status_ = 500;
  const auto endpoint = MakeEndpoint(options_);
  EXPECT_NE(AuthorizationOf(endpoint).find("no OAuth2 token"), std::string::npos);
  token_status_ = 200;
  token_body_ = "<html>";
  EXPECT_NE(AuthorizationOf(endpoint).find("no access_token"), std::string::npos);
  token_body_ = "";
  EXPECT_EQ(AuthorizationOf(endpoint), "Bearer T1");
}

TEST_F(HttpOAuth2, ASignedAssertionIsTheOtherGrant) {
  options_.oauth2.jwt_bearer = true;
  options_.oauth2.certificate_key_file = folder_.Write("key.pem", test::MakeRsaKey().private_key);
  EXPECT_EQ(AuthorizationOf(options_), "Bearer T1");
  const ReceivedRequest asked = TokenRequests().at(0);
  EXPECT_TRUE(asked.body.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey"))
      << asked.body;
  EXPECT_TRUE(asked.body.ends_with("&scope=write+read&audience=loki+%26+co")) << asked.body;
  EXPECT_EQ(asked.Header("authorization"), "");
  folder_.Write("key.pem", "no key");
  EXPECT_NE(AuthorizationOf(options_).find("no RSA private key"), std::string::npos);
}

TEST(HttpJwt, IsSignedAndSaysWhatItShould) {
  const test::RsaKey key = test::MakeRsaKey();
  OAuth2 options;
  options.client_id = "me \"quoted\"";
  options.token_url = "https://token/";
  options.scopes = {"a", "b"};
  for (const char* algorithm : {"", "RS256", "RS384", "RS512"}) {
    options.signature_algorithm = algorithm;
    const Result<std::string> jwt = MakeJwt(options, key.private_key, 1'700'000'000, "id-1");
    ASSERT_TRUE(jwt) << jwt.error().what;
    const size_t first = jwt->find('.');
    const size_t second = jwt->find('.', first + 1);
    ASSERT_NE(second, std::string::npos);
    const std::string wanted = algorithm[0] == '\0' ? "RS256" : algorithm;
    EXPECT_EQ(jwt->substr(0, first), Base64Url(R"({"alg":")" + wanted + R"(","typ":"JWT"})"));
    EXPECT_EQ(jwt->substr(first + 1, second - first - 1),
              Base64Url(R"({"aud":"https://token/","exp":1700000600,"iat":1700000000,"iss":"me \"quoted\"",)"
                        R"("jti":"id-1","scope":"a b","sub":"me \"quoted\""})"));
    EXPECT_TRUE(test::VerifyRsa(key, wanted, jwt->substr(0, second), jwt->substr(second + 1)));
    EXPECT_FALSE(test::VerifyRsa(test::MakeRsaKey(), wanted, jwt->substr(0, second), jwt->substr(second + 1)));
  }
}

TEST(HttpJwt, GivenClaimsAndNamesWin) {
  OAuth2 options;
  options.client_id = "me";
  options.iss = "issuer";
  options.audience = "audience";
  options.certificate_key_id = "k1";
  options.claims = {{"sub", "\"other\""}, {"n", "[1,2]"}};
  const Result<std::string> jwt = MakeJwt(options, test::MakeRsaKey().private_key, 0, "x");
  ASSERT_TRUE(jwt);
  const size_t first = jwt->find('.');
  EXPECT_EQ(jwt->substr(0, first), Base64Url(R"({"alg":"RS256","kid":"k1","typ":"JWT"})"));
  EXPECT_EQ(jwt->substr(first + 1, jwt->rfind('.') - first - 1),
            Base64Url(R"({"aud":"audience","exp":600,"iat":0,"iss":"issuer","jti":"x","n":[1,2],"sub":"other"})"));
}

TEST(HttpJwt, Base64Url) {
  EXPECT_EQ(Base64Url(""), "");
  EXPECT_EQ(Base64Url("f"), "Zg");
  EXPECT_EQ(Base64Url("fo"), "Zm8");
  EXPECT_EQ(Base64Url("foo"), "Zm9v");
  EXPECT_EQ(Base64Url("\xff\xef\xbe"), "_---");
}

TEST(HttpToken, Parse) {
  struct Row {
    const char* body;
    const char* type;
    const char* value;
    int seconds;
  };
  const Row rows[] = {
      {R"({"access_token":"a","expires_in":60})", "Bearer", "a", 60},
      {R"({"nested":{"access_token":"wrong","x":[1,"}"]},"access_token":"right","expires_in":"90"})", "Bearer",
       "right", 90},
      {R"(  { "token_type" : "BEARER" , "access_token" : "a\"b\/c\u0041" } )", "Bearer", "a\"b/cA", 0},
      {R"({"access_token":"a","token_type":"mac","expires_in":-5})", "mac", "a", 0},
      {R"({"expires_in":1e999,"access_token":"a"})", "Bearer", "a", 1},
  };
  for (const Row& row : rows) {
    const Result<Token> token = ParseToken(row.body);
    ASSERT_TRUE(token) << row.body;
    EXPECT_EQ(token->type, row.type) << row.body;
    EXPECT_EQ(token->value, row.value) << row.body;
    EXPECT_EQ(token->lifetime, std::chrono::seconds(row.seconds)) << row.body;
  }
  for (const char* bad : {"", "{}", "[]", "null", R"({"access_token":"a\nb"})", R"({"access_token":)", R"({"access_token":"a)",
                          R"({"access_token":"\u00e9"})", R"({"access_token")"}) {
    EXPECT_FALSE(ParseToken(bad)) << bad;
  }
}

}  // namespace
}  // namespace agent::http
