// SPDX-License-Identifier: Apache-2.0
#include "agent/text/regex.h"

#include <gtest/gtest.h>

namespace agent::text {
namespace {

std::unique_ptr<const Regex> Make(std::string_view pattern) {
  auto regex = Regex::Compile(pattern);
  EXPECT_TRUE(regex) << regex.error().what;
  return regex ? std::move(*regex) : nullptr;
}

TEST(Regex, KeepsGroupNamesBesideThePattern) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(Make("a")->names(), (Names{""}));
  EXPECT_EQ(Make("(a)(?P<x>b)(?:c)(?<y>d)(?i:e)(?P<x>f)")->names(), (Names{"", "", "x", "y", "x"}));
  EXPECT_EQ(Make("\\((?P<a>b)\\Q(?P<no>\\E[(?P<no>](?P<c>d)")->names(), (Names{"", "a", "c"}));
  EXPECT_EQ(Make("[]()](a)[^]()](b)[[:alpha:](](c)[\\](](d)")->names(), (Names{"", "", "", "", ""}));
  EXPECT_EQ(Make("(?P<a>b)")->groups(), 1u);
}

TEST(Regex, RefusesWhatGoRefuses) {
  for (const char* bad : {"(", ")", "a**", "[z-a]", "(?P<a b>x)", "(?P<>x)", "(?<a-b>x)", "(?P<a", "(?=x)",
                          "\\1", "\\C", "x{1001}", "(?P=a)", "\\pX", "\xff"}) {
    const auto regex = Regex::Compile(bad);
    ASSERT_FALSE(regex) << bad;
    EXPECT_NE(regex.error().what.find(bad), std::string::npos);
  }
  std::string many;
  for (int i = 0; i < 300; ++i) many += "(a)";
  EXPECT_FALSE(Regex::Compile(many));
}

TEST(Regex, FindsTheFirstMatchAndItsGroups) {
  Arena arena;
  const auto regex = Make("(\\d+)(-)?(\\w)?");
  std::string_view found[4];
  const std::string_view text = "ab 12x 3-y";
  ASSERT_TRUE(regex->Find(text, 0, found, arena));
  EXPECT_EQ(found[0], "12x");
  EXPECT_EQ(found[1], "12");
  EXPECT_EQ(found[2].data(), nullptr);
  EXPECT_EQ(found[3], "x");
  EXPECT_EQ(found[1].data(), text.data() + 3);
  ASSERT_TRUE(regex->Find(text, 6, found, arena));
  EXPECT_EQ(found[0], "3-y");
  EXPECT_FALSE(Make("^a")->Find("ba", 1, found, arena));  // what stands before counts
  EXPECT_FALSE(regex->Find("none", 0, found, arena));
  std::string_view few[2];
  ASSERT_TRUE(regex->Find(text, 0, few, arena));
  EXPECT_EQ(few[1], "12");
}

TEST(Regex, ManyGroups) {
  Arena arena;
  std::string pattern;
  std::string text;
  for (int i = 0; i < 40; ++i) {
    pattern += "(.)";
    text += static_cast<char>('0' + i);
  }
  std::vector<std::string_view> found(41);
  ASSERT_TRUE(Make(pattern)->Find(text, 0, found, arena));
  EXPECT_EQ(found[40], text.substr(39));
}

TEST(Regex, ContainsAndMatches) {
  Arena arena;
  EXPECT_TRUE(Make("b+")->Contains("abbc", arena));
  EXPECT_FALSE(Make("b+")->Matches("abbc", arena));
  EXPECT_TRUE(Make("a|ab")->Matches("ab", arena));
  EXPECT_TRUE(Make("")->Matches("", arena));
  EXPECT_TRUE(Make("")->Contains(std::string_view(), arena));
}

// Go sees a byte that is not UTF-8 as one character, U+FFFD.
TEST(Regex, InvalidUtf8CountsAsOneCharacterAByte) {
  Arena arena;
  std::string_view found[3];
  const std::string_view text = "\xff\xc3\xa9\xc3z";
  ASSERT_TRUE(Make("^(.)(.*)$")->Find(text, 0, found, arena));
  EXPECT_EQ(found[0], text);
  EXPECT_EQ(found[1], "\xff");
  EXPECT_EQ(found[2], "\xc3\xa9\xc3z");
  ASSERT_TRUE(Make("(\xc3\xa9.)(z)")->Find(text, 1, found, arena));
  EXPECT_EQ(found[1], "\xc3\xa9\xc3");
  EXPECT_EQ(found[2].data(), text.data() + 4);
  EXPECT_TRUE(Make("^.{4}$")->Matches(text, arena));
  EXPECT_TRUE(Make("\\x{fffd}z")->Contains(text, arena));
  EXPECT_FALSE(Make("\\xff")->Contains(text, arena));
  EXPECT_TRUE(Make("[^a]\xc3\xa9")->Contains(text, arena));
}

// Looking at the whole text for every match took minutes for a line of half a megabyte
// and copied it into the arena each time.
TEST(Regex, AWalkOverAllMatchesLooksAtTheTextOnce) {
  for (const std::string_view piece : {"\xff" "a", "\xc3\xa9" "a", "xa"}) {
    Arena arena;
    std::string text;
    while (text.size() < (1u << 20)) text += piece;
    const auto regex = Make("(a)(b)?");
    Subject subject(text, arena);
    std::string_view found[3];
    size_t start = 0, count = 0;
    while (regex->Find(subject, start, found)) {
      ASSERT_EQ(found[0].data(), text.data() + (count + 1) * piece.size() - 1);
      ASSERT_EQ(found[1], "a");
      ASSERT_EQ(found[2].data(), nullptr);
      start = static_cast<size_t>(found[0].data() - text.data()) + found[0].size();
      ++count;
    }
    EXPECT_EQ(count, text.size() / piece.size());
    EXPECT_LE(arena.bytes_reserved(), 4 * text.size());
  }
}

}  // namespace
}  // namespace agent::text
