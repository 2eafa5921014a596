// SPDX-License-Identifier: Apache-2.0
// The parser, the writer and the one-pass extractor, and that the two ways of
// reading a line agree.
#include <gtest/gtest.h>

#include <random>

#include "agent/text/json_fields.h"
#include "agent/text/json_parse.h"

namespace agent::text {
namespace {

std::string Rewrite(std::string_view text, JsonStyle style = JsonStyle::kStage) {
  Arena arena;
  JsonParser parser;
  JsonValue value;
  std::string_view out;
  if (!parser.ParseValue(text, arena, value)) return "(malformed)";
  return WriteJson(value, style, arena, out) ? std::string(out) : "(no JSON form)";
}

TEST(Json, WritesWhatItReads) {
  for (const char* same :
       {"null", "true", "false", "0", "-0", "1.5", "\"\"", "\"x\"", "[]", "{}", "[1,[2,[]],{}]",
        R"({"a":1,"b":{"c":[true,null]}})", R"("\"\\\n\r\t\u0008\u000c\u0000\u001f")",
        R"("\u003c\u003e\u0026\u2028\u2029")", "\"\xc3\xa9 \xf0\x9f\x98\x80 \x7f\"", "[1e-07,1e+21]"}) {
    EXPECT_EQ(Rewrite(same), same);
  }
  const std::pair<const char*, const char*> other[] = {
      {" [ 1 , 2 ] ", "[1,2]"},
      {R"({"a":1,"b":2,"a":3})", R"({"a":3,"b":2})"},
      {"\"<\xff\"", "\"\\u003c\\ufffd\""},
      {R"("\/\u00e9\ud83d\ude00")", "\"/\xc3\xa9\xf0\x9f\x98\x80\""},
      {R"("\ud83d\ude0")", "(malformed)"},
      {R"("\ud83dx")", "\"\xef\xbf\xbdx\""},
      {R"("\ude00\ud83d\n")", "\"\xef\xbf\xbd\xef\xbf\xbd\\n\""},
      {R"("\ud83d\u0041")",
       "\"\xef\xbf\xbd"
       "A\""},
      {"1E2", "100"},
      {"", "(malformed)"},
      {"[1,]", "(malformed)"},
      {"[1]x", "(malformed)"},
      {"{\"a\"}", "(malformed)"},
  };
  for (const auto& [text, expected] : other) EXPECT_EQ(Rewrite(text), expected) << text;
}

TEST(Json, TheOtherStyleSortsKeysAndShortensExponents) {
  EXPECT_EQ(Rewrite(R"({"b":1e-7,"a":{"d":1e21,"c":"\b\f"}})", JsonStyle::kToString),
            R"({"a":{"c":"\b\f","d":1e+21},"b":1e-7})");
}

TEST(Json, RemovesDuplicateKeysOfLargeObjects) {
  std::string text = "{";
  std::string expected = "{";
  for (int i = 0; i < 300; ++i) text += "\"k" + std::to_string(i % 100) + "\":" + std::to_string(i) + ",";
  for (int i = 0; i < 100; ++i) expected += "\"k" + std::to_string(i) + "\":" + std::to_string(200 + i) + ",";
  text.back() = expected.back() = '}';
  EXPECT_EQ(Rewrite(text), expected);
}

TEST(Json, DepthCostsNoStackAndIsLimited) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  // Writing recurses; the address sanitizer's frames are twenty times as large.
  const size_t written = AGENT_ASAN ? 1000 : 10001;
  EXPECT_EQ(Rewrite(nested(written)), nested(written));
  EXPECT_EQ(Rewrite(nested(10002)), "(malformed)");
  EXPECT_EQ(Rewrite(nested(1000000)), "(malformed)");
  JsonFields fields;
  ASSERT_TRUE(fields.Add("a"));
  JsonExtractor extractor(fields);
  Arena arena;
  EXPECT_TRUE(extractor.Extract("{\"b\":" + nested(10000) + "}", arena));
  EXPECT_FALSE(extractor.Extract("{\"b\":" + nested(10001) + "}", arena));
  EXPECT_TRUE(extractor.Extract("{\"a\":" + nested(written - 1) + "}", arena));
}

