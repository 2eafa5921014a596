// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(CriStage, DecodesAndJoinsLines) {
  ExpectStageCases({
      {"time, stream and content",
       "- static_labels: {k: v}\n"
       "- cri: {}\n",
       {"2019-07-10T12:34:56.789012345Z stdout F hello world", "2019-07-10T12:34:57Z stderr F err",
        "2019-07-10T12:34:58+02:00 stdout F a  b "},
       {R"(1562762096.789012345 {job="test", k="v", stream="stdout"} "hello world" <content="hello world", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:34:56.789012345Z">)",
        R"(1562762097.000000000 {job="test", k="v", stream="stderr"} "err" <content="err", flags="F", job="test", k="v", stream="stderr", time="2019-07-10T12:34:57Z">)",
        R"(1562754898.000000000 {job="test", k="v", stream="stdout"} "a  b " <content="a  b ", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:34:58+02:00">)"}},
      {"null options",
       "- static_labels: {k: v}\n"
       "- cri: \n",
       {"2019-07-10T12:34:56.789012345Z stdout F hello world"},
       {R"(1562762096.789012345 {job="test", k="v", stream="stdout"} "hello world" <content="hello world", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:34:56.789012345Z">)"}},
      {"an empty content, and a missing one",
       "- static_labels: {k: v}\n"
       "- cri: {}\n",
       {"2019-07-10T12:35:00Z stdout F ", "2019-07-10T12:35:00Z stdout F"},
       {R"(1562762100.000000000 {job="test", k="v", stream="stdout"} "" <content="", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:35:00Z">)",
        R"(1.000000000 {job="test", k="v"} "2019-07-10T12:35:00Z stdout F" <job="test", k="v">)"}},
      {"lines in another format pass",
       "- static_labels: {k: v}\n"
       "- cri: {}\n",
       {"not cri", "", "2019-07-10T12:35:00Z stdin F x", "2019-07-10T12:35:00Z  stdout F x", " stdout F x",
        "a\tb stdout F x", "2019-07-10T12:35:00Z stdout \tF x"},
       {R"(1.000000000 {job="test", k="v"} "not cri" <job="test", k="v">)",
        R"(1.000000000 {job="test", k="v"} "" <job="test", k="v">)",
        R"(1.000000000 {job="test", k="v"} "2019-07-10T12:35:00Z stdin F x" <job="test", k="v">)",
        R"(1.000000000 {job="test", k="v"} "2019-07-10T12:35:00Z  stdout F x" <job="test", k="v">)",
        R"(1.000000000 {job="test", k="v"} " stdout F x" <job="test", k="v">)",
        R"(1.000000000 {job="test", k="v"} "a\tb stdout F x" <job="test", k="v">)",
        R"(1.000000000 {job="test", k="v"} "2019-07-10T12:35:00Z stdout \tF x" <job="test", k="v">)"}},
      {"bytes that are not UTF-8",
       "- static_labels: {k: v}\n"
       "- cri: {}\n",
       {"2019-07-10T12:35:01Z stdout F \xff\xfe", "2019-07-10T12:35:01Z stdout \xff x"},
       {R"(1562762101.000000000 {job="test", k="v", stream="stdout"} "\xff\xfe" <content="\xff\xfe", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:35:01Z">)",
        R"(1562762101.000000000 {job="test", k="v", stream="stdout"} "x" <content="x", flags="\xff", job="test", k="v", stream="stdout", time="2019-07-10T12:35:01Z">)"}},
      {"a time that cannot be read is fudged, by labels with the stream",
       "- static_labels: {k: v}\n"
       "- cri: {}\n",
       {"bad stdout F x", "2019-07-10T12:35:00Z stdout F a", "bad stdout F b", "bad stderr F c"},
       {R"(1.000000000 {job="test", k="v", stream="stdout"} "x" <content="x", flags="F", job="test", k="v", stream="stdout", time="bad">)",
        R"(1562762100.000000000 {job="test", k="v", stream="stdout"} "a" <content="a", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:35:00Z">)",
        R"(1562762100.000000001 {job="test", k="v", stream="stdout"} "b" <content="b", flags="F", job="test", k="v", stream="stdout", time="bad">)",
        R"(1.000000000 {job="test", k="v", stream="stderr"} "c" <content="c", flags="F", job="test", k="v", stream="stderr", time="bad">)"}},
      {"fragments are joined by stream",
       "- static_labels: {k: v}\n"
       "- cri: {}\n",
       {"2019-07-10T12:34:57Z stdout P one ", "2019-07-10T12:34:58Z stdout P two ",
        "2019-07-10T12:34:59Z stderr F other", "2019-07-10T12:35:00Z stdout F end"},
       {R"(1562762099.000000000 {job="test", k="v", stream="stderr"} "other" <content="other", flags="F", job="test", k="v", stream="stderr", time="2019-07-10T12:34:59Z">)",
        R"(1562762100.000000000 {job="test", k="v", stream="stdout"} "one two end" <content="end", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:35:00Z">)"}},
      {"the joined line has the last fragment's time and flags",
       "- static_labels: {k: v}\n"
       "- cri: {}\n",
       {"2019-07-10T12:34:57Z stdout P one ", "2019-07-10T12:35:00Z stdout F:x end"},
       {R"(1562762100.000000000 {job="test", k="v", stream="stdout"} "one end" <content="end", flags="F:x", job="test", k="v", stream="stdout", time="2019-07-10T12:35:00Z">)"}},
      {"any flags but P end a line",
       "- static_labels: {k: v}\n"
       "- cri: {}\n",
       {"2019-07-10T12:34:57Z stdout P one ", "2019-07-10T12:35:00Z stdout P:x end"},
       {R"(1562762100.000000000 {job="test", k="v", stream="stdout"} "one end" <content="end", flags="P:x", job="test", k="v", stream="stdout", time="2019-07-10T12:35:00Z">)"}},
      {"cut at a size",
       "- static_labels: {k: v}\n"
       "- cri: {max_partial_line_size: 6, max_partial_line_size_truncate: true}\n",
       {"2019-07-10T12:34:57Z stdout P one ", "2019-07-10T12:34:58Z stdout P two ",
        "2019-07-10T12:34:59Z stderr F other", "2019-07-10T12:35:00Z stdout F end",
        "2019-07-10T12:35:01Z stdout F a full line is not cut"},
       {R"(1562762099.000000000 {job="test", k="v", stream="stderr"} "other" <content="other", flags="F", job="test", k="v", stream="stderr", time="2019-07-10T12:34:59Z">)",
        R"(1562762100.000000000 {job="test", k="v", stream="stdout"} "one tw" <content="end", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:35:00Z">)",
        R"(1562762101.000000000 {job="test", k="v", stream="stdout"} "a full line is not cut" <content="a full line is not cut", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:35:01Z">)"}},
      {"a size without truncation",
       "- static_labels: {k: v}\n"
       "- cri: {max_partial_line_size: 6}\n",
       {"2019-07-10T12:34:57Z stdout P one ", "2019-07-10T12:34:58Z stdout P two ",
        "2019-07-10T12:34:59Z stderr F other", "2019-07-10T12:35:00Z stdout F end"},
       {R"(1562762099.000000000 {job="test", k="v", stream="stderr"} "other" <content="other", flags="F", job="test", k="v", stream="stderr", time="2019-07-10T12:34:59Z">)",
        R"(1562762100.000000000 {job="test", k="v", stream="stdout"} "one two end" <content="end", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:35:00Z">)"}},
      {"weak options",
       "- static_labels: {k: v}\n"
       "- cri: {max_partial_line_size: '6', max_partial_line_size_truncate: 'true', max_partial_lines: "
       "'9'}\n",
       {"2019-07-10T12:34:57Z stdout P one ", "2019-07-10T12:34:58Z stdout P two ",
        "2019-07-10T12:34:59Z stderr F other", "2019-07-10T12:35:00Z stdout F end"},
       {R"(1562762099.000000000 {job="test", k="v", stream="stderr"} "other" <content="other", flags="F", job="test", k="v", stream="stderr", time="2019-07-10T12:34:59Z">)",
        R"(1562762100.000000000 {job="test", k="v", stream="stdout"} "one tw" <content="end", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:35:00Z">)"}},
      {"what it leaves in the extracted map",
       "- static_labels: {k: v}\n"
       "- cri: {}\n"
       "- labels: {flags: , time: }\n"
       "- output: {source: content}\n",
       {"2019-07-10T12:34:56.789012345Z stdout F hello world"},
       {R"(1562762096.789012345 {flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:34:56.789012345Z"} "hello world" <content="hello world", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:34:56.789012345Z">)"}},
      {"a leading stage, where a later one reads its values",
       "- cri: {}\n"
       "- labels: {flags: }\n",
       {"2019-07-10T12:34:56.789012345Z stdout F hello world", "2019-07-10T12:34:57Z stderr F err",
        "2019-07-10T12:34:58+02:00 stdout F a  b ", "2019-07-10T12:34:57Z stdout P one ",
        "2019-07-10T12:34:58Z stdout P two ", "2019-07-10T12:34:59Z stderr F other",
        "2019-07-10T12:35:00Z stdout F end"},
       {R"(1562762096.789012345 {flags="F", job="test", stream="stdout"} "hello world" <content="hello world", flags="F", job="test", stream="stdout", time="2019-07-10T12:34:56.789012345Z">)",
        R"(1562762097.000000000 {flags="F", job="test", stream="stderr"} "err" <content="err", flags="F", job="test", stream="stderr", time="2019-07-10T12:34:57Z">)",
        R"(1562754898.000000000 {flags="F", job="test", stream="stdout"} "a  b " <content="a  b ", flags="F", job="test", stream="stdout", time="2019-07-10T12:34:58+02:00">)",
        R"(1562762099.000000000 {flags="F", job="test", stream="stderr"} "other" <content="other", flags="F", job="test", stream="stderr", time="2019-07-10T12:34:59Z">)",
        R"(1562762100.000000000 {flags="F", job="test", stream="stdout"} "one two end" <content="end", flags="F", job="test", stream="stdout", time="2019-07-10T12:35:00Z">)"}},
      {"a leading stage and a nested reader",
       "- cri: {}\n"
       "- match: {selector: '{stream=\"stderr\"}', stages: [{labels: {c: content}}]}\n",
       {"2019-07-10T12:34:56.789012345Z stdout F hello world", "2019-07-10T12:34:57Z stderr F err",
        "2019-07-10T12:34:58+02:00 stdout F a  b "},
       {R"(1562762096.789012345 {job="test", stream="stdout"} "hello world" <content="hello world", flags="F", job="test", stream="stdout", time="2019-07-10T12:34:56.789012345Z">)",
        R"(1562762097.000000000 {c="err", job="test", stream="stderr"} "err" <content="err", flags="F", job="test", stream="stderr", time="2019-07-10T12:34:57Z">)",
        R"(1562754898.000000000 {job="test", stream="stdout"} "a  b " <content="a  b ", flags="F", job="test", stream="stdout", time="2019-07-10T12:34:58+02:00">)"}},
      {"in match",
       "- match: {selector: '{job=\"test\"}', stages: [{cri: {}}]}\n",
       {"2019-07-10T12:34:56.789012345Z stdout F hello world", "2019-07-10T12:34:57Z stderr F err",
        "2019-07-10T12:34:58+02:00 stdout F a  b "},
       {R"(1562762096.789012345 {job="test", stream="stdout"} "hello world" <content="hello world", flags="F", job="test", stream="stdout", time="2019-07-10T12:34:56.789012345Z">)",
        R"(1562762097.000000000 {job="test", stream="stderr"} "err" <content="err", flags="F", job="test", stream="stderr", time="2019-07-10T12:34:57Z">)",
        R"(1562754898.000000000 {job="test", stream="stdout"} "a  b " <content="a  b ", flags="F", job="test", stream="stdout", time="2019-07-10T12:34:58+02:00">)"}},
  });
}

