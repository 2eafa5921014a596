// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(TimestampStage, SetsTheTime) {
  ExpectStageCases({
      {"RFC3339Nano",
       "- regex: {expression: '^(?P<t>.*)$'}\n"
       "- timestamp: {source: t, format: RFC3339Nano}\n",
       {"2019-07-10T12:34:56.789012345Z", "2019-07-10T12:34:56+02:00", "2019-07-10T1:34:56,5Z"},
       {R"(1562762096.789012345 {job="test"} "2019-07-10T12:34:56.789012345Z" <job="test", t="2019-07-10T12:34:56.789012345Z">)",
        R"(1562754896.000000000 {job="test"} "2019-07-10T12:34:56+02:00" <job="test", t="2019-07-10T12:34:56+02:00">)",
        R"(1562722496.500000000 {job="test"} "2019-07-10T1:34:56,5Z" <job="test", t="2019-07-10T1:34:56,5Z">)"}},
      {"a layout",
       "- regex: {expression: '^(?P<t>.*)$'}\n"
       "- timestamp: {source: t, format: '02/Jan/2006:15:04:05 -0700'}\n",
       {"10/Oct/2000:13:55:36 -0700"},
       {R"(971211336.000000000 {job="test"} "10/Oct/2000:13:55:36 -0700" <job="test", t="10/Oct/2000:13:55:36 -0700">)"}},
      {"a layout in a location",
       "- regex: {expression: '^(?P<t>.*)$'}\n"
       "- timestamp: {source: t, format: '2006-01-02 15:04:05', location: America/New_York}\n",
       {"2019-07-10 12:34:56", "2019-01-10 12:34:56"},
       {R"(1562776496.000000000 {job="test"} "2019-07-10 12:34:56" <job="test", t="2019-07-10 12:34:56">)",
        R"(1547141696.000000000 {job="test"} "2019-01-10 12:34:56" <job="test", t="2019-01-10 12:34:56">)"}},
      {"a named format does not care for the location",
       "- regex: {expression: '^(?P<t>.*)$'}\n"
       "- timestamp: {source: t, format: ANSIC, location: America/New_York}\n",
       {"Mon Jan  2 15:04:05 2006"},
       {R"(1136214245.000000000 {job="test"} "Mon Jan  2 15:04:05 2006" <job="test", t="Mon Jan  2 15:04:05 2006">)"}},
      {"Unix",
       "- regex: {expression: '^(?P<t>.*)$'}\n"
       "- timestamp: {source: t, format: Unix}\n",
       {"1562708916", "1562708916.5", "1709632800.-5"},
       {R"(1562708916.000000000 {job="test"} "1562708916" <job="test", t="1562708916">)",
        R"(1562708916.500000000 {job="test"} "1562708916.5" <job="test", t="1562708916.5">)",
        R"(1709632799.950000000 {job="test"} "1709632800.-5" <job="test", t="1709632800.-5">)"}},
      {"UnixMs UnixUs UnixNs",
       "- regex: {expression: '^(?P<t>.*)$'}\n"
       "- timestamp: {source: t, format: UnixMs, fallback_formats: [UnixUs]}\n",
       {"1562708916414"},
       {R"(1562708916.414000000 {job="test"} "1562708916414" <job="test", t="1562708916414">)"}},
      {"a number as the source",
       "- json: {expressions: {t: }}\n"
       "- timestamp: {source: t, format: Unix}\n",
       {R"({"t":1562708916})", R"({"t":1562708916.25})", R"({"t":"1562708916"})"},
       {R"(1562708916.000000000 {job="test"} "{\"t\":1562708916}" <job="test", t=1562708916>)",
        R"(1562708916.250000000 {job="test"} "{\"t\":1562708916.25}" <job="test", t=1562708916.25>)",
        R"(1562708916.000000000 {job="test"} "{\"t\":\"1562708916\"}" <job="test", t="1562708916">)"}},
      {"fallback formats, in order",
       "- regex: {expression: '^(?P<t>.*)$'}\n"
       "- timestamp: {source: t, format: RFC3339, fallback_formats: ['2006-01-02', Unix]}\n",
       {"2019-07-10T12:34:56Z", "2019-07-10", "12345"},
       {R"(1562762096.000000000 {job="test"} "2019-07-10T12:34:56Z" <job="test", t="2019-07-10T12:34:56Z">)",
        R"(1562716800.000000000 {job="test"} "2019-07-10" <job="test", t="2019-07-10">)",
        R"(12345.000000000 {job="test"} "12345" <job="test", t="12345">)"}},
  });
}

TEST(TimestampStage, FudgesOrSkipsWhatItCannotRead) {
  ExpectStageCases({
      {"fudge is the default: one nanosecond after the last time of these labels",
       "- regex: {expression: '^(?P<app>\\w) (?P<t>.*)$'}\n"
       "- labels: {app: }\n"
       "- timestamp: {source: t, format: RFC3339}\n",
       {"a x", "a 2019-07-10T12:34:56Z", "a x", "a y", "b x", "b 2020-01-01T00:00:00Z", "a z", "nothing",
        "b q"},
       {R"(1.000000000 {app="a", job="test"} "a x" <app="a", job="test", t="x">)",
        R"(1562762096.000000000 {app="a", job="test"} "a 2019-07-10T12:34:56Z" <app="a", job="test", t="2019-07-10T12:34:56Z">)",
        R"(1562762096.000000001 {app="a", job="test"} "a x" <app="a", job="test", t="x">)",
        R"(1562762096.000000002 {app="a", job="test"} "a y" <app="a", job="test", t="y">)",
        R"(1.000000000 {app="b", job="test"} "b x" <app="b", job="test", t="x">)",
        R"(1577836800.000000000 {app="b", job="test"} "b 2020-01-01T00:00:00Z" <app="b", job="test", t="2020-01-01T00:00:00Z">)",
        R"(1562762096.000000003 {app="a", job="test"} "a z" <app="a", job="test", t="z">)",
        R"(1.000000000 {job="test"} "nothing" <job="test">)",
        R"(1577836800.000000001 {app="b", job="test"} "b q" <app="b", job="test", t="q">)"}},
      {"fudge by name",
       "- regex: {expression: '^(?P<app>\\w) (?P<t>.*)$'}\n"
       "- labels: {app: }\n"
       "- timestamp: {source: t, format: RFC3339, action_on_failure: fudge}\n",
       {"a x", "a 2019-07-10T12:34:56Z", "a x"},
       {R"(1.000000000 {app="a", job="test"} "a x" <app="a", job="test", t="x">)",
        R"(1562762096.000000000 {app="a", job="test"} "a 2019-07-10T12:34:56Z" <app="a", job="test", t="2019-07-10T12:34:56Z">)",
        R"(1562762096.000000001 {app="a", job="test"} "a x" <app="a", job="test", t="x">)"}},
      {"skip leaves the time",
       "- regex: {expression: '^(?P<app>\\w) (?P<t>.*)$'}\n"
       "- labels: {app: }\n"
       "- timestamp: {source: t, format: RFC3339, action_on_failure: skip}\n",
       {"a x", "a 2019-07-10T12:34:56Z", "a x", "a y", "b x", "b 2020-01-01T00:00:00Z", "a z", "nothing",
        "b q"},
       {R"(1.000000000 {app="a", job="test"} "a x" <app="a", job="test", t="x">)",
        R"(1562762096.000000000 {app="a", job="test"} "a 2019-07-10T12:34:56Z" <app="a", job="test", t="2019-07-10T12:34:56Z">)",
        R"(1.000000000 {app="a", job="test"} "a x" <app="a", job="test", t="x">)",
        R"(1.000000000 {app="a", job="test"} "a y" <app="a", job="test", t="y">)",
        R"(1.000000000 {app="b", job="test"} "b x" <app="b", job="test", t="x">)",
        R"(1577836800.000000000 {app="b", job="test"} "b 2020-01-01T00:00:00Z" <app="b", job="test", t="2020-01-01T00:00:00Z">)",
        R"(1.000000000 {app="a", job="test"} "a z" <app="a", job="test", t="z">)",
        R"(1.000000000 {job="test"} "nothing" <job="test">)",
        R"(1.000000000 {app="b", job="test"} "b q" <app="b", job="test", t="q">)"}},
      {"every stage remembers for itself",
       "- regex: {expression: '^(?P<app>\\w) (?P<t>.*)$'}\n"
       "- labels: {app: }\n"
       "- timestamp: {source: t, format: RFC3339}\n"
       "- timestamp: {source: t, format: Unix}\n",
       {"a 2019-07-10T12:34:56Z", "a x", "a 5", "a x"},
       {R"(1562762096.000000000 {app="a", job="test"} "a 2019-07-10T12:34:56Z" <app="a", job="test", t="2019-07-10T12:34:56Z">)",
        R"(1562762096.000000001 {app="a", job="test"} "a x" <app="a", job="test", t="x">)",
        R"(5.000000000 {app="a", job="test"} "a 5" <app="a", job="test", t="5">)",
        R"(5.000000001 {app="a", job="test"} "a x" <app="a", job="test", t="x">)"}},
      {"null, bool and JSON are failures",
       "- json: {expressions: {t: }}\n"
       "- timestamp: {source: t, format: Unix}\n",
       {R"({"t":1562708916})", R"({"t":null})", R"({"t":true})", R"({"t":[1]})", "{}"},
       {R"(1562708916.000000000 {job="test"} "{\"t\":1562708916}" <job="test", t=1562708916>)",
        R"(1562708916.000000001 {job="test"} "{\"t\":null}" <job="test", t=null>)",
        R"(1562708916.000000002 {job="test"} "{\"t\":true}" <job="test", t=true>)",
        R"(1562708916.000000003 {job="test"} "{\"t\":[1]}" <job="test", t="[1]">)",
        R"(1562708916.000000004 {job="test"} "{}" <job="test", t=null>)"}},
      {"labels as they are at the stage",
       "- regex: {expression: '^(?P<app>\\w) (?P<t>.*)$'}\n"
       "- labels: {app: }\n"
       "- timestamp: {source: t, format: RFC3339}\n"
       "- labeldrop: [app]\n",
       {"a 2019-07-10T12:34:56Z", "b x", "a x"},
       {R"(1562762096.000000000 {job="test"} "a 2019-07-10T12:34:56Z" <app="a", job="test", t="2019-07-10T12:34:56Z">)",
        R"(1.000000000 {job="test"} "b x" <app="b", job="test", t="x">)",
        R"(1562762096.000000001 {job="test"} "a x" <app="a", job="test", t="x">)"}},
  });
}

TEST(TimestampStage, NamesBadOptions) {
  ExpectBadOptions("timestamp",
                   {"", "{source: a}", "{format: Unix}", "{source: '', format: Unix}",
                    "{source: a, format: ''}", "{source: a, format: Unix, location: Nowhere}",
                    "{source: a, format: Unix, location: ../etc/localtime}",
                    "{source: a, format: Unix, location: /usr/share/zoneinfo/UTC}",
                    "{source: a, format: Unix, location: europe/berlin}",
                    "{source: a, format: Unix, action_on_failure: drop}",
                    "{source: a, format: Unix, fallback_formats: Unix}", "{source: 5, format: Unix}"});
}

TEST(TimestampStage, TakesTheYearFromNow) {
  StageHarness run(
      "- regex: {expression: '^(?P<t>.*)$'}\n- timestamp: {source: t, format: 'Jan _2 15:04:05'}\n");
  run.SetWall(1'577'836'800'000'000'000);  // 2020-01-01
  EXPECT_EQ(run.Push({"Dec 31 23:59:59", "Jan  1 00:00:01", "Feb 29 12:00:00"}),
            "1577836799.000000000 {} \"Dec 31 23:59:59\"\n"
            "1577836801.000000000 {} \"Jan  1 00:00:01\"\n"
            "1582977600.000000000 {} \"Feb 29 12:00:00\"\n");
}

TEST(TimestampStage, RemembersTenThousandLabelSets) {
  StageHarness run(
      "- regex: {expression: '^(?P<app>\\w+) (?P<t>.*)$'}\n- labels: {app: }\n- timestamp: {source: t, "
      "format: Unix}\n");
  std::vector<std::string> lines;
  for (int i = 0; i < 10000; ++i) lines.push_back("a" + std::to_string(i) + " 7");
  run.Push(lines);
  run.SweepLabels();
  EXPECT_EQ(run.Push({"a0 x"}).substr(0, 11), "7.000000001");   // known, and used last
  EXPECT_EQ(run.Push({"new 8"}).substr(0, 11), "8.000000000");  // pushes out a1
  EXPECT_EQ(run.Push({"a1 x"}).substr(0, 11), "1.000000000");
  EXPECT_EQ(run.Push({"a0 x"}).substr(0, 11), "7.000000002");
  EXPECT_EQ(run.Push({"a9999 x"}).substr(0, 11), "7.000000001");
}

// Go's zero time is found in logs, and Promtail sends it as it is: it was cut to 1677 here.
TEST(TimestampStage, KeepsTimesThatNanosecondsDoNotReach) {
  StageHarness run("- regex: {expression: '^(?P<t>.*)$'}\n- timestamp: {source: t, format: RFC3339}\n");
  EXPECT_EQ(run.Push({"0001-01-01T00:00:00Z", "x", "x"}),
            "-62135596800.000000000 {} \"0001-01-01T00:00:00Z\"\n-62135596800.000000001 {} \"x\"\n"
            "-62135596800.000000002 {} \"x\"\n");
  EXPECT_EQ(run.Push({"9999-12-31T23:59:59Z", "x"}),
            "253402300799.000000000 {} \"9999-12-31T23:59:59Z\"\n253402300799.000000001 {} \"x\"\n");
}

TEST(TimestampStage, KeepsTimesWithinWhatCanBePushed) {
  StageHarness run("- regex: {expression: '^(?P<t>.*)$'}\n- timestamp: {source: t, format: Unix}\n");
  EXPECT_EQ(run.Push({"1709632800123", "x"}),
            "9223372036.854775807 {} \"1709632800123\"\n9223372036.854775807 {} \"x\"\n");
  EXPECT_EQ(run.Push({"-62135596801"}).substr(0, 21), "-9223372037.145224192");
}

TEST(TimestampStage, CountsWhatItCannotRead) {
  StageHarness run("- timestamp: {source: t, format: Unix, action_on_failure: skip}\n");
  run.Push({"a", "b"});
  EXPECT_EQ(run.metrics().GetCounter("sluice_stage_failures_total", "", {{"stage", "timestamp"}}).Value(), 2);
}

}  // namespace
}  // namespace agent::test
