// SPDX-License-Identifier: Apache-2.0
#include "agent/model/label_set.h"

#include <gtest/gtest.h>

namespace agent {
namespace {

TEST(LabelSetTest, EqualSetsAreOneObject) {
  LabelInterner interner;
  const LabelSet* a = interner.Intern(LabelMap{{"x", "1"}, {"y", "2"}});
  EXPECT_EQ(a, interner.With(interner.With(interner.Empty(), "y", "2"), "x", "1"));
  EXPECT_EQ(a, interner.With(interner.With(a, "x", "0"), "x", "1"));
  EXPECT_EQ(interner.Without(a, "x"), interner.With(interner.Empty(), "y", "2"));
  EXPECT_EQ(interner.Without(a, "z"), a);
  EXPECT_EQ(*a->Find("y"), "2");
  EXPECT_EQ(a->Find("z"), nullptr);
}

TEST(LabelSetTest, SweepKeepsPinnedSetsAndReusesIds) {
  LabelInterner interner;
  const LabelPin pinned(interner.With(interner.Empty(), "keep", "1"));
  for (int i = 0; i < 1000; ++i) interner.With(interner.Empty(), "n", std::to_string(i));
  EXPECT_GE(interner.size(), 1001u);
  const uint64_t generation = interner.generation();
  interner.Sweep();
  EXPECT_EQ(interner.size(), 2u) << "the empty set and the pinned one";
  EXPECT_NE(interner.generation(), generation);
  EXPECT_EQ(interner.With(interner.Empty(), "keep", "1"), pinned.get());
  const uint32_t most = interner.max_id();
  for (int i = 0; i < 1000; ++i) interner.With(interner.Empty(), "m", std::to_string(i));
  EXPECT_EQ(interner.max_id(), most) << "ids of deleted sets are used again";
}

TEST(LabelSetTest, TextIsQuotedAsGoDoes) {
  const struct { std::string_view value; std::string_view text; } cases[] = {
      {"plain", "\"plain\""},
      {"q\"b\\", "\"q\\\"b\\\\\""},
      {"\a\b\f\n\r\t\v", "\"\\a\\b\\f\\n\\r\\t\\v\""},
      {std::string_view("\0\x1f\x7f", 3), "\"\\x00\\x1f\\x7f\""},
      {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
      {"\xc2\xa0\xe2\x80\x8b\xe2\x80\xa8", "\"\\u00a0\\u200b\\u2028\""},
      {"\xff\xc3(\xed\xa0\x80", "\"\\xff\\xc3(\\xed\\xa0\\x80\""},
      {"\xf3\xa0\x80\x81", "\"\\U000e0001\""},
  };
  for (const auto& c : cases) {
    std::string out;
    AppendGoQuoted(out, c.value);
    EXPECT_EQ(out, c.text);
  }
  EXPECT_EQ(FormatLabels({{"b", "2"}, {"a", "1"}, {"__tenant_id__", "t"}, {"__x", "3"}}),
            "{__x=\"3\", a=\"1\", b=\"2\"}");
  EXPECT_EQ(FormatLabels({}), "{}");
}

}  // namespace
}  // namespace agent
