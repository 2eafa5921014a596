// SPDX-License-Identifier: Apache-2.0
#include "agent/app/app.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "agent/app/agent.h"
#include "agent/app/command_line.h"
#include "agent/app/dry_run.h"
#include "agent/app/foreground.h"
#include "agent/app/settings.h"
#include "agent/app/version.h"
#include "agent/core/log.h"

namespace agent::app {
namespace {

constexpr int kUsageError = 2;

void Print(std::FILE* to, const std::string& text) { std::fwrite(text.data(), 1, text.size(), to); }

bool IsTerminal() {
  const char* term = std::getenv("TERM");
  const char* no_colour = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) == 1 && no_colour == nullptr && (term == nullptr || std::string(term) != "dumb");
}

int CheckSyntax(const CommandLine& line) {
  if (line.config_file.empty()) {
    std::puts("Invalid config file");
    return 1;
  }
  Diagnostics diagnostics;
  metrics::Registry registry;
  LoadSettings(line, true, diagnostics, registry);
  Print(stderr, diagnostics.Text());
  if (!diagnostics.ok()) return 1;
  std::puts("Valid config file! No syntax issues found");
  return 0;
}

void LogConfigReversed(std::string text) {
  while (!text.empty()) {
    if (text.back() == '\n') text.pop_back();
    const size_t start = text.rfind('\n') + 1;  // npos + 1 is 0
    std::fprintf(stderr, "level=info type=config line=\"%s\"\n", text.substr(start).c_str());
    text.erase(start);
  }
}

void ShowConfiguration(const CommandLine& line, const Settings& settings) {
  if (line.print_config) Print(stderr, "---\n# Loki Config\n# (version=" + Version() + ")\n" + settings.Text() + "\n");
  if (line.log_config_reverse) LogConfigReversed(settings.Text());
}

int DryRun(const CommandLine& line) {
  const DryRunOutput output{.out = stdout, .colour = IsTerminal() && line.output == "text"};
  if (line.config_file.empty() && !line.from_stdin) return DryRunFiles(line, nullptr, output);
  Diagnostics diagnostics;
  metrics::Registry registry;
  const Settings settings = LoadSettings(line, false, diagnostics, registry);
  Print(stderr, diagnostics.Text());
  if (!diagnostics.ok()) return 1;
  ShowConfiguration(line, settings);
  if (!line.files.empty()) return DryRunFiles(line, &settings, output);
  // Promtail's own forms of it.
  const DryRunOutput promtails{.out = stdout, .colour = output.colour, .entries_only = true};
  if (line.output == "text") PrintClients(settings, promtails);
  return settings.from_stdin ? RunStdin(line, settings, registry, promtails)
                             : WatchFiles(line, settings, registry, promtails);
}

int Daemon(const CommandLine& line) {
  Diagnostics diagnostics;
  metrics::Registry registry;
  auto settings = std::make_shared<Settings>(LoadSettings(line, true, diagnostics, registry));
  if (!diagnostics.ok()) {
    Print(stderr, diagnostics.Text());
    std::printf("Unable to parse config: %zu problem%s, see standard error\n", diagnostics.errors(),
                diagnostics.errors() == 1 ? "" : "s");
    return 1;
  }
  SetLogLevel(settings->server.log_level);
  SetLogJson(settings->server.log_json);
  for (const Diagnostic& warning : diagnostics.all()) {
    LogWarn("configuration", {{"key", warning.key}, {"line", warning.place.line}, {"warning", warning.message}});
  }
  ShowConfiguration(line, *settings);
  if (settings->from_stdin) return RunStdin(line, *settings, registry, {});
  Agent agent(line, settings, registry);
  if (Status started = agent.Start(); !started) {
    LogError("cannot start", {{"err", started.error().what}});
    return 1;
  }
  LogInfo("started", {{"version", Version()}, {"config", settings->file.empty() ? "(built in)" : settings->file}});
  return agent.RunUntilSignal();
}

}  // namespace

int Main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 1 && (words[0] == "-help-all" || words[0] == "--help-all")) {
    Print(stdout, FlagHelp());
    return kUsageError;
  }
  auto line = ParseCommandLine(words);
  if (!line) {
    Print(stderr, line.error().what + "\nRun 'agent -help' for the flags.\n");
    return kUsageError;
  }
  if (line->help) {
    Print(stdout, ShortHelp());
    return kUsageError;
  }
  if (line->check_syntax) return CheckSyntax(*line);
  if (line->version) {
    Print(stdout, VersionText());
    return 0;
  }
  if (line->dry_run) return DryRun(*line);
  return Daemon(*line);
}

}  // namespace agent::app
