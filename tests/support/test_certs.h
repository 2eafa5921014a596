// SPDX-License-Identifier: Apache-2.0
// Certificates made on the spot, for TLS tests. PEM texts.
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

}  // namespace agent::test