TEST(CriStage, DiffersFromPromtailWhereThatCutsLines) {
  ExpectStageCases({
      {"a new stream pushes out the open ones, an open one does not",
       "- static_labels: {k: v}\n"
       "- cri: {max_partial_lines: 1}\n",
       {"2019-07-10T12:34:57Z stdout P a", "2019-07-10T12:34:58Z stdout P b",
        "2019-07-10T12:34:58Z stderr P c", "2019-07-10T12:34:59Z stderr F d"},
       {R"(1562762098.000000000 {job="test", k="v", stream="stdout"} "ab" <content="b", flags="P", job="test", k="v", stream="stdout", time="2019-07-10T12:34:58Z">)",
        R"(1562762099.000000000 {job="test", k="v", stream="stderr"} "cd" <content="d", flags="F", job="test", k="v", stream="stderr", time="2019-07-10T12:34:59Z">)"}},
      {"a size of 0 cuts nothing",
       "- static_labels: {k: v}\n"
       "- cri: {max_partial_line_size_truncate: true}\n",
       {"2019-07-10T12:34:57Z stdout P one ", "2019-07-10T12:34:58Z stdout P two ",
        "2019-07-10T12:34:59Z stderr F other", "2019-07-10T12:35:00Z stdout F end"},
       {R"(1562762099.000000000 {job="test", k="v", stream="stderr"} "other" <content="other", flags="F", job="test", k="v", stream="stderr", time="2019-07-10T12:34:59Z">)",
        R"(1562762100.000000000 {job="test", k="v", stream="stdout"} "one two end" <content="end", flags="F", job="test", k="v", stream="stdout", time="2019-07-10T12:35:00Z">)"}},
  });
}

