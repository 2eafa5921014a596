// SPDX-License-Identifier: Apache-2.0
#include "agent/batch/internal/buffers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

namespace agent::batch {
namespace {

void Write(BufferPool& pool, Buffer& buffer, std::string_view text) {
  pool.Reserve(buffer, text.size(), 0);
  std::copy(text.begin(), text.end(), buffer.end());
  buffer.Wrote(text.size());
}

TEST(BufferPool, MemoryIsKeptUpToItsBoundAndGivenBackAtRest) {
  BufferPool pool(1500);
  Buffer first, second, third;
  for (Buffer* buffer : {&first, &second, &third}) Write(pool, *buffer, "a line");
  EXPECT_EQ(pool.kept(), 0U);
  pool.Recycle(first);
  const size_t one = pool.kept();
  EXPECT_GT(one, 0U);
  pool.Recycle(second);
  pool.Recycle(third);
  EXPECT_EQ(pool.kept(), 2 * one);  // a third one would pass the bound

  Write(pool, first, "another line");
  EXPECT_EQ(pool.kept(), one);
  pool.Release();
  EXPECT_EQ(pool.kept(), 0U);
  EXPECT_EQ(std::string_view(first.data(), first.size()), "another line");  // what is in use stays
}

}  // namespace
}  // namespace agent::batch
