// SPDX-License-Identifier: Apache-2.0
// The subcommands, by name. Each takes the words after its name and returns the exit
// code of the program; it prints to stdout, and what is wrong to stderr.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "agent/config/flags.h"

namespace agent::cli {

using Words = std::vector<std::string>;

// The exit code of a command line that cannot be understood.
constexpr int kUsageError = 2;

struct Command {
  const char* name;
  const char* arguments;  // for the usage line
  const char* what;       // one line
  int (*run)(const Words& words);
  void (*declare)(config::FlagSet& flags);  // its flags, for completions
};

std::span<const Command> Commands();

// -- remote.cc: they ask a running agent --
int Explain(const Words& words);
int Tail(const Words& words);
int Targets(const Words& words);
int ShowLedger(const Words& words);
// -- pipelines without an agent --
int Test(const Words& words);    // test_command.cc
int Check(const Words& words);   // check_command.cc
int Replay(const Words& words);  // replay_command.cc
int PrintCompletion(const Words& words);

// Words that are no flags may stand anywhere. False: say so and exit with `code`.
bool ParseWords(config::FlagSet& flags, const Command& command, const Words& words, Words& rest, int& code);
const Command& CommandNamed(const char* name);

}  // namespace agent::cli
