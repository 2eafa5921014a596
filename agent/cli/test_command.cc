// SPDX-License-Identifier: Apache-2.0
// `agent test FILE...`: reads test files, runs each case, prints what differs.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "agent/app/pipeline_run.h"
#include "agent/cli/internal/commands.h"
#include "agent/cli/internal/options.h"
#include "agent/cli/internal/pipeline_test.h"
#include "agent/platform/fs.h"

namespace agent::cli {
namespace {

constexpr uint64_t kMaxFileBytes = 16 * 1024 * 1024;

// Keeps what comes out of a pipeline.
class Collector final : public flow::Observer {
 public:
  void Out(uint32_t, const std::vector<Record*>& records, MonoTime) override {
    for (const Record* record : records) {
      Outcome entry;
      entry.line = record->line;
      entry.labels = record->labels->ToMap();
      entry.timestamp = FormatUtc(record->time);
      for (const MetadataPair* pair = record->metadata; pair != nullptr; pair = pair->next) {
        entry.metadata[std::string(pair->name)] = pair->value;
      }
      outcomes.push_back(std::move(entry));
    }
  }

  std::vector<Outcome> outcomes;
};

// Which stages have dropped lines since it was asked last.
class DropWatch {
 public:
  explicit DropWatch(const stage::PipelinePlan& plan) : plan_(plan) {}

  void Collect(const std::string& line, std::vector<Outcome>& outcomes) {
    for (const auto& reason : plan_.drop_reasons) {
      uint64_t& known = known_[reason.get()];
      for (; known < reason->lines.load(); ++known) {
        Outcome dropped;
        dropped.line = line;
        dropped.dropped_by = reason->stage;
        outcomes.push_back(std::move(dropped));
      }
    }
  }

 private:
  const stage::PipelinePlan& plan_;
  std::map<const stage::DropReason*, uint64_t> known_;
};

std::vector<Outcome> Run(const TestCase& test, const std::shared_ptr<const stage::PipelinePlan>& plan) {
  Collector collector;
  auto source = std::make_unique<app::TextSource>();
  app::TextSource& text = *source;
  std::vector<app::RunInput> inputs;
  inputs.push_back({.plan = plan, .job = test.job, .path = "test", .labels = test.labels, .bytes = std::move(source)});
  app::PipelineRun run(std::move(inputs), collector);
  DropWatch drops(*plan);
  // One line at a time, so that a drop can be told to be of this line.
  const MonoTime now = MonoTime{} + std::chrono::hours(1);
  for (const std::string& line : test.lines) {
    text.Append(line + "\n");
    run.Step(now, test.now);
    drops.Collect(line, collector.outcomes);
  }
  run.Finish(now, test.now);
  drops.Collect("", collector.outcomes);
  return std::move(collector.outcomes);
}

struct Sums {
  size_t passed = 0;
  size_t failed = 0;
  size_t updated = 0;
};

class FileRunner {
 public:
  FileRunner(std::string path, const TestOptions& options) : path_(std::move(path)), options_(options) {}

  // False: the file itself is wrong; what is has been printed.
  bool Run(Sums& sums) {
    auto text = platform::ReadWhole(platform::RealFs(), path_, kMaxFileBytes);
    if (!text) {
      std::fprintf(stderr, "%s\n", text.error().what.c_str());
      return false;
    }
    text_ = std::move(*text);
    tree_ = config::ParseYaml(text_, path_, diagnostics_);
    if (diagnostics_.ok()) file_ = DecodeTestFile(tree_, path_, diagnostics_);
    if (diagnostics_.ok() && !file_.config.empty()) LoadConfig();
    if (diagnostics_.ok()) BuildPlans();
    std::fputs(diagnostics_.Text().c_str(), stderr);
    if (!diagnostics_.ok()) return false;
    for (size_t i = 0; i < file_.cases.size(); ++i) RunCase(file_.cases[i], plans_[i], sums);
    return changed_.empty() || WriteUpdates();
  }

 private:
  void LoadConfig() {
    app::CommandLine line;
    line.config_file = file_.config;
    line.expand_env = options_.expand_env;
    settings_ = app::LoadSettings(line, false, diagnostics_, registry_);
  }

  // The plans of all cases; a case has one of its own, because stages count in it.
  void BuildPlans() {
    for (const TestCase& test : file_.cases) {
      const config::Node* stages = test.stages;
      std::string path = "pipeline_stages";
      if (stages == nullptr) {
        const app::ScrapeConfig* scrape = nullptr;
        for (const app::ScrapeConfig& one : settings_.scrapes) {
          if (scrape == nullptr && (test.job.empty() || one.job == test.job)) scrape = &one;
        }
        if (scrape == nullptr) {
          diagnostics_.AddError(test.place, "job", "the configuration has no scrape config \"" + test.job + "\"");
          plans_.push_back(nullptr);
          continue;
        }
        const config::Node* list = settings_.tree->Find("scrape_configs");
        const auto index = static_cast<size_t>(scrape - settings_.scrapes.data());
        stages = list->items[index].Find("pipeline_stages");
        path = scrape->path + ".pipeline_stages";
      }
      plans_.push_back(stage::BuildPipeline(stages, path, test.job, diagnostics_, registry_));
    }
  }

