// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(DockerStage, DecodesLines) {
  ExpectStageCases({
      {"log, stream and time",
       "- static_labels: {k: v}\n"
       "- docker: {}\n",
       {R"({"log":"hello\n","stream":"stdout","time":"2019-07-10T12:34:56.789012345Z"})",
        R"({"log":"x","stream":"stderr","time":"bad"})", R"({"log":"y","time":"2019-07-10T12:34:57Z"})",
        "plain", R"({"log":null,"stream":"stdout"})", R"({"log":5,"stream":true,"time":5})", "{}",
        R"({"log":{"a":1},"stream":[1]})", R"({"log":"","stream":"","time":"2019-07-10T12:34:58Z"})"},
       {R"(1562762096.789012345 {job="test", k="v", stream="stdout"} "hello\n" <job="test", k="v", output="hello\n", stream="stdout", timestamp="2019-07-10T12:34:56.789012345Z">)",
        R"(1.000000000 {job="test", k="v", stream="stderr"} "x" <job="test", k="v", output="x", stream="stderr", timestamp="bad">)",
        R"(1562762097.000000000 {job="test", k="v"} "y" <job="test", k="v", output="y", stream=null, timestamp="2019-07-10T12:34:57Z">)",
        R"(1562762097.000000001 {job="test", k="v"} "plain" <job="test", k="v">)",
        R"(1562762096.789012346 {job="test", k="v", stream="stdout"} "{\"log\":null,\"stream\":\"stdout\"}" <job="test", k="v", output=null, stream="stdout", timestamp=null>)",
        R"(1.000000000 {job="test", k="v", stream="true"} "5" <job="test", k="v", output=5, stream=true, timestamp=5>)",
        R"(1562762097.000000002 {job="test", k="v"} "{}" <job="test", k="v", output=null, stream=null, timestamp=null>)",
        R"(1.000000000 {job="test", k="v", stream="[1]"} "{\"a\":1}" <job="test", k="v", output="{\"a\":1}", stream="[1]", timestamp=null>)",
        R"(1562762098.000000000 {job="test", k="v", stream=""} "" <job="test", k="v", output="", stream="", timestamp="2019-07-10T12:34:58Z">)"}},
      {"null options",
       "- static_labels: {k: v}\n"
       "- docker: null\n",
       {R"({"log":"hello\n","stream":"stdout","time":"2019-07-10T12:34:56.789012345Z"})"},
       {R"(1562762096.789012345 {job="test", k="v", stream="stdout"} "hello\n" <job="test", k="v", output="hello\n", stream="stdout", timestamp="2019-07-10T12:34:56.789012345Z">)"}},
      {"what it leaves in the extracted map",
       "- static_labels: {k: v}\n"
       "- docker: {}\n"
       "- labels: {o: output, t: timestamp}\n",
       {R"({"log":"hello\n","stream":"stdout","time":"2019-07-10T12:34:56.789012345Z"})",
        R"({"log":"x","stream":"stderr","time":"bad"})", R"({"log":"y","time":"2019-07-10T12:34:57Z"})"},
       {R"(1562762096.789012345 {job="test", k="v", o="hello\n", stream="stdout", t="2019-07-10T12:34:56.789012345Z"} "hello\n" <job="test", k="v", output="hello\n", stream="stdout", timestamp="2019-07-10T12:34:56.789012345Z">)",
        R"(1.000000000 {job="test", k="v", o="x", stream="stderr", t="bad"} "x" <job="test", k="v", output="x", stream="stderr", timestamp="bad">)",
        R"(1562762097.000000000 {job="test", k="v", o="y", t="2019-07-10T12:34:57Z"} "y" <job="test", k="v", output="y", stream=null, timestamp="2019-07-10T12:34:57Z">)"}},
      {"a leading stage, where a later one reads its values",
       "- docker: {}\n"
       "- output: {source: timestamp}\n",
       {R"({"log":"hello\n","stream":"stdout","time":"2019-07-10T12:34:56.789012345Z"})",
        R"({"log":"x","stream":"stderr","time":"bad"})", R"({"log":"y","time":"2019-07-10T12:34:57Z"})",
        "plain", R"({"log":null,"stream":"stdout"})", R"({"log":5,"stream":true,"time":5})", "{}",
        R"({"log":{"a":1},"stream":[1]})", R"({"log":"","stream":"","time":"2019-07-10T12:34:58Z"})"},
       {R"(1562762096.789012345 {job="test", stream="stdout"} "2019-07-10T12:34:56.789012345Z" <job="test", output="hello\n", stream="stdout", timestamp="2019-07-10T12:34:56.789012345Z">)",
        R"(1.000000000 {job="test", stream="stderr"} "bad" <job="test", output="x", stream="stderr", timestamp="bad">)",
        R"(1562762097.000000000 {job="test"} "2019-07-10T12:34:57Z" <job="test", output="y", stream=null, timestamp="2019-07-10T12:34:57Z">)",
        R"(1562762097.000000001 {job="test"} "plain" <job="test">)",
        R"(1562762096.789012346 {job="test", stream="stdout"} "{\"log\":null,\"stream\":\"stdout\"}" <job="test", output=null, stream="stdout", timestamp=null>)",
        R"(1.000000000 {job="test", stream="true"} "5" <job="test", output=5, stream=true, timestamp=5>)",
        R"(1562762097.000000002 {job="test"} "{}" <job="test", output=null, stream=null, timestamp=null>)",
        R"(1.000000000 {job="test", stream="[1]"} "{\"a\":1}" <job="test", output="{\"a\":1}", stream="[1]", timestamp=null>)",
        R"(1562762098.000000000 {job="test", stream=""} "2019-07-10T12:34:58Z" <job="test", output="", stream="", timestamp="2019-07-10T12:34:58Z">)"}},
      {"in match",
       "- match: {selector: '{job=\"test\"}', stages: [{docker: {}}]}\n",
       {R"({"log":"hello\n","stream":"stdout","time":"2019-07-10T12:34:56.789012345Z"})",
        R"({"log":"x","stream":"stderr","time":"bad"})"},
       {R"(1562762096.789012345 {job="test", stream="stdout"} "hello\n" <job="test", output="hello\n", stream="stdout", timestamp="2019-07-10T12:34:56.789012345Z">)",
        R"(1.000000000 {job="test", stream="stderr"} "x" <job="test", output="x", stream="stderr", timestamp="bad">)"}},
  });
}

TEST(DockerStage, HasNoOptions) {
  EXPECT_EQ(
      PipelineProblems("- docker: {x: 1}\n"),
      "test.yaml:1:11: warning: pipeline_stages[0].docker: this stage has no options; write `docker: {}`\n");
}

TEST(DockerStage, IsTheFramersWorkWhereNobodyReadsItsValues) {
  EXPECT_EQ(StageHarness("- docker: {}\n- labels: {stream: }\n").plan().format, stage::LineFormat::kDocker);
  EXPECT_EQ(StageHarness("- docker: {}\n- labels: {o: output}\n").plan().format, stage::LineFormat::kPlain);
  EXPECT_EQ(StageHarness("- docker: {}\n- json: {expressions: {timestamp: }}\n").plan().format,
            stage::LineFormat::kPlain);
}

}  // namespace
}  // namespace agent::test
