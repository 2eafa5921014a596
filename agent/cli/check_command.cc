// SPDX-License-Identifier: Apache-2.0
// `agent check`: the whole configuration is loaded, and looked at with suspicion.
#include <cstdio>

#include "agent/app/settings.h"
#include "agent/cli/internal/commands.h"
#include "agent/cli/internal/options.h"
#include "agent/cli/internal/suspicions.h"
#include "agent/core/json_text.h"

namespace agent::cli {
namespace {

void PrintJson(const Diagnostics& diagnostics) {
  std::string out = "{\"ok\":" + std::string(diagnostics.ok() ? "true" : "false") + ",\"problems\":[";
  bool first = true;
  for (const Diagnostic& one : diagnostics.all()) {
    out += first ? "{" : ",{";
    first = false;
    const bool error = one.severity == Diagnostic::Severity::kError;
    out += std::string("\"severity\":\"") + (error ? "error" : "warning") + "\",\"file\":";
    AppendJsonString(out, one.place.file);
    out += ",\"line\":" + std::to_string(one.place.line) + ",\"column\":" + std::to_string(one.place.column) + ",\"key\":";
    AppendJsonString(out, one.key);
    out += ",\"message\":";
    AppendJsonString(out, one.message);
    out += "}";
  }
  std::printf("%s]}\n", out.c_str());
}

}  // namespace

int Check(const Words& words) {
  CheckOptions options;
  config::FlagSet flags("agent check");
  options.Declare(flags);
  Words rest;
  int code = 0;
  if (!ParseWords(flags, CommandNamed("check"), words, rest, code)) return code;
  if (options.config_file.empty() && rest.size() == 1) options.config_file = rest.front();
  if (options.config_file.empty() || rest.size() > 1 || (options.output != "text" && options.output != "json")) {
    std::fputs("usage: agent check [--strict] [--output=json] --config.file=FILE\n", stderr);
    return kUsageError;
  }
  app::CommandLine line;
  line.config_file = options.config_file;
  line.expand_env = options.expand_env;
  Diagnostics diagnostics;
  metrics::Registry registry;
  const app::Settings settings = app::LoadSettings(line, true, diagnostics, registry);
  if (settings.tree != nullptr) FindSuspicions(*settings.tree, diagnostics);
  const size_t warnings = diagnostics.all().size() - diagnostics.errors();
  if (options.output == "json") {
    PrintJson(diagnostics);
  } else {
    std::fputs(diagnostics.Text().c_str(), stdout);
    std::printf("%s: %zu %s, %zu %s\n", settings.file.c_str(), diagnostics.errors(),
                diagnostics.errors() == 1 ? "error" : "errors", warnings, warnings == 1 ? "warning" : "warnings");
  }
  return !diagnostics.ok() || (options.strict && warnings > 0) ? 1 : 0;
}

}  // namespace agent::cli
