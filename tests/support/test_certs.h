// SPDX-License-Identifier: Apache-2.0
// Certificates and keys made on the spot, for tests. PEM texts.
#pragma once

#include <string>

namespace agent::test {

struct CertAndKey {
  std::string certificate;
  std::string key;
};

CertAndKey MakeAuthority(const std::string& name);
// `names` as OpenSSL writes alternative names: "DNS:loki.test,IP:127.0.0.1".
CertAndKey MakeCertificate(const CertAndKey& authority, const std::string& common_name, const std::string& names);

struct RsaKey {
  std::string private_key;
  std::string public_key;
};

RsaKey MakeRsaKey();
// Is `signature` (base64url) that of the text under RS256, RS384 or RS512?
bool VerifyRsa(const RsaKey& key, const std::string& algorithm, const std::string& text, const std::string& signature);

}  // namespace agent::test
