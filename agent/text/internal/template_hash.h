// SPDX-License-Identifier: Apache-2.0
// Cryptographic digests by OpenSSL. Lane-local: the algorithms and one context are
// fetched at the first use and kept, so a digest allocates nothing afterwards.
#pragma once

#include <memory>
#include <span>
#include <string_view>

namespace agent::text::tmpl {

enum class Digest { kSha1, kSha256, kSha512, kSha3_256 };

class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  // Writes the digest of first+second in hexadecimal; returns its length, or 0 if the
  // library refuses the algorithm (a FIPS policy).
  static constexpr size_t kMaxHex = 128;
  size_t Hex(Digest digest, std::string_view first, std::string_view second, std::span<char, kMaxHex> out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::text::tmpl
