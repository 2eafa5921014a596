// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(MatchStage, SelectsByLabelsAndLine) {
  ExpectStageCases({
      {"equal",
       "- match:\n"
       "    selector: '{job=\"test\"}'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "info x.y" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "é" <job="test">)"}},
      {"equal to something else",
       "- match:\n"
       "    selector: '{job=\"tes\"}'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"not equal",
       "- match:\n"
       "    selector: '{job!=\"test\"}'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"a label regex matches the whole value",
       "- match:\n"
       "    selector: '{job=~\"es\"}'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"a label regex",
       "- match:\n"
       "    selector: '{job=~\"t.*\"}'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "info x.y" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "é" <job="test">)"}},
      {"a negated label regex",
       "- match:\n"
       "    selector: '{job!~\"es\"}'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "info x.y" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "é" <job="test">)"}},
      {"a missing label is empty",
       "- match:\n"
       "    selector: '{nope=\"\"}'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "info x.y" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "é" <job="test">)"}},
      {"a missing label and a regex",
       "- match:\n"
       "    selector: '{nope=~\".*\"}'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "info x.y" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "é" <job="test">)"}},
      {"a missing label has no text",
       "- match:\n"
       "    selector: '{nope=~\".+\"}'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"several matchers are ANDed",
       "- match:\n"
       "    selector: '{job=\"test\", nope!=\"\"}'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"contains",
       "- match:\n"
       "    selector: '{job=\"test\"} |= \"error\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"contains not",
       "- match:\n"
       "    selector: '{job=\"test\"} != \"error\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "info x.y" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "é" <job="test">)"}},
      {"matches",
       "- match:\n"
       "    selector: '{job=\"test\"} |~ \"err.r\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"matches not",
       "- match:\n"
       "    selector: '{job=\"test\"} !~ \"^info\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "é" <job="test">)"}},
      {"filters are ANDed",
       "- match:\n"
       "    selector: '{job=\"test\"} |= \"error\" != \"multi\" |~ \".\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"without spaces",
       "- match:\n"
       "    selector: '{job=\"test\"}|=\"error\"!=\"multi\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"an empty text is in every line",
       "- match:\n"
       "    selector: '{job=\"test\"} |= \"\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "info x.y" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "é" <job="test">)"}},
      {"and not absent from any",
       "- match:\n"
       "    selector: '{job=\"test\"} != \"\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"escapes",
       "- match:\n"
       "    selector: '{job=\"test\"} |= \"\\\"quoted\\\" \\\\\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"codes",
       "- match:\n"
       "    selector: '{job=\"\\x74\\145st\"} |= \"\\u00e9\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "é" <job="test">)"}},
      {"bytes",
       "- match:\n"
       "    selector: '{job=\"test\"} |= \"\\xff\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"a dot matches a byte that is not UTF-8",
       "- match:\n"
       "    selector: '{job=\"test\"} |~ \"^.bin\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"a line regex sees all lines of a record",
       "- match:\n"
       "    selector: '{job=\"test\"} |~ \"line error$\"'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test"} "info x.y" <job="test">)", R"(1.000000000 {job="test"} "" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test"} "é" <job="test">)"}},
      {"comments",
       "- match:\n"
       "    selector: '/* one */ {job=\"test\"} // two'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "info x.y" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "é" <job="test">)"}},
      {"an empty regex matches the empty value",
       "- match:\n"
       "    selector: '{nope=~\"\"}'\n"
       "    stages:\n"
       "    - static_labels: {m: m}\n",
       {R"(error: a "quoted" \ back)", "info x.y", "", "multi\nline error",
        "\xff"
        "bin",
        "é"},
       {R"(1.000000000 {job="test", m="m"} "error: a \"quoted\" \\ back" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "info x.y" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "multi\nline error" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "\xffbin" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "é" <job="test">)"}},
  });
}

TEST(MatchStage, KeepsTheOrderOfLines) {
  ExpectStageCases({
      {"the rest passes by, in order",
       "- match: {selector: '{job=\"test\"} |= \"x\"', stages: [{static_labels: {m: m}}, {drop: {expression: "
       "gone}}]}\n",
       {"a", "x1", "b", "x gone", "x2", "c"},
       {R"(1.000000000 {job="test"} "a" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "x1" <job="test">)",
        R"(1.000000000 {job="test"} "b" <job="test">)",
        R"(1.000000000 {job="test", m="m"} "x2" <job="test">)",
        R"(1.000000000 {job="test"} "c" <job="test">)", "drops: drop_stage: 1, 6"}},
  });
}

