// SPDX-License-Identifier: Apache-2.0
// The program: command line in, exit code out.
#pragma once

namespace agent::app {

int Main(int argc, char** argv);

}  // namespace agent::app
