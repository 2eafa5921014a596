// SPDX-License-Identifier: Apache-2.0
#include "agent/text/logfmt.h"

#include <gtest/gtest.h>

#include <string>

namespace agent::text {
namespace {

// `key=value` by `;`, and a `!` where the scan failed.
std::string Scan(std::string_view text) {
  Arena arena;
  LogfmtScanner scanner(text, arena);
  std::string out;
  std::string_view key;
  std::string_view value;
  while (scanner.Next(key, value)) {
    out.append(key).append("=").append(value).append(";");
  }
  return scanner.failed() ? out + "!" : out;
}

TEST(LogfmtScanner, ReadsPairs) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"   \t", ""},
      {"a", "a=;"},
      {"a=", "a=;"},
      {"a=1 b c=\"x y\"", "a=1;b=;c=x y;"},
      {"a=1\tb=2\x01"
       "c=3",
       "a=1;b=2;c=3;"},
      {"a= b=1", "a=;b=1;"},
      {"a=\"\"b=2", "a=;b=2;"},
      {"a=1\r\nb=2\n\nc=3\n", "a=1;b=2;c=3;"},
      {"a=x\\y", "a=x\\y;"},
      {"a=\"tab\there\"", "a=tab\there;"},
      {"a=\"q\\\"\\\\\\/\\b\\f\\n\\r\\t\\'\"", "a=q\"\\/\b\f\n\r\t';"},
      {"a=\"\\u00e9\\ud83d\\ude00\"", "a=\xc3\xa9\xf0\x9f\x98\x80;"},
      {"a=\"\\ud83dx\\ude00\"", "a=\xef\xbf\xbdx\xef\xbf\xbd;"},
      {"a=\"\\n\xff\"", "a=\n\xef\xbf\xbd;"},
      {"a=\"\xff\"", "a=\xff;"},
      {"\xc3\xa9=1", "\xc3\xa9=1;"},
      {"a=\xff", "a=\xff;"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Scan(text), expected) << text;
}

TEST(LogfmtScanner, StopsAtWhatIsNoLogfmt) {
  const std::pair<const char*, const char*> cases[] = {
      {"=1", "!"},        {"a=1 =2", "a=1;!"},     {"a==1", "!"},
      {"a=b=c", "!"},     {"\"a\"=1", "!"},        {"a\"b", "!"},
      {"a=b\"c", "!"},    {"a=1 b=\"x", "a=1;!"},  {"a=\"x\\\"", "!"},
      {"a=\"\\q\"", "!"}, {"a=\"\\u12\"", "!"},    {"a=\"\\n\tx\"", "!"},
      {"\xff=1", "!"},    {"\xef\xbf\xbd=1", "!"}, {"a=1\n=2\nb=3", "a=1;!"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Scan(text), expected) << text;
}

TEST(LogfmtScanner, LimitsPhysicalLines) {
  const std::string longest(LogfmtScanner::kMaxLine - 1, 'x');
  EXPECT_EQ(Scan(longest), longest + "=;");
  EXPECT_EQ(Scan(longest + "\na=1"), longest + "=;a=1;");
  EXPECT_EQ(Scan(longest + "x"), "!");
  EXPECT_EQ(Scan("a=1\n" + longest + "x\nb=2"), "a=1;!");
}

}  // namespace
}  // namespace agent::text