TEST(CriStage, NamesBadOptions) {
  ExpectBadOptions("cri", {"{max_partial_line_size: 256kb}", "{max_partial_lines: many}",
                           "{max_partial_lines: -1}", "[a]"});
}

TEST(CriStage, HoldsThePositionWhileALineIsOpen) {
  StageHarness run("- static_labels: {k: v}\n- cri: {}\n");
  EXPECT_NE(run.Push({"2019-07-10T12:34:56Z stdout F first"}), "");
  const uint64_t before = run.file().receipts.processed();
  EXPECT_EQ(run.Push({"2019-07-10T12:34:57Z stdout P one "}), "");
  EXPECT_EQ(run.Push({"2019-07-10T12:34:57Z stdout P two "}), "");
  EXPECT_EQ(run.Held(), 1u);
  run.SweepLabels();
  EXPECT_EQ(run.file().receipts.Committed(), before);
  EXPECT_EQ(run.Push({"2019-07-10T12:34:58Z stdout F three"}),
            "1562762098.000000000 {k=\"v\", stream=\"stdout\"} \"one two three\"\n");
  EXPECT_EQ(run.Held(), 0u);
  EXPECT_EQ(run.file().receipts.Committed(), run.file().receipts.processed());
}

TEST(CriStage, EmitsOpenLinesAtTheEnd) {
  StageHarness run("- static_labels: {k: v}\n- cri: {}\n- labels: {flags: }\n");
  run.Push({"2019-07-10T12:34:57Z stdout P one ", "2019-07-10T12:34:57Z stderr P two "});
  EXPECT_EQ(run.Flush(false), "");
  EXPECT_EQ(run.Flush(true),
            "1562762097.000000000 {flags=\"P\", k=\"v\", stream=\"stdout\"} \"one \"\n"
            "1562762097.000000000 {flags=\"P\", k=\"v\", stream=\"stderr\"} \"two \"\n");
  EXPECT_EQ(run.Held(), 0u);
  EXPECT_TRUE(run.file().receipts.Settled());
}

