// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(TenantStage, SetsTheTenant) {
  ExpectStageCases({
      {"a fixed tenant",
       "- tenant: {value: team-a}\n",
       {"l"},
       {R"(1.000000000 {job="test"} "l" tenant="team-a" <job="test">)"}},
      {"from an extracted value",
       "- json: {expressions: {a: , b: , c: }}\n"
       "- tenant: {source: a}\n",
       {R"({"a":"x","b":1,"c":true})", "plain", R"({"a":null,"b":1.5,"c":[1]})", R"({"a":"","b":1e21})",
        "{\"a\":\"\xff\"}"},
       {R"(1.000000000 {job="test"} "{\"a\":\"x\",\"b\":1,\"c\":true}" tenant="x" <a="x", b=1, c=true, job="test">)",
        R"(1.000000000 {job="test"} "plain" <job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":null,\"b\":1.5,\"c\":[1]}" <a=null, b=1.5, c="[1]", job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":\"\",\"b\":1e21}" <a="", b=1000000000000000000000, c=null, job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":\"\xff\"}" tenant="\xff" <a="\xff", b=null, c=null, job="test">)"}},
      {"a number",
       "- json: {expressions: {a: , b: , c: }}\n"
       "- tenant: {source: b}\n",
       {R"({"a":"x","b":1,"c":true})", "plain", R"({"a":null,"b":1.5,"c":[1]})", R"({"a":"","b":1e21})",
        "{\"a\":\"\xff\"}"},
       {R"(1.000000000 {job="test"} "{\"a\":\"x\",\"b\":1,\"c\":true}" tenant="1" <a="x", b=1, c=true, job="test">)",
        R"(1.000000000 {job="test"} "plain" <job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":null,\"b\":1.5,\"c\":[1]}" tenant="1.5" <a=null, b=1.5, c="[1]", job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":\"\",\"b\":1e21}" tenant="1000000000000000000000" <a="", b=1000000000000000000000, c=null, job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":\"\xff\"}" <a="\xff", b=null, c=null, job="test">)"}},
      {"from a label",
       "- tenant: {label: job}\n",
       {"l"},
       {R"(1.000000000 {job="test"} "l" tenant="test" <job="test">)"}},
      {"from a label that a stage has set",
       "- json: {expressions: {a: , b: , c: }}\n"
       "- labels: {a: }\n"
       "- tenant: {label: a}\n",
       {R"({"a":"x","b":1,"c":true})", "plain", R"({"a":null,"b":1.5,"c":[1]})", R"({"a":"","b":1e21})",
        "{\"a\":\"\xff\"}"},
       {R"(1.000000000 {a="x", job="test"} "{\"a\":\"x\",\"b\":1,\"c\":true}" tenant="x" <a="x", b=1, c=true, job="test">)",
        R"(1.000000000 {job="test"} "plain" <job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":null,\"b\":1.5,\"c\":[1]}" <a=null, b=1.5, c="[1]", job="test">)",
        R"(1.000000000 {a="", job="test"} "{\"a\":\"\",\"b\":1e21}" <a="", b=1000000000000000000000, c=null, job="test">)",
        R"(1.000000000 {job="test"} "{\"a\":\"\xff\"}" <a="\xff", b=null, c=null, job="test">)"}},
      {"a label that is not there",
       "- tenant: {label: nothing}\n",
       {"l"},
       {R"(1.000000000 {job="test"} "l" <job="test">)"}},
      {"a label is not an extracted value",
       "- json: {expressions: {a: , b: , c: }}\n"
       "- tenant: {label: a}\n",
       {R"({"a":"x","b":1,"c":true})"},
       {R"(1.000000000 {job="test"} "{\"a\":\"x\",\"b\":1,\"c\":true}" <a="x", b=1, c=true, job="test">)"}},
      {"the later one wins",
       "- json: {expressions: {a: , b: , c: }}\n"
       "- tenant: {value: x}\n"
       "- tenant: {source: b}\n",
       {R"({"a":"x","b":1,"c":true})", "plain"},
       {R"(1.000000000 {job="test"} "{\"a\":\"x\",\"b\":1,\"c\":true}" tenant="1" <a="x", b=1, c=true, job="test">)",
        R"(1.000000000 {job="test"} "plain" tenant="x" <job="test">)"}},
      {"empty options are absent",
       "- tenant: {value: t, source: '', label: ''}\n",
       {"l"},
       {R"(1.000000000 {job="test"} "l" tenant="t" <job="test">)"}},
  });
}

TEST(TenantStage, NamesBadOptions) {
  ExpectBadOptions("tenant", {"", "{}", "{value: ''}", "{value: 5}", "{value: t, source: a}",
                              "{label: a, source: b}", "{label: a, value: b}", "{source: 1}", "[a]"});
}

}  // namespace
}  // namespace agent::test
