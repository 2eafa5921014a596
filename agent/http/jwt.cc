// SPDX-License-Identifier: Apache-2.0
#include "agent/http/internal/jwt.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <map>
#include <memory>

namespace agent::http {
namespace {

constexpr int64_t kLifetime = 600;  // of an assertion, in seconds: Prometheus' own

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Key ReadKey(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                         &BIO_free);
  // A key with a pass phrase is not read: the empty callback keeps OpenSSL from asking.
  const auto no_phrase = [](char*, int, int, void*) { return 0; };
  Key key(PEM_read_bio_PrivateKey(memory.get(), nullptr, no_phrase, nullptr), &EVP_PKEY_free);
  ERR_clear_error();
  return key;
}

const EVP_MD* DigestOf(const std::string& algorithm) {
  if (algorithm == "RS384") return EVP_sha384();
  if (algorithm == "RS512") return EVP_sha512();
  return EVP_sha256();
}

Result<std::string> Sign(EVP_PKEY* key, const EVP_MD* digest, std::string_view text) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  size_t size = 0;
  std::string signature;
  bool good = EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
              EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) == 1;
  if (good) {
    signature.resize(size);
    good = EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes,
                          text.size()) == 1;
    signature.resize(size);
  }
  ERR_clear_error();
  if (!good) return Fail(Code::kConfig, "oauth2: the client_certificate_key does not sign");
  return signature;
}

std::string Object(const std::map<std::string, std::string>& members) {
  std::string out = "{";
  for (const auto& [name, value] : members) {
    if (out.size() > 1) out += ",";
    out += JsonQuote(name) + ":" + value;
  }
  return out + "}";
}

}  // namespace

std::string Base64Url(std::string_view bytes) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j < count + 1; ++j) out += kAlphabet[group >> (18 - 6 * j) & 63];
  }
  return out;
}

std::string JsonQuote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += std::string("\\u00") + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

Result<std::string> MakeJwt(const OAuth2& options, std::string_view private_key, int64_t now_seconds,
                            std::string_view id) {
  const Key key = ReadKey(private_key);
  if (key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return Fail(Code::kConfig, "oauth2: the client_certificate_key is no RSA private key in PEM (without a pass phrase)");
  }
  const std::string algorithm = options.signature_algorithm.empty() ? "RS256" : options.signature_algorithm;
  std::map<std::string, std::string> header = {{"alg", JsonQuote(algorithm)}, {"typ", "\"JWT\""}};
  if (!options.certificate_key_id.empty()) header["kid"] = JsonQuote(options.certificate_key_id);
  std::map<std::string, std::string> claims = {
      {"iss", JsonQuote(options.iss.empty() ? options.client_id : options.iss)},
      {"sub", JsonQuote(options.client_id)},
      {"jti", JsonQuote(id)},
      {"aud", JsonQuote(options.audience.empty() ? options.token_url : options.audience)},
      {"iat", std::to_string(now_seconds)},
      {"exp", std::to_string(now_seconds + kLifetime)},
  };
  std::string scopes;
  for (const std::string& scope : options.scopes) scopes.append(scopes.empty() ? "" : " ").append(scope);
  if (!scopes.empty()) claims["scope"] = JsonQuote(scopes);
  for (const auto& [name, json] : options.claims) claims[name] = json;
  const std::string text = Base64Url(Object(header)) + "." + Base64Url(Object(claims));
  Result<std::string> signature = Sign(key.get(), DigestOf(algorithm), text);
  if (!signature) return Forward(signature);
  return text + "." + Base64Url(*signature);
}

}  // namespace agent::http
