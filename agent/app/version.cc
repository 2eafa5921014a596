// SPDX-License-Identifier: Apache-2.0
#include "agent/app/version.h"

#include "agent/app/version_numbers.h"

namespace agent::app {

std::string Version() { return AGENT_VERSION; }
std::string Revision() { return AGENT_REVISION; }

std::string VersionText() {
  return "agent, version " + Version() + " (revision: " + Revision() + ")\n  compiler:  " AGENT_COMPILER
         "\n  platform:  " AGENT_PLATFORM "\n";
}

}  // namespace agent::app
