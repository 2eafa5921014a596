// SPDX-License-Identifier: Apache-2.0
#include "agent/text/utf8.h"

#include <gtest/gtest.h>

namespace agent::text {
namespace {

TEST(Utf8, TellsValidFromInvalid) {
  for (const char* good : {"", "ascii", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf",
                           "\xef\xbf\xbd", "a longer text that needs more than one word \xc3\xa9"}) {
    EXPECT_TRUE(IsValidUtf8(good)) << good;
  }
  for (const char* bad : {"\xff", "\x80", "\xc3", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xf8\x88\x80\x80\x80", "a longer text that needs more than one word \xc3"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << bad;
  }
  EXPECT_TRUE(IsAscii("plain \x7f text of some length"));
  EXPECT_FALSE(IsAscii("0123456789\x80"));
  EXPECT_FALSE(IsAscii("\x80 at the beginning of a text"));
}

TEST(Utf8, DecodesOneCharacter) {
  EXPECT_EQ(DecodeRune("a").code, 'a');
  EXPECT_EQ(DecodeRune("\xc3\xa9x").code, 0xE9u);
  EXPECT_EQ(DecodeRune("\xe2\x82\xac").size, 3u);
  EXPECT_EQ(DecodeRune("\xf0\x9f\x98\x80").code, 0x1F600u);
  for (const char* bad : {"\xff", "\xc3", "\xc3x", "\xed\xa0\x80", "\xe0\x80\x80"}) {
    const Rune rune = DecodeRune(bad);
    EXPECT_FALSE(rune.valid);
    EXPECT_EQ(rune.size, 1u);
    EXPECT_EQ(rune.code, 0xFFFDu);
  }
  EXPECT_EQ(CountRunes("a\xc3\xa9\xff\xff"), 4u);
}

TEST(Utf8, EncodesWhatItDecodes) {
  for (const uint32_t code : {0x41u, 0x7Fu, 0x80u, 0x7FFu, 0x800u, 0xFFFDu, 0xFFFFu, 0x10000u, 0x10FFFFu}) {
    std::string text;
    AppendRune(text, code);
    const Rune rune = DecodeRune(text);
    EXPECT_TRUE(rune.valid);
    EXPECT_EQ(rune.code, code);
    EXPECT_EQ(rune.size, text.size());
  }
  for (const uint32_t bad : {0xD800u, 0xDFFFu, 0x110000u}) {
    std::string text;
    AppendRune(text, bad);
    EXPECT_EQ(text, "\xef\xbf\xbd");
  }
}

}  // namespace
}  // namespace agent::text