TEST(Json, ComparesDeeply) {
  Arena arena;
  JsonParser parser;
  const auto parse = [&](std::string_view text) {
    JsonValue value;
    EXPECT_TRUE(parser.ParseValue(text, arena, value));
    return value;
  };
  std::string large = "{";
  for (int i = 0; i < 50; ++i) large += "\"k" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  std::string reversed = "{";
  for (int i = 49; i >= 0; --i) reversed += "\"k" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  large.back() = reversed.back() = '}';
  EXPECT_TRUE(JsonEqual(parse(R"({"a":[1,"x"],"b":null})"), parse(R"({"b":null,"a":[1,"x"]})")));
  EXPECT_TRUE(JsonEqual(parse(large), parse(reversed)));
  EXPECT_FALSE(JsonEqual(parse(R"({"a":1})"), parse(R"({"b":1})")));
  EXPECT_FALSE(JsonEqual(parse("[1]"), parse("[1,2]")));
  EXPECT_FALSE(JsonEqual(parse("0"), parse("false")));
}

// A result as text with its kind.
std::string Text(const JsonValue& value) {
  Arena arena;
  std::string_view out = "?";
  if (value.is(JsonExtractor::kFailed)) return "failed";
  WriteJson(value, JsonStyle::kStage, arena, out);
  return std::string(out);
}

std::string Extract(const std::vector<std::string>& expressions, std::string_view line) {
  JsonFields fields;
  for (const std::string& expression : expressions) EXPECT_TRUE(fields.Add(expression)) << expression;
  JsonExtractor extractor(fields);
  Arena arena;
  if (!extractor.Extract(line, arena)) return "malformed";
  std::string out;
  for (const JsonValue& value : extractor.results()) out += (out.empty() ? "" : " ") + Text(value);
  return out;
}

TEST(JsonExtractor, FollowsPaths) {
  const std::string line = R"({"x":[{"a":9}],"a":{"b":{"c":"\u00e9"},"d":2},"e":true,"f":null})";
  EXPECT_EQ(Extract({"a.b.c", "a.d", "e", "f", "g", "a.b.c.z", "x.a"}, line),
            "\"\xc3\xa9\" 2 true null null null null");
  EXPECT_EQ(Extract({"a", "a.b", "a.b.c", "x"}, R"({"a":{"b":{"c":1}},"x":[1]})"),
            R"("{\"b\":{\"c\":1}}" "{\"c\":1}" 1 "[1]")");
  EXPECT_EQ(Extract({"a", "a"}, R"({"a":1})"), "1 1");
  EXPECT_EQ(Extract({"\"a.b\"", "\"\""}, R"({"a.b":1,"":2})"), "1 2");
}

TEST(JsonExtractor, AFailedExpressionIsToldFromNoResult) {
  EXPECT_EQ(Extract({"length(a)", "b", "nosuch(a)"}, R"({"a":1})"), "failed null failed");
}

TEST(JsonExtractor, TellsUnknownFunctions) {
  JsonFields fields;
  ASSERT_TRUE(fields.Add("length(nosuch(a))"));
  EXPECT_EQ(fields.UnknownFunction(), "nosuch");
  ASSERT_TRUE(fields.Add("length(a)"));
  EXPECT_EQ(fields.UnknownFunction(), "");
  EXPECT_FALSE(fields.Add("a["));
}

// Random lines, whole and damaged: the fast way and the tree must agree.
TEST(JsonExtractor, BothWaysOfReadingAgree) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto pick = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  static constexpr std::string_view kPieces[] = {
      R"("a":)", R"("b":)", R"("\u0061":)", R"("c":{)", "}",    "[",      "]",       "{",      ",",
      "1",       "-0.5e3",  "01",           "true",     "null", R"("x")", R"("\n")", "\"\t\"", " ",
      ":",       "tru",     "1e999",        "\"",       "\\",   "\x01"};
  JsonFields fast;
  JsonFields tree;
  for (const char* path : {"a", "b", "a.b", "c.a", "c", "c.c.b"}) {
    ASSERT_TRUE(fast.Add(path));
    ASSERT_TRUE(tree.Add(path));
  }
  ASSERT_TRUE(tree.Add("`1`"));  // no path: forces the tree
  JsonExtractor by_path(fast);
  JsonExtractor by_tree(tree);
  for (int round = 0; round < 20000; ++round) {
    std::string line = "{";
    for (size_t i = pick(8); i > 0; --i) {
      line +=
          std::string(kPieces[pick(4)]) + std::string(kPieces[pick(std::size(kPieces))]) + (i > 1 ? "," : "");
    }
    if (pick(4) != 0) line += std::string(1 + pick(2), '}');
    Arena arena;
    const bool good = by_path.Extract(line, arena);
    ASSERT_EQ(good, by_tree.Extract(line, arena)) << line;
    for (size_t i = 0; good && i < fast.size(); ++i) {
      ASSERT_EQ(Text(by_path.results()[i]), Text(by_tree.results()[i])) << line << " " << i;
    }
  }
}

}  // namespace
}  // namespace agent::text
