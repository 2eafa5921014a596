// SPDX-License-Identifier: Apache-2.0
#include "agent/text/jmespath.h"

#include <gtest/gtest.h>

#include "agent/text/json_parse.h"

namespace agent::text {
namespace {

constexpr std::string_view kDocument = R"({
  "name": "api", "n": 3, "pi": 3.14, "yes": true, "no": false, "none": null, "empty": "", "with space": 1, "a.b": 2,
  "list": [0, 1, 2, 3, 4], "words": ["b", "a", "c"], "nested": [[1, 2], [3, [4]], 5],
  "people": [{"name": "ann", "age": 30, "tags": ["x"]}, {"name": "bob", "age": 20}, {"name": "cid", "tags": ["y", "z"]}],
  "map": {"x": {"v": 1}, "y": {"v": 2}, "z": {"w": 3}}, "deep": {"er": {"est": "here"}}, "é": "accent"
})";

// The result as JSON, "error" at run time, or the compiler's sentence.
std::string Search(std::string_view expression) {
  auto path = JmesPath::Compile(expression);
  if (!path) return path.error().what;
  Arena arena;
  JsonParser parser;
  JsonValue document;
  EXPECT_TRUE(parser.ParseLine(kDocument, arena, document));
  JsonValue result;
  if (!path->Search(document, arena, result)) return "error";
  std::string_view out;
  return WriteJson(result, JsonStyle::kToString, arena, out) ? std::string(out) : "no JSON form";
}

struct Case {
  const char* expression;
  const char* result;
};

void Expect(std::initializer_list<Case> cases) {
  for (const Case& c : cases) EXPECT_EQ(Search(c.expression), c.result) << c.expression;
}

TEST(JmesPath, NamesAndPaths) {
  Expect({{"name", "\"api\""},
          {"deep.er.est", "\"here\""},
          {"deep.nothing.est", "null"},
          {"name.x", "null"},
          {"\"with space\"", "1"},
          {"\"a.b\"", "2"},
          {"\"\\u00e9\"", "\"accent\""},
          {"\"é\"", "\"accent\""},
          {"deep . er", "{\"est\":\"here\"}"},
          {"none", "null"},
          {"@.name", "\"api\""},
          {"deep.\"er\".est", "\"here\""}});
}

TEST(JmesPath, IndexesAndSlices) {
  Expect({{"list[0]", "0"},
          {"list[-1]", "4"},
          {"list[5]", "null"},
          {"list[-6]", "null"},
          {"name[0]", "null"},
          {"nested[1][1][0]", "4"},
          {"people[1].name", "\"bob\""},
          {"list[1:3]", "[1,2]"},
          {"list[:2]", "[0,1]"},
          {"list[3:]", "[3,4]"},
          {"list[:]", "[0,1,2,3,4]"},
          {"list[::2]", "[0,2,4]"},
          {"list[::-1]", "[4,3,2,1,0]"},
          {"list[-2:]", "[3,4]"},
          {"list[10:]", "[]"},
          {"list[-10:2]", "[0,1]"},
          {"list[3:1:-1]", "[3,2]"},
          {"list[::9223372036854775807]", "[0]"},
          {"list[4::-9223372036854775808]", "[4]"},
          {"list[::0]", "error"},
          {"name[1:2]", "null"},
          {"people[:2].name", "[\"ann\",\"bob\"]"},
          {"list[1:2][0]", "[]"},
          {"list[1:2] | [0]", "1"}});
}

TEST(JmesPath, ProjectionsAndFlattening) {
  Expect({{"people[*].name", "[\"ann\",\"bob\",\"cid\"]"},
          {"people[*].age", "[30,20]"},
          {"map.*.v", "[1,2]"},
          {"map.*", "[{\"v\":1},{\"v\":2},{\"w\":3}]"},
          {"*.er", "[{\"est\":\"here\"}]"},
          {"nested[]", "[1,2,3,[4],5]"},
          {"nested[][]", "[1,2,3,4,5]"},
          {"people[].tags[]", "[\"x\",\"y\",\"z\"]"},
          {"people[*].tags", "[[\"x\"],[\"y\",\"z\"]]"},
          {"people[*].tags[0]", "[\"x\",\"y\"]"},
          {"people[*].tags | [0]", "[\"x\"]"},
          {"name[*]", "null"},
          {"list.*", "null"},
          {"[*]", "null"},
          {"name[]", "null"},
          {"people[*].[name, age]", "[[\"ann\",30],[\"bob\",20],[\"cid\",null]]"}});
}