TEST(CriStage, IsTheFramersWorkWhereNobodyReadsItsValues) {
  const auto format = [](const std::string& later) {
    return StageHarness("- cri: {}\n" + later).plan().format;
  };
  EXPECT_EQ(format(""), stage::LineFormat::kCri);
  EXPECT_EQ(format("- json: {expressions: {level: }}\n- labels: {level: , stream: }\n"),
            stage::LineFormat::kCri);
  EXPECT_EQ(format("- json: {expressions: {time: }}\n"), stage::LineFormat::kPlain);
  EXPECT_EQ(format("- output: {source: content}\n"), stage::LineFormat::kPlain);
  EXPECT_EQ(format("- match: {selector: '{a=\"b\"}', stages: [{drop: {source: flags}}]}\n"),
            stage::LineFormat::kPlain);
}

TEST(CriStage, HandsItsOptionsToTheFramer) {
  const StageHarness run(
      "- cri: {max_partial_lines: 7, max_partial_line_size: 5000, max_partial_line_size_truncate: true}\n");
  EXPECT_EQ(run.plan().format, stage::LineFormat::kCri);
  EXPECT_EQ(run.plan().cri.max_partial_lines, 7u);
  EXPECT_EQ(run.plan().cri.max_partial_line_size, 5000u);
  EXPECT_TRUE(run.plan().cri.truncate);
  EXPECT_TRUE(run.plan().stages.empty());
  EXPECT_EQ(run.plan().symbols.size(), 0u);
}

}  // namespace
}  // namespace agent::test
