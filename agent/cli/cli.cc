// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/cli.h"

#include <cstdio>
#include <cstring>

#include "agent/app/app.h"
#include "agent/app/command_line.h"
#include "agent/cli/internal/commands.h"
#include "agent/cli/internal/options.h"

namespace agent::cli {
namespace {

template <class Options>
void Declared(config::FlagSet& flags) {
  static Options options;  // only its defaults are looked at
  options.Declare(flags);
}

constexpr Command kCommands[] = {
    {"explain", "POD", "why are there no logs of a pod?", &Explain, &Declared<RemoteOptions>},
    {"tail", "[--pod=P] [--label=N=V] [--grep=RE]", "lines as they are sent, live", &Tail, &Declared<TailOptions>},
    {"targets", "", "what is read, and how far", &Targets, &Declared<RemoteOptions>},
    {"ledger", "", "what was lost or dropped, and why", &ShowLedger, &Declared<RemoteOptions>},
    {"test", "FILE...", "run the unit tests of pipelines", &Test, &Declared<TestOptions>},
    {"check", "--config.file=F", "check a configuration, and what is suspicious in it", &Check, &Declared<CheckOptions>},
    {"replay", "--config.file=F --from-node-files=DIR", "everything but the push: streams, rates, labels", &Replay,
     &Declared<ReplayOptions>},
    {"completion", "bash|zsh|fish", "print the completion of a shell", &PrintCompletion, nullptr},
};

}  // namespace

std::span<const Command> Commands() { return kCommands; }

const Command& CommandNamed(const char* name) {
  for (const Command& command : kCommands) {
    if (std::strcmp(command.name, name) == 0) return command;
  }
  return kCommands[0];
}

bool ParseWords(config::FlagSet& flags, const Command& command, const Words& words, Words& rest, int& code) {
  Words left = words;
  while (true) {
    if (Status parsed = flags.Parse(left); !parsed) {
      std::fprintf(stderr, "%s\nRun 'agent %s --help' for its flags.\n", parsed.error().what.c_str(), command.name);
      code = kUsageError;
      return false;
    }
    if (flags.help_wanted()) {
      std::printf("agent %s %s\n  %s\n\n%s", command.name, command.arguments, command.what, flags.Usage().c_str());
      code = 0;
      return false;
    }
    left = flags.rest();
    if (left.empty()) return true;
    rest.push_back(left.front());
    left.erase(left.begin());
  }
}

int PrintCompletion(const Words& words) {
  const std::string text = words.size() == 1 ? Completion(words.front()) : std::string();
  if (text.empty()) {
    std::fputs("usage: agent completion bash|zsh|fish\n", stderr);
    return kUsageError;
  }
  std::fputs(text.c_str(), stdout);
  return 0;
}

int Main(int argc, char** argv) {
  if (argc > 1) {
    for (const Command& command : kCommands) {
      if (std::strcmp(command.name, argv[1]) == 0) return command.run(Words(argv + 2, argv + argc));
    }
  }
  return app::Main(argc, argv);
}

}  // namespace agent::cli