TEST(JmesPath, Filters) {
  Expect({{"people[?age > `20`].name", "[\"ann\"]"},
          {"people[?age >= `20`].name", "[\"ann\",\"bob\"]"},
          {"people[?age].name", "[\"ann\",\"bob\"]"},
          {"people[?!age].name", "[\"cid\"]"},
          {"people[?name == 'bob'].age | [0]", "20"},
          {"people[?age > `25` || name == 'cid'].name", "[\"ann\",\"cid\"]"},
          {"people[?age && tags].name", "[\"ann\"]"},
          {"people[?name > 'a']", "[]"},
          {"list[?@ < `2`]", "[0,1]"},
          {"people[?tags[0] == 'x'].name", "[\"ann\"]"},
          {"name[?@]", "null"},
          {"people[?length(name) == `3`] | length(@)", "3"},
          {"people[?name != 'ann'][].name", "[\"bob\",\"cid\"]"}});
}

TEST(JmesPath, LiteralsAndLogic) {
  Expect({{"`1`", "1"},
          {"`\"x\"`", "\"x\""},
          {"` [1, {\"a\": 2}] `", "[1,{\"a\":2}]"},
          {"'raw'", "\"raw\""},
          {"'it\\'s'", "\"it's\""},
          {"'a\\nb'", "\"a\\\\nb\""},
          {"`\"\\`\"`", "\"`\""},
          {"''", "\"\""},
          {"none || name", "\"api\""},
          {"empty || no || list[0]", "0"},
          {"yes && n", "3"},
          {"empty && n", "\"\""},
          {"!yes", "false"},
          {"!none", "true"},
          {"!`0`", "false"},
          {"n == `3`", "true"},
          {"n != `3`", "false"},
          {"n < pi", "true"},
          {"n <= `3`", "true"},
          {"n > name", "null"},
          {"list == `[0,1,2,3,4]`", "true"},
          {"(none || n) == `3` && yes", "true"},
          {"!(n == `3`)", "false"},
          {"none == `null`", "true"}});
}

TEST(JmesPath, MultiSelectsAndPipes) {
  Expect({{"[name, n]", "[\"api\",3]"},
          {"{a: name, \"b c\": n}", "{\"a\":\"api\",\"b c\":3}"},
          {"deep.{x: er.est, y: nope}", "{\"x\":\"here\",\"y\":null}"},
          {"none.[a]", "null"},
          {"none.{a: b}", "null"},
          {"{a: n, a: name}", "{\"a\":\"api\"}"},
          {"people | [0] | name", "\"ann\""},
          {"map | *.v | [1]", "2"}});
}

TEST(JmesPath, NumbersAndText) {
  Expect({{"abs(`-2`)", "2"},
          {"ceil(pi)", "4"},
          {"floor(pi)", "3"},
          {"sum(list)", "10"},
          {"avg(list)", "2"},
          {"avg(`[]`)", "no JSON form"},
          {"sum(`[]`)", "0"},
          {"starts_with(name, 'ap')", "true"},
          {"ends_with(name, 'ap')", "false"},
          {"join('-', words)", "\"b-a-c\""},
          {"join(', ', `[]`)", "\"\""},
          {"contains(name, 'pi')", "true"},
          {"contains(list, `3`)", "true"},
          {"contains(words, 'z')", "false"},
          {"contains(nested, `[1,2]`)", "false"},
          {"contains(name, `1`)", "false"},
          {"reverse(name)", "\"ipa\""},
          {"reverse('a\xc3\xa9')",
           "\"\xc3\xa9"
           "a\""},
          {"length('a\xc3\xa9')", "2"},
          {"to_string(list)", "\"[0,1,2,3,4]\""},
          {"to_string(name)", "\"api\""},
          {"to_number('1e3')", "1000"},
          {"to_number('x')", "null"},
          {"to_number(n)", "3"},
          {"to_number(yes)", "null"},
          {"type(n)", "\"number\""},
          {"type(none)", "\"null\""},
          {"type(yes)", "\"boolean\""},
          {"type(@)", "\"object\""},
          {"type(list)", "\"array\""},
          {"type(name)", "\"string\""}});
}

