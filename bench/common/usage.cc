// SPDX-License-Identifier: Apache-2.0
#include "bench/common/usage.h"

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {
namespace {

// VmHWM, not ru_maxrss: the latter remembers the size of whoever called exec.
uint64_t PeakRssKib() {
  uint64_t peak = 0;
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, "VmHWM:", 6) == 0) peak = std::strtoull(line + 6, nullptr, 10);
  }
  std::fclose(file);
  return peak;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

Usage UsageSoFar() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return {Seconds(usage.ru_utime), Seconds(usage.ru_stime), PeakRssKib()};
}

}  // namespace bench
