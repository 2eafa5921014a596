// SPDX-License-Identifier: Apache-2.0
// The program's words: `agent explain POD` and the like. Without a word of ours the
// command line is Promtail's, and app/ runs it.
#pragma once

#include <string>

namespace agent::cli {

// The exit code: 0 well; 1 it did not work, or a test failed; 2 wrong usage.
int Main(int argc, char** argv);

// For `agent completion SHELL`: bash, zsh or fish. Empty for another shell.
std::string Completion(const std::string& shell);

}  // namespace agent::cli