TEST(MatchStage, RunsStagesOrDrops) {
  ExpectStageCases({
      {"drop",
       "- match: {selector: '{job=\"test\"} |= \"x\"', action: drop}\n",
       {"a", "x1", "b"},
       {R"(1.000000000 {job="test"} "a" <job="test">)", R"(1.000000000 {job="test"} "b" <job="test">)",
        "drops: match_stage: 1, 2"}},
      {"drop with a reason",
       "- match: {selector: '{job=\"test\"} |= \"x\"', action: drop, drop_counter_reason: noise}\n",
       {"a", "x1", "b"},
       {R"(1.000000000 {job="test"} "a" <job="test">)", R"(1.000000000 {job="test"} "b" <job="test">)",
        "drops: noise: 1, 2"}},
      {"an empty reason is the default",
       "- match: {selector: '{job=\"test\"}', action: drop, drop_counter_reason: '', stages: []}\n",
       {"a"},
       {"drops: match_stage: 1, 1"}},
      {"an empty action keeps",
       "- match: {selector: '{job=\"test\"}', action: '', stages: [{static_labels: {m: m}}]}\n",
       {"a"},
       {R"(1.000000000 {job="test", m="m"} "a" <job="test">)"}},
      {"a pipeline name changes nothing",
       "- match: {selector: '{job=\"test\"}', pipeline_name: x, stages: [{static_labels: {m: m}}]}\n",
       {"a"},
       {R"(1.000000000 {job="test", m="m"} "a" <job="test">)"}},
      {"labels are copied over extracted values",
       "- json: {expressions: {job: , a: }}\n"
       "- labels: {a: }\n"
       "- match: {selector: '{job=\"test\"}', stages: [{output: {source: job}}]}\n",
       {R"({"job":"x","a":1})"},
       {R"(1.000000000 {a="1", job="test"} "test" <a="1", job="test">)"}},
      {"labels set outside are extracted inside",
       "- static_labels: {q: s}\n"
       "- match: {selector: '{job=\"test\"}', stages: [{labels: {copy: q}}]}\n",
       {"l"},
       {R"(1.000000000 {copy="s", job="test", q="s"} "l" <job="test", q="s">)"}},
      {"in each other",
       "- match: {selector: '{job=\"test\"}', stages: [{static_labels: {m: one}}, {match: {selector: "
       "'{m=\"one\"} |= \"x\"', stages: [{static_labels: {m: two}}]}}]}\n",
       {"a", "x"},
       {R"(1.000000000 {job="test", m="one"} "a" <job="test">)",
        R"(1.000000000 {job="test", m="two"} "x" <job="test", m="one">)"}},
      {"the selector sees labels and line as they are then",
       "- static_labels: {job: new}\n"
       "- match: {selector: '{job=\"new\"}', stages: [{output: {source: job}}]}\n"
       "- match: {selector: '{job=\"new\"} |= \"test\"', stages: [{static_labels: {m: m}}]}\n",
       {"l"},
       {R"(1.000000000 {job="new"} "new" <job="new">)"}},
  });
}

TEST(MatchStage, NamesBadOptions) {
  ExpectBadOptions("match", {"",
                             "{}",
                             "{selector: ''}",
                             "{selector: '{}', stages: [{static_labels: {m: x}}]}",
                             R"({selector: '{job="test",}', stages: [{static_labels: {m: x}}]})",
                             "{selector: '{job=test}', stages: [{static_labels: {m: x}}]}",
                             "{selector: '{job=''test''}', stages: [{static_labels: {m: x}}]}",
                             "{selector: '{job=`test`}', stages: [{static_labels: {m: x}}]}",
                             R"({selector: '{job="test"} | json', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="test"} or {a="b"}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{"job"="test"}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="test"', stages: [{static_labels: {m: x}}]})",
                             R"({selector: 'job="test"', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job=="test"}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="test"} |= `x`', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job=~"("}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="test"} |~ "("', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{a.b="x"}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="test"}}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="test"} |= "a" or "b"', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="\q"}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="\''"}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="test" app="db"}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job = ~ "x"}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="test"} | = "x"', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="\400"}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="\uD800"}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="test"} |= ', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="test"} "x"', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '/* {job="test"}', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{job="te', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{a="b"}'})",
                             R"({selector: '{a="b"}', stages: []})",
                             R"({selector: '{a="b"}', action: x, stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{a="b"}', action: drop, stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{a="b"}', pipeline_name: '', stages: [{static_labels: {m: x}}]})",
                             R"({selector: '{a="b"}', stages: [{nope: {}}]})",
                             R"({selector: '{a="b"}', stages: x})",
                             "{selector: 5, stages: [{static_labels: {m: x}}]}"});
}

TEST(MatchStage, ReportsNestedStagesWithTheirPlace) {
  EXPECT_EQ(
      PipelineProblems(
          "- match:\n    selector: '{a=\"b\"'\n    stages:\n    - regex: {expression: '('}\n    - jsn: {}\n"),
      "test.yaml:2:15: error: pipeline_stages[0].match.selector: invalid selector `{a=\"b\"` at character 7: "
      "a , "
      "or } is needed here\n"
      "test.yaml:4:27: error: pipeline_stages[0].match.stages[0].regex.expression: invalid regular "
      "expression "
      "\"(\": missing ): (\n"
      "test.yaml:5:7: error: pipeline_stages[0].match.stages[1].jsn: unknown stage \"jsn\"; did you mean "
      "\"json\"?\n");
}

}  // namespace
}  // namespace agent::test
