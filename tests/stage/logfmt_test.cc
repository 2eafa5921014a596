// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(LogfmtStage, ExtractsTexts) {
  ExpectStageCases({
      {"values are always texts",
       "- logfmt: {mapping: {a: , b: , c: , d: }}\n",
       {R"(a=1 b=two c="three four" d)"},
       {R"(1.000000000 {job="test"} "a=1 b=two c=\"three four\" d" <a="1", b="two", c="three four", d="", job="test">)"}},
      {"a name for a key",
       "- logfmt: {mapping: {message: msg, level: ''}}\n",
       {"level=info msg=x"},
       {R"(1.000000000 {job="test"} "level=info msg=x" <job="test", level="info", message="x">)"}},
      {"a key without a value and an empty value are empty texts",
       "- logfmt: {mapping: {a: , b: , c: }}\n",
       {R"(a b= c="")"},
       {R"(1.000000000 {job="test"} "a b= c=\"\"" <a="", b="", c="", job="test">)"}},
      {"the last of a key counts",
       "- logfmt: {mapping: {a: }}\n",
       {"a=1 a=2", "a=1 a"},
       {R"(1.000000000 {job="test"} "a=1 a=2" <a="2", job="test">)",
        R"(1.000000000 {job="test"} "a=1 a" <a="", job="test">)"}},
      {"escapes as in JSON, and one more",
       "- logfmt: {mapping: {a: }}\n",
       {R"(a="x\"y\\z\/\n\r\t\b\f\u00e9\'")", R"(a="\ud83d\ude00\ud83d")"},
       {R"(1.000000000 {job="test"} "a=\"x\\\"y\\\\z\\/\\n\\r\\t\\b\\f\\u00e9\\'\"" <a="x\"y\\z/\n\r\t\b\fé'", job="test">)",
        R"(1.000000000 {job="test"} "a=\"\\ud83d\\ude00\\ud83d\"" <a="😀�", job="test">)"}},
      {"without an escape a quoted value is taken as it is",
       "- logfmt: {mapping: {a: , b: }}\n",
       {"a=\"tab\there\" b=1", "a=\"\xff\" b=1"},
       {R"(1.000000000 {job="test"} "a=\"tab\there\" b=1" <a="tab\there", b="1", job="test">)",
        R"(1.000000000 {job="test"} "a=\"\xff\" b=1" <a="\xff", b="1", job="test">)"}},
      {"with one, control characters are refused and bad bytes replaced",
       "- logfmt: {mapping: {a: , b: }}\n",
       {"a=\"\\ttab\there\" b=1", "a=\"\\t\xff\" b=1"},
       {R"(1.000000000 {job="test"} "a=\"\\ttab\there\" b=1" <job="test">)",
        R"(1.000000000 {job="test"} "a=\"\\t\xff\" b=1" <a="\t�", b="1", job="test">)"}},
      {"bytes up to the space separate",
       "- logfmt: {mapping: {a: , b: }}\n",
       {"\t a=1\t\x01"
        "b=2  "},
       {R"(1.000000000 {job="test"} "\t a=1\t\x01b=2  " <a="1", b="2", job="test">)"}},
      {"nothing in it",
       "- logfmt: {mapping: {a: }}\n",
       {"", "   ", "x"},
       {R"(1.000000000 {job="test"} "" <job="test">)", R"(1.000000000 {job="test"} "   " <job="test">)",
        R"(1.000000000 {job="test"} "x" <job="test">)"}},
      {"what was read before an error counts",
       "- logfmt: {mapping: {a: , b: }}\n",
       {R"(a=1 "b)", "a=1 =2 b=3", "a=1 x=2=3 b=3", R"(a=1 x="y b=3)", R"(a=1 x=y"z b=3)",
        R"(a=1 x="\q" b=3)", R"(a=1 x="\u12" b=3)"},
       {R"(1.000000000 {job="test"} "a=1 \"b" <a="1", job="test">)",
        R"(1.000000000 {job="test"} "a=1 =2 b=3" <a="1", job="test">)",
        R"(1.000000000 {job="test"} "a=1 x=2=3 b=3" <a="1", job="test">)",
        R"(1.000000000 {job="test"} "a=1 x=\"y b=3" <a="1", job="test">)",
        R"(1.000000000 {job="test"} "a=1 x=y\"z b=3" <a="1", job="test">)",
        R"(1.000000000 {job="test"} "a=1 x=\"\\q\" b=3" <a="1", job="test">)",
        R"(1.000000000 {job="test"} "a=1 x=\"\\u12\" b=3" <a="1", job="test">)"}},
      {"a value may end in a quote and go on",
       "- logfmt: {mapping: {a: , b: }}\n",
       {R"(a="x"b=2)"},
       {R"(1.000000000 {job="test"} "a=\"x\"b=2" <a="x", b="2", job="test">)"}},
      {"keys in other scripts, but no broken ones",
       "- logfmt: {mapping: {a: , 'é': }}\n",
       {"é=1 a=2", "\xff=1 a=2", "a=1 �=1 a=2"},
       {R"(1.000000000 {job="test"} "é=1 a=2" <a="2", job="test", é="1">)",
        R"(1.000000000 {job="test"} "\xff=1 a=2" <job="test">)",
        R"(1.000000000 {job="test"} "a=1 �=1 a=2" <a="1", job="test">)"}},
      {"every line is a record",
       "- logfmt: {mapping: {a: , b: , c: }}\n",
       {"a=1\nb=2\r\n\nc=3"},
       {R"(1.000000000 {job="test"} "a=1\nb=2\r\n\nc=3" <a="1", b="2", c="3", job="test">)"}},
      {"another source",
       "- logfmt: {mapping: {a: }, source: job}\n",
       {"a=1"},
       {R"(1.000000000 {job="test"} "a=1" <job="test">)"}},
      {"a source without text",
       "- json: {expressions: {p: }}\n"
       "- logfmt: {mapping: {a: }, source: p}\n",
       {R"({"p":"a=5"})", R"({"p":7})", R"({"p":null})", "a=1"},
       {R"(1.000000000 {job="test"} "{\"p\":\"a=5\"}" <a="5", job="test", p="a=5">)",
        R"(1.000000000 {job="test"} "{\"p\":7}" <job="test", p=7>)",
        R"(1.000000000 {job="test"} "{\"p\":null}" <job="test", p=null>)",
        R"(1.000000000 {job="test"} "a=1" <job="test">)"}},
      {"a key may replace a label's value",
       "- logfmt: {mapping: {job: }}\n",
       {"job=x"},
       {R"(1.000000000 {job="test"} "job=x" <job="x">)"}},
  });
}

TEST(LogfmtStage, NamesBadOptions) {
  ExpectBadOptions("logfmt", {"", "{}", "{mapping: {}}", "{mapping: {a: }, source: ''}", "{mapping: {a: 1}}",
                              "{mapping: [a]}", "{mapping: a}"});
}

TEST(LogfmtStage, RefusesPhysicalLinesFrom64KiB) {
  const std::string longest(65535 - 4, 'x');
  StageHarness run("- logfmt: {mapping: {a: }}\n- labels: {a: }\n");
  const std::string good = run.Push({"a=1 " + longest});
  EXPECT_EQ(good.substr(0, 19), "1.000000000 {a=\"1\"}");
  const std::string bad = run.Push({"a=1 " + longest + "x"});
  EXPECT_EQ(bad.substr(0, 14), "1.000000000 {}");
  const std::string later = run.Push({"a=1\n" + longest + "x    \na=2"});
  EXPECT_EQ(later.substr(0, 19), "1.000000000 {a=\"1\"}");
}

}  // namespace
}  // namespace agent::test
