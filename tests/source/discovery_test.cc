// SPDX-License-Identifier: Apache-2.0
#include "agent/source/discovery.h"

#include <gtest/gtest.h>

#include "agent/core/log.h"
#include "tests/support/mem_fs.h"

namespace agent::source {
namespace {

using namespace std::chrono_literals;

config::Node Yaml(const std::string& text) {
  Diagnostics problems;
  config::Node node = config::ParseYaml(text, "c.yaml", problems);
  EXPECT_TRUE(problems.ok()) << problems.Text();
  return node;
}

TEST(StaticTargets, MakesOneTargetPerAddress) {
  Diagnostics problems;
  const auto groups = DecodeStaticConfigs(Yaml("- targets: [a, b]\n  labels: {job: x, __path__: /l/*}\n"
                                               "- labels: {__path__: /m/*}\n- labels: {__path__: /m/*}\n"),
                                          "static_configs", problems);
  ASSERT_TRUE(problems.ok()) << problems.Text();
  const auto targets = StaticTargets(groups);
  ASSERT_EQ(targets.size(), 3U);  // the last two are equal
  EXPECT_EQ(targets[0].labels, (LabelMap{{"__address__", "a"}, {"__path__", "/l/*"}, {"job", "x"}}));
  EXPECT_EQ(targets[2].labels, (LabelMap{{"__address__", "localhost"}, {"__path__", "/m/*"}}));
}

class FileSd : public ::testing::Test {
 protected:
  FileSd() { fs_.MakeDirectories("/sd"); }
  FileDiscovery Make(std::vector<std::string> files) { return {fs_, {{std::move(files), 5min}}, clock_.Now()}; }
  std::string Paths(const FileDiscovery& discovery) {
    std::string out;
    for (const auto& target : discovery.Targets()) out += target.labels.at("__path__") + " ";
    return out;
  }
  testing::ManualClock clock_;
  testing::MemFs fs_{clock_};
};

TEST_F(FileSd, ReadsYamlAndJsonAndNoticesChanges) {
  fs_.Append("/sd/a.yaml", "- labels: {__path__: /a}\n");
  fs_.Append("/sd/b.json", R"([{"targets": ["h"], "labels": {"__path__": "/b"}}])");
  fs_.Append("/sd/c.txt", "no\n");
  FileDiscovery discovery = Make({"/sd/*.yaml", "/sd/b.json"});
  EXPECT_TRUE(discovery.Tick(clock_.Now()));
  EXPECT_EQ(Paths(discovery), "/a /b ");
  EXPECT_EQ(discovery.Targets()[0].labels.at("__meta_filepath"), "/sd/a.yaml");
  clock_.Advance(10s);
  EXPECT_FALSE(discovery.Tick(clock_.Now()));
  fs_.Overwrite("/sd/b.json", R"([{"labels": {"__path__": "/b2"}}])");
  fs_.Append("/sd/new.yaml", "- labels: {__path__: /n}\n");
  clock_.Advance(10s);
  EXPECT_TRUE(discovery.Tick(clock_.Now()));
  EXPECT_EQ(Paths(discovery), "/a /b2 /n ");
  fs_.Unlink("/sd/a.yaml");
  clock_.Advance(10s);
  EXPECT_TRUE(discovery.Tick(clock_.Now()));
  EXPECT_EQ(Paths(discovery), "/b2 /n ");
}

TEST_F(FileSd, ABrokenFileKeepsItsTargetsAndSaysSoOnce) {
  fs_.Append("/sd/a.yaml", "- labels: {__path__: /a}\n");
  FileDiscovery discovery = Make({"/sd/a.yaml"});
  discovery.Tick(clock_.Now());
  LogCapture log;
  fs_.Overwrite("/sd/a.yaml", "- labels: [\n");
  for (int i = 0; i < 5; ++i) {
    clock_.Advance(10s);
    EXPECT_FALSE(discovery.Tick(clock_.Now()));
  }
  EXPECT_EQ(Paths(discovery), "/a ");
  const std::string text = log.text();
  const size_t first = text.find("cannot be used");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(text.find("cannot be used", first + 1), std::string::npos);
}

struct BadCase {
  const char* yaml;
  const char* expected;
};

TEST(SourceOptions, SayWhatIsWrongAndWhere) {
  const auto all = [](const std::string& yaml) {
    Diagnostics problems;
    const config::Node node = Yaml(yaml);
    const auto part = [&](const char* key) -> const config::Node& {
      static const config::Node kNone;
      const config::Node* found = node.Find(key);
      return found != nullptr ? *found : kNone;
    };
    DecodePositions(part("positions"), "positions", problems);
    DecodeTargetConfig(part("target_config"), "target_config", problems);
    DecodeFileWatch(part("file_watch_config"), "global.file_watch_config", problems);
    DecodeDecompression(part("decompression"), "decompression", problems);
    DecodeStaticConfigs(part("static_configs"), "static_configs", problems);
    DecodeFileSdConfigs(part("file_sd_configs"), "file_sd_configs", problems);
    return problems.Text();
  };
  for (const BadCase& c : {
           BadCase{"positions: {filenam: x}", "positions.filenam"},
           BadCase{"positions: {sync_period: 0s}", "must be longer than 0"},
           BadCase{"target_config: {sync_period: -1s}", "must be longer than 0"},
           BadCase{"file_watch_config: {min_poll_frequency: 1s, max_poll_frequency: 500ms}",
                   "must not be shorter than min_poll_frequency"},
           BadCase{"decompression: {enabled: true}", "\"\" is none of gz, z, bz2"},
           BadCase{"decompression: {enabled: true, format: zip}", "\"zip\" is none of gz, z, bz2"},
           BadCase{"static_configs: {targets: [a]}", "static_configs: expected a list"},
           BadCase{"static_configs: [{labels: {'': a}}]", "static_configs[0].labels: a label needs a name"},
           BadCase{"file_sd_configs: [{files: [/a/b.txt]}]", "does not end in .json, .yml or .yaml"},
           BadCase{"file_sd_configs: [{files: [/a/*/b.yml]}]", "may have a * in its last part only"},
           BadCase{"file_sd_configs: [{}]", "file_sd_configs[0].files"},
       }) {
    EXPECT_NE(all(c.yaml).find(c.expected), std::string::npos) << c.yaml << " gave: " << all(c.yaml);
  }
  EXPECT_EQ(all("positions: {filename: /p, sync_period: 10s, ignore_invalid_yaml: true}\n"
                "target_config: {sync_period: 5s, stdin: true}\n"
                "decompression: {enabled: true, format: gz, initial_delay: 10s}\n"
                "file_sd_configs: [{files: [/a/*.yml], refresh_interval: 1m}]\n"),
            "");
}

}  // namespace
}  // namespace agent::source
