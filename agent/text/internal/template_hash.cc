// SPDX-License-Identifier: Apache-2.0
// Digests for templates: Promtail's Hash and Sha2Hash, Sprig's sha*sum and adler32sum.
#include "agent/text/internal/template_hash.h"

#include <openssl/evp.h>

#include <array>

#include "agent/text/internal/template_functions.h"

namespace agent::text::tmpl {

struct Hasher::Impl {
  struct FreeContext {
    void operator()(EVP_MD_CTX* used) const { EVP_MD_CTX_free(used); }
  };
  struct FreeDigest {
    void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
  };
  std::unique_ptr<EVP_MD_CTX, FreeContext> context{EVP_MD_CTX_new()};
  std::array<std::unique_ptr<EVP_MD, FreeDigest>, 4> digests;
};

Hasher::Hasher() = default;
Hasher::~Hasher() = default;

size_t Hasher::Hex(Digest digest, std::string_view first, std::string_view second, std::span<char, kMaxHex> out) {
  constexpr std::array<const char*, 4> kNames = {"SHA1", "SHA256", "SHA512", "SHA3-256"};
  const auto index = static_cast<size_t>(digest);
  if (impl_ == nullptr) impl_ = std::make_unique<Impl>();
  auto& algorithm = impl_->digests[index];
  if (algorithm == nullptr) algorithm.reset(EVP_MD_fetch(nullptr, kNames[index], nullptr));
  EVP_MD_CTX* context = impl_->context.get();
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  const bool ok = algorithm != nullptr && EVP_DigestInit_ex(context, algorithm.get(), nullptr) == 1 &&
                  EVP_DigestUpdate(context, first.data(), first.size()) == 1 &&
                  EVP_DigestUpdate(context, second.data(), second.size()) == 1 &&
                  EVP_DigestFinal_ex(context, bytes.data(), &size) == 1;
  if (!ok) return 0;
  for (unsigned int i = 0; i < size; ++i) {
    out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
    out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
  }
  return 2 * size;
}

namespace {

Value HexDigest(Run& run, Digest digest, std::string_view first, std::string_view second) {
  std::array<char, Hasher::kMaxHex> hex{};
  const size_t size = run.scratch().hasher.Hex(digest, first, second, hex);
  if (size == 0) return run.Fail("the cryptographic library refuses this digest");
  return run.Text({hex.data(), size});
}

Value Sha3WithSalt(Run& run, Args args) { return HexDigest(run, Digest::kSha3_256, args[0].text, args[1].text); }
Value Sha2WithSalt(Run& run, Args args) { return HexDigest(run, Digest::kSha256, args[0].text, args[1].text); }
Value Sha1Sum(Run& run, Args args) { return HexDigest(run, Digest::kSha1, args[0].text, {}); }
Value Sha256Sum(Run& run, Args args) { return HexDigest(run, Digest::kSha256, args[0].text, {}); }
Value Sha512Sum(Run& run, Args args) { return HexDigest(run, Digest::kSha512, args[0].text, {}); }

Value Adler32Sum(Run& run, Args args) {
  uint32_t a = 1;
  uint32_t b = 0;
  for (const char c : args[0].text) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  return run.Text(std::to_string((b << 16) | a));
}

constexpr Function kHashFunctions[] = {
    {"Hash", "ss", Sha3WithSalt},    {"Sha2Hash", "ss", Sha2WithSalt}, {"sha1sum", "s", Sha1Sum},
    {"sha256sum", "s", Sha256Sum},   {"sha512sum", "s", Sha512Sum},    {"adler32sum", "s", Adler32Sum},
};

}  // namespace

std::span<const Function> HashFunctions() { return kHashFunctions; }

}  // namespace agent::text::tmpl
