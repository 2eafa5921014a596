// SPDX-License-Identifier: Apache-2.0
// Kubernetes pods in a dry run, which asks no cluster: pods are those whose log files
// are there, and their discovery labels are what a path tells. Pure.
#pragma once

#include <string>

#include "agent/app/settings.h"

namespace agent::app {

// The same scrape config, its kubernetes_sd_configs read from the kubelet's directory.
// One without them comes back as it is.
ScrapeConfig PodsFromPaths(ScrapeConfig scrape);

// One sentence on the metadata that relabelling rules ask for and no path tells; empty
// if there is none.
std::string NoteOnPaths(const Settings& settings);

}  // namespace agent::app
