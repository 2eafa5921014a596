// SPDX-License-Identifier: Apache-2.0
// Character sets by name, and what becomes of bytes that mean nothing in them. That
// the tables are Promtail's is for tests/differential/cases/encodings.yaml.
#include "agent/text/charset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace agent::text {
namespace {

std::string Decode(std::string_view name, std::string_view bytes) {
  auto charset = Charset::Find(name);
  if (!charset) return charset.error().what;
  CharsetDecoder decoder(*charset);
  Arena arena;
  return std::string(decoder.Decode(bytes, true, arena));
}

TEST(Charset, Table) {
  const struct {
    const char* charset;
    std::string_view bytes;
    const char* expected;
  } cases[] = {
      {"ISO-8859-1", "\xe9\x80", "é\u0080"},
      {" latin1 ", "plain", "plain"},
      {"windows-1252", "\x80\x81", "€\ufffd"},
      {"windows-1253", "\xd2", "\ufffd"},
      {"koi8-r", "\xf0\xf2", "ПР"},
      {"ibm037", "\xc1\x82", "Ab"},
      {"us-ascii", "a\xe9z", "a\ufffdz"},
      {"utf-8", "é\xff\xc3", "é\ufffd\ufffd"},
      {"utf-16le", std::string_view("a\0\x3d\xd8\0", 5), "a\ufffd\ufffd"},
      {"utf-16be", std::string_view("\xd8\x3d\xde\0\0b", 6), "😀b"},
      {"hz-gb-2312", "a~{VPND~}b~~c~", "a中文b~c\ufffd"},
      {"shift_jis", "\x93\xfa\x96{ \x80\xff", "日本 \u0080\ufffd"},
      {"iso-2022-jp", "\x1b$BF|K\\\x1b(B.", "日本."},
      {"gbk", "\xd6\xd0\x80", "中€"},
      {"euc-jp", "\xc6\xfc\x85", "日\ufffd"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.charset) + " " + std::string(c.bytes));
    EXPECT_EQ(Decode(c.charset, c.bytes), c.expected);
  }
}

TEST(Charset, AsciiIsNotCopied) {
  CharsetDecoder decoder(Charset::Find("windows-1252").value());
  Arena arena;
  const std::string line = "plain";
  EXPECT_EQ(decoder.Decode(line, true, arena).data(), line.data());
}

TEST(Charset, AnUnknownNameIsRefused) {
  EXPECT_THAT(Decode("utf-9", ""), ::testing::HasSubstr("\"utf-9\" is no character set"));
}

// Where reading begins in the middle of a file, the first line break tells.
TEST(Charset, ByteOrderWithoutAMark) {
  CharsetDecoder decoder(Charset::Find("utf-16").value());
  decoder.BeginFile(std::string_view("a\0\n\0b\0", 6), false);
  EXPECT_EQ(decoder.FindLineEnd(std::string_view("a\0\n\0", 4)), 2u);
  decoder.BeginFile(std::string_view("\0a\0\n\0b", 6), false);
  EXPECT_EQ(decoder.FindLineEnd(std::string_view("\0a\0\n", 4)), 2u);
  EXPECT_EQ(decoder.FindLineEnd(std::string_view("\n\0\0a", 4)), std::string_view::npos);
}

}  // namespace
}  // namespace agent::text
