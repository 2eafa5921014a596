// SPDX-License-Identifier: Apache-2.0
// Which version this is; from CMake and git.
#pragma once

#include <string>

namespace agent::app {

std::string Version();      // "0.1.0"
std::string Revision();     // the commit, or "unknown"
std::string VersionText();  // the block of --version

}  // namespace agent::app
