// SPDX-License-Identifier: Apache-2.0
#include "agent/config/flags.h"

#include <gtest/gtest.h>

#include <string>

namespace agent::config {
namespace {

using namespace std::chrono_literals;

struct Options {
  std::string file = "none";
  bool dry_run = false;
  bool sync = true;
  int64_t size = 10;
  double rate = 1.5;
  Duration wait = 90s;
  uint64_t bytes = 1024;
  std::string url;
  std::vector<std::string> words = {"default"};
};

FlagSet Declare(Options& o) {
  FlagSet flags("agent");
  flags.String("config.file", o.file, "the configuration");
  flags.Bool("dry-run", o.dry_run, "send nothing");
  flags.Bool("sync", o.sync, "wait");
  flags.Int("size", o.size, "how large");
  flags.Float("rate", o.rate, "how often");
  flags.Duration("wait", o.wait, "how long");
  flags.Bytes("max-line-size", o.bytes, "how much");
  flags.Url("client.url", o.url, "where to");
  flags.TextList("word", o.words, "say it");
  flags.Accepted("server.grpc-listen-port", FlagSet::Kind::kInt);
  flags.Accepted("server.old", FlagSet::Kind::kBool);
  return flags;
}

std::string Dump(const Options& o, const FlagSet& flags) {
  std::string out = o.file + " " + (o.dry_run ? "T" : "F") + (o.sync ? "T" : "F") + " " + std::to_string(o.size) + " " +
                    std::to_string(o.rate).substr(0, 4) + " " + std::to_string(o.wait.count() / 1'000'000) + "ms " +
                    std::to_string(o.bytes) + " [" + o.url + "] ";
  for (const std::string& word : o.words) out += word + ",";
  out += " |";
  for (const std::string& word : flags.rest()) out += " " + word;
  return out + (flags.help_wanted() ? " help" : "");
}

constexpr const char* kDefaults = "none FT 10 1.50 90000ms 1024 [] default, |";

TEST(FlagSet, ParsesAsGoDoes) {
  const struct {
    std::vector<std::string> arguments;
    std::string expected;
  } kRows[] = {
      {{}, kDefaults},
      {{"-config.file", "a.yaml"}, "a.yaml FT 10 1.50 90000ms 1024 [] default, |"},
      {{"--config.file", "a.yaml"}, "a.yaml FT 10 1.50 90000ms 1024 [] default, |"},
      {{"-config.file=a=b"}, "a=b FT 10 1.50 90000ms 1024 [] default, |"},
      {{"-config.file="}, " FT 10 1.50 90000ms 1024 [] default, |"},
      {{"-config.file", ""}, " FT 10 1.50 90000ms 1024 [] default, |"},
      {{"-config.file", "-dry-run"}, "-dry-run FT 10 1.50 90000ms 1024 [] default, |"},
      {{"-config.file=a", "-config.file=b"}, "b FT 10 1.50 90000ms 1024 [] default, |"},
      {{"-dry-run", "-sync=false"}, "none TF 10 1.50 90000ms 1024 [] default, |"},
      {{"-dry-run=T", "--sync=0"}, "none TF 10 1.50 90000ms 1024 [] default, |"},
      {{"-dry-run", "false", "-size=3"}, "none TT 10 1.50 90000ms 1024 [] default, | false -size=3"},
      {{"-size", "-5", "-rate=2", "-wait", "1.5s"}, "none FT -5 2.00 1500ms 1024 [] default, |"},
      {{"-size=0x10", "-rate=.25", "-wait=0"}, "none FT 16 0.25 0ms 1024 [] default, |"},
      {{"-max-line-size=256kb"}, "none FT 10 1.50 90000ms 262144 [] default, |"},
      {{"-client.url=http://u:p@h:80/x"}, "none FT 10 1.50 90000ms 1024 [http://u:p@h:80/x] default, |"},
      {{"-word=a", "-word", "b"}, "none FT 10 1.50 90000ms 1024 [] a,b, |"},
      {{"-server.grpc-listen-port=0", "-server.old", "x"}, std::string(kDefaults) + " x"},
      {{"tail", "-dry-run"}, std::string(kDefaults) + " tail -dry-run"},
      {{"-", "-dry-run"}, std::string(kDefaults) + " - -dry-run"},
      {{"--", "-dry-run"}, std::string(kDefaults) + " -dry-run"},
      {{"-h"}, std::string(kDefaults) + " help"},
      {{"--help", "-bad"}, std::string(kDefaults) + " -bad help"},
  };
  for (const auto& row : kRows) {
    Options options;
    FlagSet flags = Declare(options);
    const Status parsed = flags.Parse(row.arguments);
    EXPECT_TRUE(parsed) << row.expected << (parsed ? "" : parsed.error().what);
    EXPECT_EQ(Dump(options, flags), row.expected);
  }
}

TEST(FlagSet, ErrorsNameTheFlagTheTextAndWhatIsMeant) {
  const struct {
    std::vector<std::string> arguments;
    const char* error;
  } kRows[] = {
      {{"-config.fiel=x"}, "there is no flag -config.fiel; did you mean -config.file?"},
      {{"--dry_run"}, "there is no flag -dry_run; did you mean -dry-run?"},
      {{"-zzzzzz"}, "there is no flag -zzzzzz"},
      {{"-config.file"}, "-config.file needs a value: -config.file=text"},
      {{"-dry-run=yes"}, "-dry-run: `yes` is not a yes or no; write true or false"},
      {{"-size=1.5"}, "-size: `1.5` is not a whole number"},
      {{"-size="}, "-size: `` is not a whole number"},
      {{"-rate=fast"}, "-rate: `fast` is not a number"},
      {{"-wait=5"}, "-wait: `5` has no unit; write a duration such as 5s or 1h30m"},
      {{"-max-line-size=big"},
       "-max-line-size: `big` is not a size; write a whole number of bytes, or one with a unit, such as 256kb or 1MB"},
      {{"-client.url=loki:3100"},
       "-client.url: `loki:3100` is not a URL; write one such as http://loki:3100/loki/api/v1/push"},
      {{"-server.grpc-listen-port=x"}, "-server.grpc-listen-port: `x` is not a whole number"},
      {{"---dry-run"}, "`---dry-run` is not a flag; write -name or --name"},
      {{"-=x"}, "`-=x` is not a flag; write -name or --name"},
  };
  for (const auto& row : kRows) {
    Options options;
    FlagSet flags = Declare(options);
    const Status parsed = flags.Parse(row.arguments);
    ASSERT_FALSE(parsed) << row.error;
    EXPECT_EQ(parsed.error().what, row.error);
  }
}

TEST(FlagSet, RemembersWhatWasSet) {
  Options options;
  FlagSet flags = Declare(options);
  ASSERT_TRUE(flags.Parse({"-wait=90s", "-server.old", "-size=3", "-wait=91s"}));
  EXPECT_TRUE(flags.WasSet("wait"));
  EXPECT_FALSE(flags.WasSet("sync"));
  EXPECT_EQ(flags.set_names(), (std::vector<std::string>{"wait", "server.old", "size"}));
  EXPECT_EQ(flags.SetWithoutEffect(), std::vector<std::string>{"server.old"});
}

TEST(FlagSet, UsageShowsEveryFlagThatActs) {
  bool verbose = false;
  Duration wait = 1h + 90s + 250ms;
  Duration short_wait = 1500us;
  std::string name;
  FlagSet flags("agent");
  flags.Duration("wait", wait, "how long");
  flags.Duration("short", short_wait, "how short");
  flags.Bool("verbose", verbose, "say more");
  flags.String("name", name, "who");
  flags.Accepted("old", FlagSet::Kind::kString);
  EXPECT_EQ(flags.Usage(),
            "Usage of agent:\n"
            "  -name text\n"
            "        who\n"
            "  -short duration\n"
            "        how short (default 1.5ms)\n"
            "  -verbose\n"
            "        say more\n"
            "  -wait duration\n"
            "        how long (default 1h1m30.25s)\n");
}

TEST(FlagSet, AFlagNamedHelpIsTheCallers) {
  bool help = false;
  FlagSet flags("agent");
  flags.Bool("help", help, "mine");
  ASSERT_TRUE(flags.Parse({"-help"}));
  EXPECT_TRUE(help);
  EXPECT_FALSE(flags.help_wanted());
}

TEST(FlagSetDeathTest, DeclaringTwiceIsABug) {
  bool flag = false;
  FlagSet flags("agent");
  flags.Bool("x", flag, "");
  EXPECT_DEATH(flags.Bool("x", flag, ""), "a flag is declared twice");
}

}  // namespace
}  // namespace agent::config
