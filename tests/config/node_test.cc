// SPDX-License-Identifier: Apache-2.0
// The tree: typing of scalars as Go's yaml.v2 does it, places, merge keys, aliases,
// limits, every way to be broken, and the way back to text.
#include "agent/config/node.h"

#include <gtest/gtest.h>

#include <string>

namespace agent::config {
namespace {

Node Parse(const std::string& text, Diagnostics& diagnostics) { return ParseYaml(text, "f.yaml", diagnostics); }

Node ParseOk(const std::string& text) {
  Diagnostics diagnostics;
  Node node = Parse(text, diagnostics);
  EXPECT_EQ(diagnostics.Text(), "") << text;
  return node;
}

// {a: 1, b: [x, "y"]} with quoted scalars in double quotes and null as null.
std::string Flat(const Node& node) {
  if (node.kind == Node::Kind::kNull) return "null";
  if (node.is_scalar()) return node.quoted ? '"' + node.scalar + '"' : node.scalar;
  std::string out;
  for (const Node& item : node.items) out += (out.empty() ? "" : ", ") + Flat(item);
  for (const auto& [key, value] : node.members) out += (out.empty() ? "" : ", ") + Flat(key) + ": " + Flat(value);
  return node.is_map() ? "{" + out + "}" : "[" + out + "]";
}

const char* Name(Node::ScalarType type) {
  switch (type) {
    case Node::ScalarType::kString: return "string";
    case Node::ScalarType::kInt: return "int";
    case Node::ScalarType::kFloat: return "float";
    case Node::ScalarType::kBool: return "bool";
    case Node::ScalarType::kNull: return "null";
  }
  return "?";
}

TEST(Node, TypesPlainScalarsAsYamlV2) {
  // Every row was produced by running yaml.v2 2.4.0.
  const struct {
    const char* text;
    const char* type;
  } kRows[] = {
      {"y", "bool"}, {"Y", "bool"}, {"n", "bool"}, {"yes", "bool"}, {"YES", "bool"}, {"yEs", "string"},
      {"on", "bool"}, {"Off", "bool"}, {"true", "bool"}, {"TRUE", "bool"}, {"tRue", "string"},
      {"~", "null"}, {"null", "null"}, {"Null", "null"}, {"NULL", "null"}, {"nULL", "string"}, {"", "null"},
      {"0", "int"}, {"-0", "int"}, {"+0", "int"}, {"12", "int"}, {"+12", "int"}, {"-12", "int"}, {"012", "int"},
      {"08", "float"}, {"0o17", "int"}, {"0O17", "int"}, {"-0o17", "int"}, {"0x1F", "int"}, {"0X1f", "int"},
      {"-0x1F", "int"}, {"0b101", "int"}, {"-0b101", "int"}, {"0b", "string"}, {"0x", "string"}, {"0o", "string"},
      {"0o8", "string"}, {"0b12", "string"}, {"00", "int"}, {"0_7", "int"}, {"1_000", "int"}, {"_1", "string"},
      {"1_", "int"}, {"1__0", "int"}, {"-_1", "int"}, {"0x_1F", "int"}, {"9223372036854775807", "int"},
      {"9223372036854775808", "int"}, {"18446744073709551615", "int"}, {"18446744073709551616", "float"},
      {"-9223372036854775808", "int"}, {"-9223372036854775809", "float"}, {"0777777777777777777777", "int"},
      {"1.5", "float"}, {".5", "float"}, {"5.", "float"}, {"-.5", "float"}, {"+.5", "float"}, {"-.5e1", "float"},
      {"1e3", "float"}, {"1e+3", "float"}, {"1E-3", "float"}, {"1.e3", "float"}, {"1_0.5", "float"},
      {"1e5_0", "float"}, {"1e400", "string"}, {"1e", "string"}, {".e1", "string"}, {"._5", "string"},
      {".inf", "float"}, {".Inf", "float"}, {".INF", "float"}, {"+.inf", "float"}, {"+.INF", "float"},
      {"-.inf", "float"}, {"-.INF", "float"}, {"inf", "string"}, {".nan", "float"}, {".NaN", "float"},
      {"NaN", "string"}, {"-.nan", "string"}, {"1.2.3", "string"}, {"1:30", "string"}, {"2020-01-01", "string"},
      {".", "string"}, {"+", "string"}, {"0.0.0.0", "string"}, {"1 2", "string"}, {"0x1p4", "string"},
      {"=", "string"}, {"12abc", "string"}, {"1,000", "string"}, {"5m", "string"}, {"<<", "string"},
  };
  for (const auto& row : kRows) {
    Node node;
    node.kind = Node::Kind::kScalar;
    node.scalar = row.text;
    EXPECT_STREQ(Name(node.type()), row.type) << "`" << row.text << "`";
    node.quoted = true;
    EXPECT_STREQ(Name(node.type()), "string") << "quoted `" << row.text << "`";
  }
}

TEST(ParseYaml, ReadsTheWholeShapeOfYaml) {
  const struct {
    const char* yaml;
    const char* flat;
  } kRows[] = {
      {"", "null"},
      {"# only a comment\n", "null"},
      {"---\n", "null"},
      {"a: 1\nb: [x, \"y\", 'z']\n", "{a: 1, b: [x, \"y\", \"z\"]}"},
      {"a:\nb: ~\nc: null\nd: ''\n", "{a: null, b: ~, c: null, d: \"\"}"},
      {"- a: 1\n  b: 2\n- - c\n", "[{a: 1, b: 2}, [c]]"},
      {"a: |\n  one\n  two\nb: >-\n  one\n  two\n", "{a: \"one\ntwo\n\", b: \"one two\"}"},
      {"a: one\n  two\n", "{a: one two}"},
      {"a: \"tab\\tline\\n\\u00e9\"\n", "{a: \"tab\tline\n\u00e9\"}"},
      {"a: \"\\N\\_\\L\\P\\x85\\U0001F600\"\n", "{a: \"\u0085\u00a0\u2028\u2029\u0085\U0001F600\"}"},
      {"{a: {b: c}, d: []}\n", "{a: {b: c}, d: []}"},
      {"a: !!str 5\nb: !!int \"5\"\nc: !other 5\n", "{a: \"5\", b: 5, c: \"5\"}"},
      {"\xEF\xBB\xBF" "a: 1\r\nb: 2\r\n", "{a: 1, b: 2}"},
      {"'1': a\n2: b\n~: c\n", "{\"1\": a, 2: b, ~: c}"},
      {"a: &x {p: 1}\nb: *x\nc: [*x]\n", "{a: {p: 1}, b: {p: 1}, c: [{p: 1}]}"},
      {"a: &x 5\nb: *x\n", "{a: 5, b: 5}"},
      {"a: &x {p: 1, q: 2}\nb: {<<: *x, p: 3}\n", "{a: {p: 1, q: 2}, b: {p: 3, q: 2}}"},
      {"a: &x {p: 1}\nb: {p: 3, <<: *x}\n", "{a: {p: 1}, b: {p: 3}}"},
      {"a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc: {<<: [*x, *y], r: 3}\n",
       "{a: {p: 1}, b: {p: 2, q: 2}, c: {r: 3, p: 1, q: 2}}"},
      {"a: &x {p: 1}\nb: &y {<<: *x, q: 2}\nc: {<<: *y}\n", "{a: {p: 1}, b: {q: 2, p: 1}, c: {q: 2, p: 1}}"},
      {"a: {'<<': 1}\n", "{a: {\"<<\": 1}}"},
  };
  for (const auto& row : kRows) EXPECT_EQ(Flat(ParseOk(row.yaml)), row.flat) << row.yaml;
}

TEST(ParseYaml, KnowsThePlaceOfEveryNode) {
  const Node root = ParseOk("server:\n  http_listen_port: 9080\nclients:\n  - url: 'http://loki'\n");
  const Node* port = root.Find("server")->Find("http_listen_port");
  EXPECT_EQ(port->place.file, "f.yaml");
  EXPECT_EQ(port->place.line, 2);
  EXPECT_EQ(port->place.column, 21);
  const auto& [key, url] = root.Find("clients")->items[0].members[0];
  EXPECT_EQ(key.place.line, 4);
  EXPECT_EQ(key.place.column, 5);
  EXPECT_EQ(url.place.column, 10);
}

TEST(ParseYaml, EveryBrokenTextIsOneErrorWithItsPlace) {
  const std::string bomb =
      "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
      "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
      "f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
  const struct {
    std::string yaml;
    const char* place;
    const char* part;
  } kRows[] = {
      {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: ", "the key `a` is here a second time (first on line 1)"},
      {"a: {x: 1, x: 2}\n", "f.yaml:1:11: ", "the key `x` is here a second time"},
      {"1: a\n'1': b\n", "f.yaml:2:1: ", "a second time"},
      {"a: [1, 2\n", "f.yaml:", "this is not valid YAML: "},
      {"a: 1\n\tb: 2\n", "f.yaml:2:", "indent with spaces, not tabs"},
      {"a: *nowhere\n", "f.yaml:1:4: ", "this is not valid YAML: "},
      {"a: &x [*x]\n", "f.yaml:1:8: ", "an alias stands inside the value that it names"},
      {"a: 'open", "f.yaml:1:9: ", "this is not valid YAML: "},
      {"a: 'open\n", "f.yaml:1:4: ", "has no closing quote"},
      {"a: &x \"open\\\"\n", "f.yaml:1:4: ", "has no closing quote"},
      {"a: 'it''s\nb: 2\n", "f.yaml:1:4: ", "has no closing quote"},
      {"a: b: c\n", "f.yaml:1:", "the line reads `a: b: c`"},
      {"? [a, b]\n: c\n", "f.yaml:1:3: ", "a key must be text"},
      {"a: {<<: 5}\n", "f.yaml:1:9: ", "`<<` merges a map or a list of maps"},
      {"a: !!binary aGk=\n", "f.yaml:1:", "!!binary is not supported"},
      {"a: \xFFz\n", "f.yaml:1:4: ", "the byte 0xff is not UTF-8"},
      {"a: 1\nb: \xC3\n", "f.yaml:2:4: ", "the byte 0xc3 is not UTF-8"},
      {std::string("a: \0b\n", 6), "f.yaml:1:4: ", "the byte 0x00 is a control character"},
      {bomb, "f.yaml:6:", "the YAML grows beyond 400000 values"},
      {"a: " + std::string(100, '[') + std::string(100, ']'), "f.yaml:1:67: ", "nested deeper than 64 levels"},
      {"a: " + std::string(100'000, '['), "f.yaml:1:", ""},
      {std::string((8 << 20) + 1, ' '), "f.yaml: ", "the file has 8388609 bytes"},
  };
  for (const auto& row : kRows) {
    Diagnostics diagnostics;
    Parse(row.yaml, diagnostics);
    const std::string text = diagnostics.Text();
    const std::string shown = row.yaml.substr(0, 60);
    EXPECT_EQ(diagnostics.errors(), 1U) << shown << "\n" << text;
    EXPECT_TRUE(text.starts_with(row.place)) << shown << "\n" << text;
    EXPECT_NE(text.find(row.part), std::string::npos) << shown << "\n" << text;
  }
}

TEST(ParseYaml, WarnsOfASecondDocument) {
  Diagnostics diagnostics;
  const Node root = Parse("a: 1\n---\nb: 2\n", diagnostics);
  EXPECT_EQ(Flat(root), "{a: 1}");
  EXPECT_TRUE(diagnostics.ok());
  EXPECT_NE(diagnostics.Text().find("warning: a second YAML document begins here"), std::string::npos);
}

TEST(ParseYaml, ReportsEveryDuplicateAtOnce) {
  Diagnostics diagnostics;
  Parse("a: 1\na: 2\nb: {c: 1, c: 2}\n", diagnostics);
  EXPECT_EQ(diagnostics.errors(), 2U) << diagnostics.Text();
}

TEST(Node, FindsKeysWithAndWithoutCase) {
  const Node root = ParseOk("Source: 1\nsource: 2\nOther: 3\n");
  EXPECT_EQ(root.Find("source")->scalar, "2");
  EXPECT_EQ(root.FindNoCase("source")->scalar, "2");
  EXPECT_EQ(root.FindNoCase("OTHER")->scalar, "3");
  EXPECT_EQ(root.Find("other"), nullptr);
  EXPECT_EQ(Node{}.Find("other"), nullptr);
}

TEST(WriteYaml, ReadsBackToTheSameTree) {
  const std::string kRows[] = {
      "null\n",
      "[]\n",
      "{}\n",
      "a: 1\nb:\n  - x\n  - \"yes\"\n  - yes\n  - '5'\n  - 5\nc: {}\nd: []\ne: null\nf: ''\n",
      "- - a\n  - b\n- c: 1\n  d:\n    - e: f\n- []\n",
      "a: \"line\\nbreak \\\"quoted\\\" back\\\\slash \\t tab \\x01\"\nb: 'a: b'\nc: 'a #b'\nd: '- x'\ne: '{x}'\n",
      "a: ' lead'\nb: 'trail '\nc: '...'\nd: '---'\ne: '~'\nf: '<<'\ng: '@x'\nh: '%x'\ni: '*x'\nj: 'x:'\n",
      "'<<': 1\n'a: b': 2\n'': 3\n~: 4\n",
      "a: -1\nb: -.inf\nc: '-1'\nd: 0x1F\ne: \"\u00e9\u4e16\"\nf: (a) $1 /var/log/*.log\n",
      "expression: '^(?P<time>\\S+) (?P<rest>.*)$'\n",
      "\"" + std::string(900, 'k') + "\": {a: 1}\n",
  };
  for (const std::string& yaml : kRows) {
    const Node first = ParseOk(yaml);
    const std::string written = WriteYaml(first);
    EXPECT_EQ(Flat(ParseOk(written)), Flat(first)) << yaml << "became\n" << written;
    EXPECT_EQ(WriteYaml(ParseOk(written)), written);
  }
}

TEST(WriteYaml, LooksLikeAPersonWroteIt) {
  const Node root = ParseOk("clients: [{url: http://loki:3100/push, batchwait: 1s}]\nports: {a: '9080', b: 9080}\n");
  EXPECT_EQ(WriteYaml(root),
            "clients:\n"
            "  - url: http://loki:3100/push\n"
            "    batchwait: 1s\n"
            "ports:\n"
            "  a: \"9080\"\n"
            "  b: 9080\n");
}

}  // namespace
}  // namespace agent::config
