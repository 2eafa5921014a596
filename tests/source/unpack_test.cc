// SPDX-License-Identifier: Apache-2.0
// Packed files, read forwards: whole, whatever the disk does and however they are cut.
#include <bzlib.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <random>

#include "agent/source/internal/tail_source.h"
#include "tests/source/tailer_world.h"

namespace agent::source {
namespace {

std::string Bzip2(std::string text) {
  std::string out(text.size() + text.size() / 100 + 600, '\0');
  auto size = static_cast<unsigned>(out.size());
  EXPECT_EQ(::BZ2_bzBuffToBuffCompress(out.data(), &size, text.data(), static_cast<unsigned>(text.size()), 1, 0, 0), BZ_OK);
  out.resize(size);
  return out;
}

std::string Zlib(std::string_view text) {
  uLongf size = ::compressBound(text.size());
  std::string out(size, '\0');
  EXPECT_EQ(::compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(text.data()), text.size()), Z_OK);
  out.resize(size);
  return out;
}

class Unpack : public ::testing::Test {
 protected:
  // All of it, in reads of `step` bytes of which only a part is consumed, as a lane does.
  std::string ReadAll(size_t step, std::mt19937_64& random) {
    auto file = faulty_.Open("/a.gz", platform::OpenMode::kRead);
    while (!file) file = faulty_.Open("/a.gz", platform::OpenMode::kRead);
    auto source = MakeUnpackingSource(Packing::kGzip, std::move(*file));
    std::string out;
    std::vector<char> buffer(step);
    for (int empty = 0; empty < 8;) {
      const auto got = (*source)->ReadAt(out.size(), buffer);
      if (!got) {
        EXPECT_EQ(got.error().code, Code::kIo);
        continue;
      }
      const size_t used = *got < 2 ? *got : 1 + random() % *got;
      out.append(buffer.data(), used);
      (*source)->Consumed(out.size());
      empty = *got == 0 ? empty + 1 : 0;
    }
    return out;
  }

  testing::ManualClock clock_;
  testing::MemFs mem_{clock_};
  testing::FaultyFs faulty_{mem_};
};

TEST_F(Unpack, ADiskThatFailsNowAndThenCostsNoByte) {
  std::mt19937_64 random(20260302);
  std::string text;
  while (text.size() < 300'000) text += std::to_string(random()) + "\n";
  // Two members, as of `gzip a; gzip b; cat`.
  mem_.Append("/a.gz", Gzip(text.substr(0, 100'000)) + Gzip(text.substr(100'000)));
  for (const size_t step : {1'000U, 70'000U, 262'144U}) {
    SCOPED_TRACE(step);
    faulty_.FailSometimes(testing::FsCall::kRead, EIO, 2);
    faulty_.set_short_reads(2);
    EXPECT_EQ(ReadAll(step, random), text);
  }
}

TEST_F(Unpack, AFileThatIsStillBeingPackedGoesOn) {
  const std::string text(100'000, 'x');
  const std::string packed = Gzip(text + "end");
  mem_.Append("/a.gz", packed.substr(0, packed.size() / 2));
  std::shared_ptr<platform::File> file = std::move(*mem_.Open("/a.gz", platform::OpenMode::kRead));
  auto source = MakeUnpackingSource(Packing::kGzip, file);
  std::vector<char> buffer(200'000);
  const auto first = (*source)->ReadAt(0, buffer);
  ASSERT_TRUE(first.has_value());
  EXPECT_LT(*first, text.size());
  mem_.Append("/a.gz", packed.substr(packed.size() / 2));
  const auto all = (*source)->ReadAt(0, buffer);
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(std::string_view(buffer.data(), *all), text + "end");
}

TEST_F(Unpack, DamageIsAnErrorBehindTheGoodBytes) {
  const std::string good = Gzip(std::string(1000, 'a'));
  mem_.Append("/a.gz", good + good.substr(0, 10) + std::string(100, '\xFF'));
  std::shared_ptr<platform::File> file = std::move(*mem_.Open("/a.gz", platform::OpenMode::kRead));
  auto source = MakeUnpackingSource(Packing::kGzip, file);
  std::vector<char> buffer(100'000);
  const auto first = (*source)->ReadAt(0, buffer);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(std::string_view(buffer.data(), *first), std::string(1000, 'a'));
  const auto second = (*source)->ReadAt(*first, buffer);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Code::kCorrupt);
}

// `decompression: {format: bz2}` was taken by the configuration, and then no byte of it read.
TEST_F(Unpack, EveryPackingIsRead) {
  std::mt19937_64 random(7);
  std::string text;
  while (text.size() < 2'000'000) text += std::to_string(random()) + "\n";
  const auto cut = [&](size_t from, size_t length) { return text.substr(from, length); };
  mem_.Append("/a.bz2", Bzip2(cut(0, 1'500'000)) + Bzip2(cut(1'500'000, std::string::npos)) + std::string("\0\0", 2));
  mem_.Append("/a.z", Zlib(text) + "padding");
  for (const auto& [packing, name] : {std::pair{Packing::kBzip2, "/a.bz2"}, {Packing::kZlib, "/a.z"}}) {
    SCOPED_TRACE(name);
    auto source = MakeUnpackingSource(packing, std::move(*mem_.Open(name, platform::OpenMode::kRead)));
    std::string out;
    std::vector<char> buffer(100'000);
    for (size_t got = 1; got > 0;) {
      got = (*source)->ReadAt(out.size(), buffer).value_or(0);
      out.append(buffer.data(), got);
      (*source)->Consumed(out.size());
    }
    ASSERT_TRUE(out == text) << out.size() << " of " << text.size() << " bytes";
    const auto again = (*source)->ReadAt(5, std::span(buffer).first(10));  // after what was unpacked: from the beginning
    EXPECT_EQ(std::string_view(buffer.data(), again.value_or(0)), text.substr(5, 10));
  }
}

TEST_F(Unpack, DamagedBzip2IsAnErrorBehindTheGoodBytes) {
  const std::string good = Bzip2(std::string(1000, 'a'));
  mem_.Append("/a.bz2", good + "BZh9nonsense that is no block");
  auto source = MakeUnpackingSource(Packing::kBzip2, std::move(*mem_.Open("/a.bz2", platform::OpenMode::kRead)));
  std::vector<char> buffer(100'000);
  const auto first = (*source)->ReadAt(0, buffer);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(std::string_view(buffer.data(), *first), std::string(1000, 'a'));
  for (int again = 0; again < 2; ++again) {
    const auto second = (*source)->ReadAt(*first, buffer);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, Code::kCorrupt);
  }
}

}  // namespace
}  // namespace agent::source
