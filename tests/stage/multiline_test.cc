// SPDX-License-Identifier: Apache-2.0
// What a real Promtail 3.6 makes of the same lines, except where a test says otherwise.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/stage/internal/first_byte.h"
#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

struct Story {
  const char* name;
  const char* options;
  std::vector<std::string> lines;  // one a second, from 1 s on
  std::vector<std::string> blocks;  // `time "line"`, those of the end included
};

class Joins : public testing::TestWithParam<Story> {};

TEST_P(Joins, AsPromtailDoes) {
  StageHarness run(std::string("- multiline: ") + GetParam().options + "\n");
  ASSERT_TRUE(run.ok()) << run.problems();
  std::string out;
  WallNanos wall = 0;
  for (const std::string& line : GetParam().lines) {
    run.SetWall(wall += 1'000'000'000);
    out += run.Push({line});
  }
  out += run.Flush(true);
  std::string expected;
  for (const std::string& block : GetParam().blocks) {
    expected += block.substr(0, block.find(' ')) + ".000000000 {}" + block.substr(block.find(' ')) + "\n";
  }
  EXPECT_EQ(out, expected);
  EXPECT_EQ(run.Held(), 0u);
  EXPECT_EQ(run.file().receipts.Committed(), run.file().receipts.processed());
}

INSTANTIATE_TEST_SUITE_P(
    Stage, Joins,
    testing::Values(
        Story{"blocks", "{firstline: '^S', max_wait_time: 3s}", {"pre", "S1", " a", " b", "S2", "S3", "", " c"},
             {"1 \"pre\"", "2 \"S1\\n a\\n b\"", "5 \"S2\"", "6 \"S3\\n\\n c\""}},
        Story{"max_lines", "{firstline: '^S', max_lines: 2}", {"S1", "a", "b", "c", "d", "S2"},
             {"1 \"S1\\na\"", "1 \"b\\nc\"", "1 \"d\"", "6 \"S2\""}},
        Story{"blank_lines_after_a_cut", "{firstline: '^S', max_lines: 2}", {"S1", "a", "", "c", "d", "S2", "", "", "x"},
             {"1 \"S1\\na\"", "1 \"c\"", "1 \"d\"", "6 \"S2\\n\"", "6 \"x\""}},
        Story{"blank_first_lines", "{firstline: '^$'}", {"p", "", "a", "", "", "b"}, {"1 \"p\"", "2 \"a\"", "5 \"b\""}},
        Story{"blank_first_lines_count", "{firstline: '^$', max_lines: 3}", {"", "", "a", "b", "c", "d"},
             {"2 \"a\"", "2 \"b\\nc\\nd\""}},
        Story{"max_lines_one", "{firstline: '^S', max_lines: 1}", {"S1", "a", "S2"}, {"1 \"S1\"", "1 \"a\"", "3 \"S2\""}},
        Story{"no_max_lines", "{firstline: '^S', max_lines: 0}", {"S1", "a", "S2"}, {"1 \"S1\\na\"", "3 \"S2\""}},
        Story{"unanchored", "{firstline: S}", {"aS", "b", "bS"}, {"1 \"aS\\nb\"", "3 \"bS\""}},
        Story{"number_for_text", "{firstline: 5}", {"x", "5", "6"}, {"1 \"x\"", "2 \"5\\n6\""}},
        Story{"everything_is_first", "{firstline: '', max_lines: '3'}", {"x", "y"}, {"1 \"x\"", "2 \"y\""}},
        Story{"only_passing", "{firstline: '^S'}", {"a", "", "b"}, {"1 \"a\"", "2 \"\"", "3 \"b\""}}),
    [](const auto& c) { return c.param.name; });

TEST(MultilineStage, DefaultsTo128Lines) {
  StageHarness run("- multiline: {firstline: '^S'}\n");
  std::vector<std::string> lines(130, "x");
  lines[0] = "S";
  EXPECT_EQ(run.Push(lines).size(), std::string("1.000000000 {} \"S\"\n").size() + 127 * 3);
  EXPECT_EQ(run.Flush(true), "1.000000000 {} \"x\\nx\"\n");
}

TEST(MultilineStage, FlushesASilentStreamAfterMaxWaitTime) {
  StageHarness run("- multiline: {firstline: '^S', max_wait_time: 2s}\n");
  EXPECT_EQ(run.NextDeadline(), kNever);
  EXPECT_EQ(run.Push({"S1"}), "");
  EXPECT_EQ(run.NextDeadline(), run.now() + seconds(2));
  run.Advance(seconds(1));
  EXPECT_EQ(run.Push({"a"}), "");  // the wait begins again
  run.Advance(seconds(1));
  EXPECT_EQ(run.Flush(), "");
  EXPECT_EQ(run.NextDeadline(), run.now() + seconds(1));
  run.Advance(seconds(1));
  EXPECT_EQ(run.Flush(), "1.000000000 {} \"S1\\na\"\n");
  EXPECT_EQ(run.NextDeadline(), kNever);
  // What follows has the time and labels of the old first line.
  EXPECT_EQ(run.Push({"b", "c", "S2"}), "1.000000000 {} \"b\\nc\"\n");
}

TEST(MultilineStage, KeepsLabelsExtractedMapAndMetadataOfTheFirstLine) {
  StageHarness run("- regex: {expression: '^(?P<l>..)'}\n- structured_metadata: {l: }\n- multiline: {firstline: '^S'}\n"
                   "- labels: {l: }\n");
  ASSERT_EQ(run.problems(), "");
  run.ShowExtracted();
  // Promtail loses the metadata here.
  EXPECT_EQ(run.Push({"S1", "ab", "S2"}), "1.000000000 {l=\"S1\"} \"S1\\nab\" [l=\"S1\"] <l=\"S1\">\n");
  EXPECT_EQ(run.Flush(true), "1.000000000 {l=\"S2\"} \"S2\" [l=\"S2\"] <l=\"S2\">\n");
}

TEST(MultilineStage, TellsStreamsApartByTheirLabels) {
  StageHarness run("- multiline: {firstline: '^S'}\n");
  EXPECT_EQ(run.PushWith({{"s", "1"}}, {"S1"}), "");
  EXPECT_EQ(run.PushWith({{"s", "2"}}, {"not first", "S2"}), "1.000000000 {s=\"2\"} \"not first\"\n");
  EXPECT_EQ(run.PushWith({{"s", "1"}}, {"a"}), "");
  EXPECT_EQ(run.PushWith({{"s", "2"}}, {"b"}), "");
  EXPECT_EQ(run.Flush(true), "1.000000000 {s=\"1\"} \"S1\\na\"\n1.000000000 {s=\"2\"} \"S2\\nb\"\n");
}

TEST(MultilineStage, HoldsTheBytesOfOpenBlocks) {
  StageHarness run("- multiline: {firstline: '^S'}\n");
  run.Push({"pre"});
  EXPECT_EQ(run.file().receipts.Committed(), 4u);
  run.Push({"S1", "aa"});
  EXPECT_EQ(run.file().receipts.Committed(), 4u);
  run.Push({"S2"});  // S1 goes, and the first line of S2 is held
  EXPECT_EQ(run.file().receipts.Committed(), 10u);
  run.Flush(true);
  EXPECT_EQ(run.file().receipts.Committed(), 13u);
}

TEST(MultilineStage, ForgetsStreamsThatAreSilentForLong) {
  StageHarness run("- multiline: {firstline: '^S', max_wait_time: 1s}\n");
  run.Push({"S1"});
  run.Advance(seconds(1));
  EXPECT_NE(run.Flush(), "");
  run.SweepLabels();  // the stream's label set is still pinned
  run.Advance(minutes(5));
  EXPECT_EQ(run.Push({"still known"}), "");
  EXPECT_EQ(run.Flush(true), "1.000000000 {} \"still known\"\n");
  run.Advance(minutes(11));
  run.Flush(true);
  EXPECT_THAT(run.Push({"a stranger"}), HasSubstr("\"a stranger\""));
}

TEST(MultilineStage, RefusesBadOptions) {
  for (const char* options : {"{}", "{firstline: '('}", "{firstline: a, max_wait_time: x}", "{firstline: a, max_wait_time: 3}",
                              "{firstline: a, max_lines: x}"}) {
    EXPECT_THAT(PipelineProblems(std::string("- multiline: ") + options + "\n"),
                HasSubstr("error: pipeline_stages[0].multiline")) << options;
  }
  EXPECT_THAT(PipelineProblems("- multiline: {firstline: a, max_lines: -1}\n"), HasSubstr("warning"));
}

TEST(FirstByte, RulesOutOnlyWhatCannotMatch) {
  struct FirstByteCase {
    const char* pattern;
    const char* allowed;
    const char* refused;
  };
  const FirstByteCase cases[] = {
      {R"(^\d{4}-\d{2})", "0123456789", "\tatC{ "}, {"^[A-Z]", "AMZ", "az0 "},     {R"(^\[)", "[", "abc]"},
      {R"(^(?:\d|\[))", "0[", "a\t"},               {"^abc", "a", "bA"},           {"(?i)^abc", "aA", "1~"},
      {R"(\d{4}-\d{2})", "0a \t", ""},              {"^a|b", "abcz", ""},          {"^(a|b)", "ab", "cz"},
      {"(?m)^a", "abc", ""},                        {"^", "a0 ", ""},              {"^.*", "a0 ", ""},
      {"^a?b", "ab", "cz"},                         {"^*a", "abc", ""},            {R"(\Aa)", "a", "bz"},
      {R"(^[^\s])", "a\xff\x80", ""},               {"^é", "\xC3", "az"},          {R"(^(a)\|b|c)", "abc", ""},
      {"^[|]x", "|", "ax"},                         {R"(^a\Qb|c\E)", "abz", ""},   {"", "abc", ""},
      {"^[\\x{80}-\\x{10FFFF}]", "\xC2\xff\x80", "a"}, {"^(?m)a", "abc", ""},      {"^[]|]", "]|", "A0"},
  };
  for (const FirstByteCase& c : cases) {
    const stage::FirstByte first{std::string(c.pattern)};
    for (const char* at = c.allowed; *at != '\0'; ++at) EXPECT_TRUE(first.Allows({at, 1})) << c.pattern << " " << *at;
    for (const char* at = c.refused; *at != '\0'; ++at) EXPECT_FALSE(first.Allows({at, 1})) << c.pattern << " " << *at;
    EXPECT_TRUE(first.Allows("")) << c.pattern;
  }
}

}  // namespace
}  // namespace agent::test
