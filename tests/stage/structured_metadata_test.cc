// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(StructuredMetadataStage, MovesValuesAndLabels) {
  ExpectStageCases({
      {"extracted values",
       "- json: {expressions: {a: , b: , c: }}\n"
       "- structured_metadata: {a: }\n",
       {R"({"a":"x","b":1,"c":true})", "plain", R"({"a":null,"b":1.5,"c":[1]})", R"({"a":"","b":1e21})",
        "{\"a\":\"\xff\"}"},
       {R"(1.000000000 {job="test"} "{\"a\":\"x\",\"b\":1,\"c\":true}" [a="x"] <a="x", b=1, c=true, job="test">)",
        R"(1.000000000 {job="test"} "plain" <job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":null,\"b\":1.5,\"c\":[1]}" <a=null, b=1.5, c="[1]", job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":\"\",\"b\":1e21}" [a=""] <a="", b=1000000000000000000000, c=null, job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":\"\xff\"}" <a="\xff", b=null, c=null, job="test">)"}},
      {"another name",
       "- json: {expressions: {a: , b: , c: }}\n"
       "- structured_metadata: {meta: b}\n",
       {R"({"a":"x","b":1,"c":true})", "plain", R"({"a":null,"b":1.5,"c":[1]})", R"({"a":"","b":1e21})",
        "{\"a\":\"\xff\"}"},
       {R"(1.000000000 {job="test"} "{\"a\":\"x\",\"b\":1,\"c\":true}" [meta="1"] <a="x", b=1, c=true, job="test">)",
        R"(1.000000000 {job="test"} "plain" <job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":null,\"b\":1.5,\"c\":[1]}" [meta="1.5"] <a=null, b=1.5, c="[1]", job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":\"\",\"b\":1e21}" [meta="1000000000000000000000"] <a="", b=1000000000000000000000, c=null, job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":\"\xff\"}" <a="\xff", b=null, c=null, job="test">)"}},
      {"a label moves",
       "- structured_metadata: {job: }\n",
       {"x"},
       {R"(1.000000000 {} "x" [job="test"] <job="test">)"}},
      {"a label moves under another name",
       "- structured_metadata: {m: job}\n",
       {"x"},
       {R"(1.000000000 {} "x" [m="test"] <job="test">)"}},
      {"the old name of the stage",
       "- non_indexed_labels: {m: job}\n",
       {"x"},
       {R"(1.000000000 {} "x" [m="test"] <job="test">)"}},
      {"a label that a stage has set moves, too",
       "- json: {expressions: {a: , b: , c: }}\n"
       "- labels: {a: }\n"
       "- structured_metadata: {a: }\n",
       {R"({"a":"x","b":1,"c":true})", "plain", R"({"a":null,"b":1.5,"c":[1]})", R"({"a":"","b":1e21})",
        "{\"a\":\"\xff\"}"},
       {R"(1.000000000 {job="test"} "{\"a\":\"x\",\"b\":1,\"c\":true}" [a="x"] <a="x", b=1, c=true, job="test">)",
        R"(1.000000000 {job="test"} "plain" <job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":null,\"b\":1.5,\"c\":[1]}" <a=null, b=1.5, c="[1]", job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":\"\",\"b\":1e21}" [a=""] <a="", b=1000000000000000000000, c=null, job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":\"\xff\"}" <a="\xff", b=null, c=null, job="test">)"}},
      {"a label that is not extracted",
       "- json: {expressions: {a: , b: , c: }}\n"
       "- static_labels: {q: s}\n"
       "- structured_metadata: {x: q}\n",
       {R"({"a":"x","b":1,"c":true})", "plain"},
       {R"(1.000000000 {job="test"} "{\"a\":\"x\",\"b\":1,\"c\":true}" [x="s"] <a="x", b=1, c=true, job="test">)",
        R"(1.000000000 {job="test"} "plain" [x="s"] <job="test">)"}},
      {"an extracted value that is not the label's leaves the label",
       "- static_labels: {job: new}\n"
       "- structured_metadata: {m: job}\n",
       {"x"},
       {R"(1.000000000 {job="new"} "x" [m="test"] <job="test">)"}},
      {"a value without text gives way to the label",
       "- json: {expressions: {job: }}\n"
       "- structured_metadata: {m: job}\n",
       {R"({"a":1})", R"({"job":"x"})"},
       {R"(1.000000000 {} "{\"a\":1}" [m="test"] <job=null>)",
        R"(1.000000000 {job="test"} "{\"job\":\"x\"}" [m="x"] <job="x">)"}},
      {"neither",
       "- structured_metadata: {m: nothing}\n",
       {"x"},
       {R"(1.000000000 {job="test"} "x" <job="test">)"}},
      {"nothing named",
       "- structured_metadata: {}\n",
       {"x"},
       {R"(1.000000000 {job="test"} "x" <job="test">)"}},
      {"in two stages",
       "- json: {expressions: {a: , b: , c: }}\n"
       "- structured_metadata: {a: }\n"
       "- structured_metadata: {b: }\n",
       {R"({"a":"x","b":1,"c":true})"},
       {R"(1.000000000 {job="test"} "{\"a\":\"x\",\"b\":1,\"c\":true}" [a="x", b="1"] <a="x", b=1, c=true, job="test">)"}},
  });
}

TEST(StructuredMetadataStage, NamesBadOptions) {
  ExpectBadOptions("structured_metadata", {"{a: 5}", "[a]", "a", "{a.b: a}", "{1a: a}"});
}

TEST(StructuredMetadataStage, KeepsTheOrderOfTheOptions) {
  StageHarness run("- regex: {expression: '(?P<a>.)(?P<b>.)'}\n- structured_metadata: {b: , a: , job: }\n",
                   {{"job", "j"}});
  EXPECT_EQ(run.Push({"xy"}), "1.000000000 {} \"xy\" [b=\"y\", a=\"x\", job=\"j\"]\n");
  run.SweepLabels();
  EXPECT_EQ(run.Push({"xy"}), "1.000000000 {} \"xy\" [b=\"y\", a=\"x\", job=\"j\"]\n");
}

}  // namespace
}  // namespace agent::test