TEST(JmesPath, ArraysAndObjects) {
  Expect({{"length(list)", "5"},
          {"length(map)", "3"},
          {"max(list)", "4"},
          {"min(words)", "\"a\""},
          {"max(`[]`)", "null"},
          {"sort(words)", "[\"a\",\"b\",\"c\"]"},
          {"reverse(list)", "[4,3,2,1,0]"},
          {"to_array(n)", "[3]"},
          {"to_array(list)", "[0,1,2,3,4]"},
          {"keys(deep)", "[\"er\"]"},
          {"values(map.x)", "[1]"},
          {"merge(map.x, map.z, {v: n})", "{\"v\":3,\"w\":3}"},
          {"not_null(none, nope, n)", "3"},
          {"not_null(none)", "null"},
          {"map(&age, people)", "[30,20,null]"},
          {"sort_by(people[:2], &age)[*].name", "[\"bob\",\"ann\"]"},
          {"max_by(people[:2], &age).name", "\"ann\""},
          {"min_by(people[:2], &age).name", "\"bob\""},
          {"sort_by(people, &name)[-1].name", "\"cid\""},
          {"max_by(`[]`, &a)", "null"},
          {"sort_by(people, &age)", "error"},
          {"[sort_by(people[:2], &age)[0].name, people[0].name]", "[\"bob\",\"ann\"]"}});
}

TEST(JmesPath, ErrorsAtRunTime) {
  for (const char* bad :
       {"length(n)", "length()", "length(a, b)", "nosuch(n)", "abs(name)", "sum(words)", "join(n, words)",
        "sort(`[1,\"a\"]`)", "keys(list)", "merge(n)", "merge()", "map(people, &age)", "max_by(people, &age)",
        "sort_by(list, age)", "max(`[null]`)", "type(&a)", "to_number(&a)"}) {
    EXPECT_EQ(Search(bad), "error") << bad;
  }
  // An error on the left of some projections is only no result.
  EXPECT_EQ(Search("nosuch(n)[]"), "null");
  EXPECT_EQ(Search("nosuch(n).*"), "null");
  EXPECT_EQ(Search("nosuch(n)[?@]"), "null");
  EXPECT_EQ(Search("nosuch(n)[*]"), "error");
}

TEST(JmesPath, SyntaxErrorsSayWhere) {
  const Case cases[] = {
      {"", "at character 1: the expression is incomplete"},
      {"a.", "at character 3: a name, [ or { is needed after the dot"},
      {"a.1", "at character 3 (`1`): a name, [ or { is needed after the dot"},
      {"a b", "at character 3 (`b`): the expression should end here"},
      {"a[", "at character 3: a number, a slice or * is needed after ["},
      {"a[b]", "at character 3 (`b]`): a number, a slice or * is needed after ["},
      {"a[0", "at character 4: a ] is missing"},
      {"a[99999999999999999999]", "this is not an integer"},
      {"a[1:2:3:4]", "a ] is missing"},
      {"a[?b", "a ] is missing after the filter"},
      {"{a}", "a : is missing after the key"},
      {"{}", "a key is needed here"},
      {"[a,]", "an expression cannot begin with this"},
      {"(a", "a ) is missing"},
      {"a = b", "this character has no meaning here"},
      {"#", "at character 1 (`#`): this character has no meaning here"},
      {"'x", "the closing ' is missing"},
      {"\"x", "the closing \" is missing"},
      {"`x", "the closing ` is missing"},
      {"`x`", "the literal between the backquotes is not JSON"},
      {"\"\\q\"", "the quoted name is not a JSON string"},
      {"\"a\"(b)", "a function's name must not be quoted"},
      {"(a.b)(c)", "only a name can be called"},
      {"*.*.", "a name, [ or { is needed after the dot"},
  };
  for (const Case& c : cases)
    EXPECT_NE(Search(c.expression).find(c.result), std::string::npos) << Search(c.expression);
}

TEST(JmesPath, LimitsWhatAnExpressionMayCost) {
  EXPECT_NE(Search(std::string(300, '(') + "a" + std::string(300, ')')).find("nested too deeply"),
            std::string::npos);
  std::string many = "a";
  for (int i = 0; i < 3000; ++i) many += ".a";
  EXPECT_NE(Search(many).find("has more than 2000 parts"), std::string::npos);
  std::string doubling = "list";
  for (int i = 0; i < 40; ++i) doubling += " | [@,@][]";
  EXPECT_EQ(Search(doubling), "error");
}

TEST(JmesPath, TellsPlainPaths) {
  std::vector<std::string> names;
  EXPECT_TRUE(JmesPath::Compile("a.\"b c\".d")->IsPath(names));
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b c", "d"}));
  EXPECT_TRUE(JmesPath::Compile("a")->IsPath(names));
  for (const char* other : {"@", "a[0]", "a.*", "a | b", "a || b", "'a'", "a.b(c)", "[a]", "@.a"}) {
    EXPECT_FALSE(JmesPath::Compile(other)->IsPath(names)) << other;
  }
}

}  // namespace
}  // namespace agent::text