  void RunCase(const TestCase& test, const std::shared_ptr<const stage::PipelinePlan>& plan, Sums& sums) {
    const std::vector<Outcome> got = cli::Run(test, plan);
    const std::string differences = Compare(test.expected, got);
    if (differences.empty()) {
      ++sums.passed;
      std::printf("  ok    %s\n", test.name.c_str());
      return;
    }
    if (options_.update) {
      ++sums.updated;
      changed_.emplace_back(&test, got);
      std::printf("  new   %s\n", test.name.c_str());
      return;
    }
    ++sums.failed;
    std::printf("  FAIL  %s (%s:%d)\n%s", test.name.c_str(), path_.c_str(), test.place.line, differences.c_str());
  }

  // Replaces the `expect:` blocks, from the last to the first; everything else, comments
  // too, stays.
  bool WriteUpdates() {
    std::vector<std::string> lines;
    std::istringstream in(text_);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    for (auto change = changed_.rbegin(); change != changed_.rend(); ++change) {
      const TestCase& test = *change->first;
      size_t first = 0;
      size_t last = 0;
      size_t indent = static_cast<size_t>(std::max(test.place.column - 1, 0));
      if (test.expect_key.line > 0) {
        first = static_cast<size_t>(test.expect_key.line) - 1;
        indent = static_cast<size_t>(test.expect_key.column) - 1;
      } else {
        first = EndOfBlock(lines, static_cast<size_t>(test.place.line) - 1, indent);
      }
      last = test.expect_key.line > 0 ? EndOfBlock(lines, first, indent + 1) : first;
      if (test.expect_key.line > 0 && lines[first].find_first_not_of(' ') < indent) {
        std::fprintf(stderr, "%s:%d: write `expect:` on a line of its own, then it can be updated\n", path_.c_str(),
                     test.expect_key.line);
        return false;
      }
      lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(first), lines.begin() + static_cast<std::ptrdiff_t>(last));
      std::istringstream fresh(ExpectYaml(change->second, indent));
      for (std::string line; std::getline(fresh, line); ++first) {
        lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(first), line);
      }
    }
    std::ofstream out(path_, std::ios::trunc);
    for (const std::string& line : lines) out << line << '\n';
    out.flush();
    if (!out) std::fprintf(stderr, "%s cannot be written\n", path_.c_str());
    return static_cast<bool>(out);
  }

  // The first line after `first` that is indented by less than `indent`; trailing empty
  // lines and comments stay with what follows.
  static size_t EndOfBlock(const std::vector<std::string>& lines, size_t first, size_t indent) {
    size_t end = first + 1;
    for (size_t i = first + 1; i < lines.size(); ++i) {
      const size_t text = lines[i].find_first_not_of(' ');
      if (text == std::string::npos || lines[i][text] == '#') continue;
      if (text < indent && !(lines[i][text] == '-' && text + 1 == indent)) break;
      end = i + 1;
    }
    return end;
  }

  const std::string path_;
  const TestOptions& options_;
  std::string text_;
  Diagnostics diagnostics_;
  metrics::Registry registry_;
  config::Node tree_;
  TestFile file_;
  app::Settings settings_;
  std::vector<std::shared_ptr<const stage::PipelinePlan>> plans_;
  std::vector<std::pair<const TestCase*, std::vector<Outcome>>> changed_;
};

}  // namespace

int Test(const Words& words) {
  TestOptions options;
  config::FlagSet flags("agent test");
  options.Declare(flags);
  Words files;
  int code = 0;
  if (!ParseWords(flags, CommandNamed("test"), words, files, code)) return code;
  if (files.empty()) {
    std::fputs("usage: agent test [--update] FILE...  (docs/TESTING-PIPELINES.md)\n", stderr);
    return kUsageError;
  }
  Sums sums;
  bool good = true;
  for (const std::string& file : files) {
    std::printf("%s\n", file.c_str());
    good = FileRunner(file, options).Run(sums) && good;
  }
  std::printf("%zu passed, %zu failed%s\n", sums.passed, sums.failed,
              sums.updated > 0 ? fmt::format(", {} updated", sums.updated).c_str() : "");
  return good && sums.failed == 0 ? 0 : 1;
}

}  // namespace agent::cli
