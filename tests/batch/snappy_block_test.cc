// SPDX-License-Identifier: Apache-2.0
// Our compressor against the library's decoder: what comes back is what went in, in the
// room that was promised, and it is no larger than what the library writes.
#include "agent/batch/internal/snappy_block.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <snappy.h>

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "agent/batch/internal/encode.h"

namespace agent::batch {
namespace {

std::string Restored(const Bytes& body) {
  std::string raw;
  EXPECT_TRUE(snappy::Uncompress(body.data.get(), body.size, &raw));
  return raw;
}

Bytes Compressed(std::string_view text) {
  // Of its exact size, so that a sanitizer sees a read past the end.
  std::vector<char> exact(text.begin(), text.end());
  return Compressor().Compress({{exact.data(), exact.size()}});
}

std::string Noise(std::mt19937_64& dice, size_t size, unsigned letters) {
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(letters == 256 ? dice() : 'a' + dice() % letters);
  return text;
}

std::string LogLines(std::mt19937_64& dice, size_t size) {
  static constexpr const char* kWords[] = {"GET", "request", "connection", "closed", "user=", "failed to open", "retry", "ok"};
  std::string text;
  while (text.size() < size) {
    text += fmt::format("2026-03-01T10:{:02}:{:02}.{:06} {} [worker-{}] ", dice() % 60, dice() % 60, dice() % 1000000,
                        dice() % 9 == 0 ? "WARN " : "INFO ", dice() % 8);
    for (size_t words = 2 + dice() % 6; words > 0; --words) text.append(kWords[dice() % std::size(kWords)]).append(" ");
    text += fmt::format("id={:x} took {} ms\n", dice(), dice() % 5000);
  }
  text.resize(size);
  return text;
}

TEST(SnappyBlock, EverySizeComesBack) {
  std::mt19937_64 dice(1);
  for (const unsigned letters : {1u, 2u, 20u, 256u}) {
    const std::string noise = Noise(dice, 3 * snappy_block::kFragment, letters);
    std::vector<size_t> sizes;
    for (size_t size = 0; size < 300; ++size) sizes.push_back(size);
    for (const size_t edge : {2048ul, 32768ul, 65536ul, 98304ul, 131072ul, 196608ul}) {
      for (size_t size = edge - 2; size <= edge + 2 && size <= noise.size(); ++size) sizes.push_back(size);
    }
    for (const size_t size : sizes) {
      const std::string_view text(noise.data(), size);
      ASSERT_EQ(Restored(Compressed(text)), text) << size << " bytes of " << letters << " letters";
    }
  }
}

// One match of every length and distance where the format changes its element.
TEST(SnappyBlock, EveryCopyComesBack) {
  std::mt19937_64 dice(2);
  for (const size_t length : {4, 5, 6, 7, 8, 11, 12, 13, 59, 60, 61, 63, 64, 65, 66, 67, 68, 69, 127, 128, 129, 132, 200, 1000}) {
    for (const size_t distance : {1, 2, 5, 60, 61, 255, 256, 257, 2047, 2048, 2049, 40000, 65000}) {
      std::string text = Noise(dice, distance + 1, 256);
      for (size_t i = 0; i < length; ++i) text += text[text.size() - distance];
      text += Noise(dice, 40, 256);
      ASSERT_EQ(Restored(Compressed(text)), text) << length << " bytes from " << distance << " before";
    }
  }
}

TEST(SnappyBlock, WhatDoesNotCompressNeedsHardlyMoreRoom) {
  std::mt19937_64 dice(3);
  // Alternating literals and shortest copies, the worst that can be written, and noise.
  std::string worst = Noise(dice, 5000, 256);
  while (worst.size() < 4 * snappy_block::kFragment) {
    const size_t from = dice() % 2000;
    worst += worst.substr(from, 4 + dice() % 3);
    worst += Noise(dice, 61, 256);
  }
  for (const std::string& text : {worst, Noise(dice, 1 << 20, 256)}) {
    const Bytes body = Compressed(text);
    EXPECT_LE(body.size, text.size() + text.size() / 100);
    EXPECT_EQ(Restored(body), text);
  }
}

TEST(SnappyBlock, IsNotLargerThanTheLibrarys) {
  std::mt19937_64 dice(4);
  for (const size_t size : {2000, 20000, 100000, 1 << 20}) {
    const std::string text = LogLines(dice, size);
    std::string library;
    snappy::Compress(text.data(), text.size(), &library);
    const Bytes body = Compressed(text);
    EXPECT_LE(body.size, library.size() + library.size() / 50) << "of " << size << " bytes of lines";
    EXPECT_EQ(Restored(body), text);
  }
}

// A batch's streams: small headers, buffers of any size; where they are cut is nobody's business.
TEST(SnappyBlock, PiecesComeBackAsOne) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 dice(seed);
  Compressor compressor;
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> texts;
    std::string whole;
    for (size_t count = dice() % 30; count > 0; --count) {
      static constexpr size_t kSizes[] = {0, 1, 100, 5000, 32767, 32768, 40000, 65536, 65537, 150000};
      const size_t size = dice() % 2 == 0 ? kSizes[dice() % std::size(kSizes)] : dice() % 3000;
      texts.push_back(dice() % 4 == 0 ? Noise(dice, size, 1 + dice() % 256) : LogLines(dice, size));
      whole += texts.back();
    }
    std::vector<std::string_view> pieces(texts.begin(), texts.end());
    const Bytes body = compressor.Compress(pieces);
    ASSERT_LE(body.size, snappy_block::MostOutput(whole.size(), whole.size() / snappy_block::kFragment + 1));
    ASSERT_EQ(Restored(body), whole);
    if (dice() % 20 == 0) compressor.Release();
  }
}

}  // namespace
}  // namespace agent::batch
