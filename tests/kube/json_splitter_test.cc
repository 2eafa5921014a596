// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/internal/json_splitter.h"

#include <gmock/gmock.h>

#include "tests/kube/pod_fixtures.h"

namespace agent::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = JsonSplitter::Kind;

struct Split {
  std::vector<std::string> objects;
  bool good = true;
  bool complete = false;
  std::string envelope;
};

Split SplitUp(Kind kind, const std::string& text, size_t piece) {
  Split out;
  JsonSplitter splitter(kind, [&](std::string_view object) {
    out.objects.emplace_back(object);
    return true;
  });
  for (size_t at = 0; at < text.size() && out.good; at += piece) out.good = splitter.Feed(std::string_view(text).substr(at, piece));
  out.complete = splitter.Complete();
  out.envelope = splitter.envelope();
  return out;
}

TEST(JsonSplitterTest, AListInPiecesOfAnySize) {
  const std::string text = " " + ListJson({PodJson("a", "1"), R"({"x":"}]\"{"})", "{}"}, "77", "next");
  for (const size_t piece : {1u, 2u, 3u, 7u, 64u, 100000u}) {
    const Split split = SplitUp(Kind::kItems, text, piece);
    EXPECT_TRUE(split.good);
    EXPECT_TRUE(split.complete);
    ASSERT_EQ(split.objects.size(), 3u);
    EXPECT_EQ(split.objects[0], PodJson("a", "1"));
    EXPECT_EQ(split.objects[1], R"({"x":"}]\"{"})");
    EXPECT_THAT(split.envelope, HasSubstr("\"continue\":\"next\""));
    EXPECT_THAT(split.envelope, HasSubstr("\"items\":[]}"));
  }
}

TEST(JsonSplitterTest, ItemsElsewhereAreNoItems) {
  const Split split = SplitUp(Kind::kItems, R"({"metadata":{"items":[{"a":1}]},"items" : [ {"b":2} , {"c":[{}]} ],"z":[{}]})", 5);
  EXPECT_TRUE(split.complete);
  EXPECT_THAT(split.objects, ElementsAre(R"({"b":2})", R"({"c":[{}]})"));
  EXPECT_THAT(SplitUp(Kind::kItems, R"({"kind":"PodList","items":null})", 4).objects, IsEmpty());
}

TEST(JsonSplitterTest, AWatchIsObjectsOneAfterTheOther) {
  const std::string text = EventJson("ADDED", PodJson("a", "1")) + BookmarkJson("5") + "{}{\"b\":\"\\\\\"}\n";
  for (const size_t piece : {1u, 5u, 100000u}) {
    const Split split = SplitUp(Kind::kObjects, text, piece);
    EXPECT_TRUE(split.good && split.complete);
    ASSERT_EQ(split.objects.size(), 4u);
    EXPECT_EQ(split.objects[3], R"({"b":"\\"})");
  }
}

TEST(JsonSplitterTest, WhatIsTruncatedIsNotComplete) {
  const std::string text = ListJson({PodJson("a", "1"), PodJson("b", "2")}, "77");
  for (size_t size = 0; size < text.size() - 1; size += 11) {
    const Split split = SplitUp(Kind::kItems, text.substr(0, size), 1000);
    EXPECT_TRUE(split.good) << size;
    EXPECT_FALSE(split.complete) << size;
  }
  EXPECT_FALSE(SplitUp(Kind::kObjects, R"({"type":"ADD)", 3).complete);
}

TEST(JsonSplitterTest, WhatIsNoJsonStopsIt) {
  for (const char* text : {"<html>", "[1]", "{}}", "{\"items\":[1]}", "{\"items\":[\"a\"]}", "{} {}", "x"}) {
    EXPECT_FALSE(SplitUp(Kind::kItems, text, 1).good) << text;
  }
  for (const char* text : {"<html>", "[1]", "{}}", "1", "{},{}"}) EXPECT_FALSE(SplitUp(Kind::kObjects, text, 2).good) << text;
  EXPECT_FALSE(SplitUp(Kind::kItems, "{\"a\":\"" + std::string(JsonSplitter::kMaxEnvelope, 'x'), 4096).good);
}

}  // namespace
}  // namespace agent::kube
