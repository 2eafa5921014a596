// SPDX-License-Identifier: Apache-2.0
// The compressor: whatever goes in, in whatever pieces, comes back from the library's decoder.
#include <snappy.h>

#include <string>
#include <string_view>
#include <vector>

#include "agent/batch/internal/encode.h"
#include "agent/core/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace agent;
  // The first byte says how often the rest is repeated, the second how large the pieces are:
  // fragments are larger than what a fuzzer likes to write.
  if (size < 2) return 0;
  const size_t times = 1 + data[0] % 64;
  const size_t step = 1 + size_t{data[1]} * data[1];
  std::string whole;
  for (size_t i = 0; i < times; ++i) whole.append(reinterpret_cast<const char*>(data + 2), size - 2);
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at < whole.size(); at += step) pieces.push_back(std::string_view(whole).substr(at, step));
  const Bytes body = batch::Compressor().Compress(pieces);
  std::string back;
  CHECK(snappy::Uncompress(body.data.get(), body.size, &back), "the library reads it");
  CHECK(back == whole, "what comes back is what went in");
  return 0;
}
