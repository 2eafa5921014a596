// SPDX-License-Identifier: Apache-2.0
#include "agent/app/command_line.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "agent/app/internal/overrides.h"

namespace agent::app {
namespace {

TEST(CommandLineTest, OneDashOrTwoAndFilesAnywhere) {
  const auto line = ParseCommandLine({"-config.file=a.yaml", "--dry-run", "x.log", "--output=json", "y.log"});
  ASSERT_TRUE(line) << line.error().what;
  EXPECT_EQ(line->config_file, "a.yaml");
  EXPECT_TRUE(line->dry_run);
  EXPECT_EQ(line->output, "json");
  EXPECT_EQ(line->files, (std::vector<std::string>{"x.log", "y.log"}));
}

TEST(CommandLineTest, WhatIsWrongIsSaid) {
  const struct {
    std::vector<std::string> words;
    const char* text;
  } cases[] = {
      {{"--outptu=json"}, "outptu"},
      {{"--output=xml"}, "text or json"},
      {{"--lanes=0"}, "1 to 64"},
      {{"--dry-run"}, "needs files"},
      {{"x.log"}, "--dry-run"},
      {{"--stdin", "--dry-run", "x.log"}, "leave out x.log"},
      {{"--log.level=loud"}, "-log.level is \"loud\""},
      {{"--client.timeout=10"}, "10"},
  };
  for (const auto& c : cases) {
    const auto line = ParseCommandLine(c.words);
    ASSERT_FALSE(line) << c.words.front();
    EXPECT_NE(line.error().what.find(c.text), std::string::npos) << line.error().what;
  }
}

TEST(CommandLineTest, HelpFitsAScreen) {
  const std::string help = ShortHelp();
  EXPECT_LE(std::count(help.begin(), help.end(), '\n'), 30);
  EXPECT_NE(FlagHelp().find("positions.sync-period"), std::string::npos);
}

TEST(CommandLineTest, ExternalLabels) {
  const struct {
    const char* text;
    LabelMap expected;
  } good[] = {
      {"", {}},
      {"a=b", {{"a", "b"}}},
      {"\"a=b,c\"", {{"a", "b,c"}}},
      {"a=b,c=d", {{"a", "b"}, {"c", "d"}}},
      {"a=b,\"c=d,e\"", {{"a", "b"}, {"c", "d,e"}}},
      {"\"a=b\",\"c=\"\"d\"\"\"", {{"a", "b"}, {"c", "\"d\""}}},
  };
  for (const auto& c : good) {
    const auto labels = ParseExternalLabels(c.text);
    ASSERT_TRUE(labels) << c.text;
    EXPECT_EQ(*labels, c.expected) << c.text;
  }
  // As encoding/csv has it: a quote begins and ends a whole field.
  for (const char* bad : {"a", "=b,c=d", "a=b,\"c=d", "a=b,c=\"d,e\"", "a=b,\"c=d\"e", "a=b,c=d\""})
    EXPECT_FALSE(ParseExternalLabels(bad)) << bad;
}

TEST(OverridesTest, FlagsWinOverTheFileAndLokiUrlStandsIn) {
  auto line = ParseCommandLine({"--positions.file=/p", "--limit.readline-rate=5", "--server.http-listen-port=70000"});
  ASSERT_TRUE(line);
  Settings settings;
  settings.positions.filename = "/from/the/file";
  Diagnostics diagnostics;
  ApplyOverrides(*line, "http://loki:3100", settings, diagnostics);
  EXPECT_EQ(settings.positions.filename, "/p");
  EXPECT_EQ(settings.limits.share.readline_rate, 5);
  ASSERT_EQ(settings.clients.size(), 1u);
  EXPECT_EQ(settings.clients[0].url, "http://loki:3100/loki/api/v1/push");
  EXPECT_EQ(settings.clients[0].backoff.max_retries, 0u) << "only an explicit number of tries may lose data";
  EXPECT_NE(diagnostics.Text().find("70000"), std::string::npos);
}

// As in Promtail: -client.url beside `client:` makes no second client.
TEST(OverridesTest, FlagsChangeTheClientOfTheFile) {
  auto line = ParseCommandLine({"-client.tenant-id=t", "-client.batch-wait=3s", "-client.url=http://other/push"});
  ASSERT_TRUE(line);
  Settings settings;
  settings.clients.resize(2);
  settings.clients[0].url = "http://first/push";
  settings.clients[1].url = "http://block/push";
  settings.clients[1].timeout = std::chrono::seconds(7);
  settings.clients[1].single_block = true;
  Diagnostics diagnostics;
  ApplyOverrides(*line, "", settings, diagnostics);
  ASSERT_EQ(settings.clients.size(), 2u);
  EXPECT_EQ(settings.clients[0].url, "http://first/push");
  EXPECT_EQ(settings.clients[0].tenant_id, "");
  EXPECT_EQ(settings.clients[1].url, "http://other/push");
  EXPECT_EQ(settings.clients[1].tenant_id, "t");
  EXPECT_EQ(settings.clients[1].batch_wait, std::chrono::seconds(3));
  EXPECT_EQ(settings.clients[1].timeout, std::chrono::seconds(7)) << "no flag says otherwise";
}

}  // namespace
}  // namespace agent::app
