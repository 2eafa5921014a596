// SPDX-License-Identifier: Apache-2.0
#include "agent/platform/memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <string>

namespace agent::platform {
namespace {

long MappedFromFilesKib() {
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    long value = 0;
    if (key == "RssFile:" && status >> value) return value;
  }
  return -1;
}

// Story: an agent beside 500 silent pods held 22 MiB; 13 of them were code that only
// start-up had run, most of it in libraries of libcurl's.
TEST(ReturnFreeMemory, GivesBackCodeThatIsNotRunning) {
  const std::regex warm("(a|b)*c");  // pages of the standard library
  ASSERT_TRUE(std::regex_match("ababc", warm));
  const long before = MappedFromFilesKib();
  ReturnFreeMemory();
  const long after = MappedFromFilesKib();
  ASSERT_GT(before, 0);
  EXPECT_LT(after, before);
  EXPECT_TRUE(std::regex_match("bbac", warm));  // and it runs when it is wanted
}

}  // namespace
}  // namespace agent::platform
