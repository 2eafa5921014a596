// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_certs.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <atomic>
#include <memory>

#include "agent/core/check.h"

namespace agent::test {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Cert = std::unique_ptr<X509, decltype(&X509_free)>;
using Memory = std::unique_ptr<BIO, decltype(&BIO_free)>;

Memory NewMemory(const std::string& text = {}) {
  return Memory(text.empty() ? BIO_new(BIO_s_mem()) : BIO_new_mem_buf(text.data(), static_cast<int>(text.size())),
                &BIO_free);
}

std::string TextOf(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return std::string(data, static_cast<size_t>(size));
}

void Extend(X509* cert, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  CHECK(extension != nullptr, "a certificate extension is not understood");
  X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
}

CertAndKey Make(const std::string& common_name, const std::string& names, const CertAndKey* authority) {
  static std::atomic<long> serial{1};
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const Cert cert(X509_new(), &X509_free);
  CHECK(key != nullptr && cert != nullptr, "OpenSSL makes no key");
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), serial.fetch_add(1));
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600L * 24);
  X509_set_pubkey(cert.get(), key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  Cert issuer(nullptr, &X509_free);
  Key issuer_key(nullptr, &EVP_PKEY_free);
  if (authority != nullptr) {
    issuer.reset(PEM_read_bio_X509(NewMemory(authority->certificate).get(), nullptr, nullptr, nullptr));
    issuer_key.reset(PEM_read_bio_PrivateKey(NewMemory(authority->key).get(), nullptr, nullptr, nullptr));
    CHECK(issuer != nullptr && issuer_key != nullptr, "the authority is no PEM text");
  }
  X509* const signer = issuer != nullptr ? issuer.get() : cert.get();
  X509_set_issuer_name(cert.get(), X509_get_subject_name(signer));
  Extend(cert.get(), signer, NID_basic_constraints, authority == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (!names.empty()) Extend(cert.get(), signer, NID_subject_alt_name, names.c_str());
  X509_sign(cert.get(), issuer_key != nullptr ? issuer_key.get() : key.get(), EVP_sha256());
  const Memory cert_text = NewMemory();
  const Memory key_text = NewMemory();
  PEM_write_bio_X509(cert_text.get(), cert.get());
  PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {TextOf(cert_text.get()), TextOf(key_text.get())};
}

}  // namespace

CertAndKey MakeAuthority(const std::string& name) { return Make(name, "", nullptr); }

CertAndKey MakeCertificate(const CertAndKey& authority, const std::string& common_name, const std::string& names) {
  return Make(common_name, names, &authority);
}

RsaKey MakeRsaKey() {
  const Key key(EVP_RSA_gen(2048), &EVP_PKEY_free);
  const Memory own = NewMemory();
  const Memory other = NewMemory();
  PEM_write_bio_PrivateKey(own.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  PEM_write_bio_PUBKEY(other.get(), key.get());
  return {TextOf(own.get()), TextOf(other.get())};
}

bool VerifyRsa(const RsaKey& key, const std::string& algorithm, const std::string& text, const std::string& signature) {
  std::string padded = signature;
  for (char& c : padded) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (padded.size() % 4 != 0) padded += '=';
  std::string bytes(padded.size(), '\0');
  auto* to = reinterpret_cast<unsigned char*>(bytes.data());
  const int size = EVP_DecodeBlock(to, reinterpret_cast<const unsigned char*>(padded.data()), static_cast<int>(padded.size()));
  const Key public_key(PEM_read_bio_PUBKEY(NewMemory(key.public_key).get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  const EVP_MD* digest = algorithm == "RS512" ? EVP_sha512() : algorithm == "RS384" ? EVP_sha384() : EVP_sha256();
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const long padding = std::count(padded.begin(), padded.end(), '=');
  const bool good = size > 0 && EVP_DigestVerifyInit(context, nullptr, digest, nullptr, public_key.get()) == 1 &&
                    EVP_DigestVerify(context, to, static_cast<size_t>(size - padding),
                                     reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
  EVP_MD_CTX_free(context);
  ERR_clear_error();
  return good;
}

}  // namespace agent::test
