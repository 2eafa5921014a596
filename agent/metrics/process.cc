// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace agent::metrics {
namespace {

struct Stat {
  bool good = false;
  int64_t threads = 0;
  double start_ticks = 0;
  uint64_t virtual_bytes = 0;
  uint64_t resident_pages = 0;
};

// proc(5), /proc/PID/stat: the fields after the name, which is in parentheses and may
// hold anything; the first of them is number 3.
Stat ReadStat() {
  Stat stat;
  std::ifstream in("/proc/self/stat");
  std::string text;
  std::getline(in, text);
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return stat;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 20; ++field) fields >> skipped;
  fields >> stat.threads >> skipped >> stat.start_ticks >> stat.virtual_bytes >> stat.resident_pages;
  stat.good = !fields.fail();
  return stat;
}

double BootTime() {
  std::ifstream in("/proc/stat");
  std::string word;
  double seconds = 0;
  while (in >> word) {
    if (word == "btime" && in >> seconds) return seconds;
  }
  return 0;
}

double CpuSeconds() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

uint64_t ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  uint64_t pages = 0;
  uint64_t resident = 0;
  in >> pages >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

ProcessMetrics::ProcessMetrics(Registry& registry)
    : cpu_seconds_(registry.GetCounter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")),
      resident_(registry.GetGauge("process_resident_memory_bytes", "Resident memory size in bytes.")),
      virtual_(registry.GetGauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")),
      open_fds_(registry.GetGauge("process_open_fds", "Number of open file descriptors.")),
      max_fds_(registry.GetGauge("process_max_fds", "Maximum number of open file descriptors.")),
      threads_(registry.GetGauge("process_threads", "Number of threads.")),
      start_time_(registry.GetGauge("process_start_time_seconds",
                                    "Start time of the process since unix epoch in seconds.")) {}

void ProcessMetrics::Collect() {
  cpu_seconds_.Add(CpuSeconds() - cpu_seconds_.Value());
  if (const Stat stat = ReadStat(); stat.good) {
    resident_.Set(static_cast<double>(stat.resident_pages) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    virtual_.Set(static_cast<double>(stat.virtual_bytes));
    threads_.Set(static_cast<double>(stat.threads));
    start_time_.Set(BootTime() + stat.start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK)));
  }
  std::error_code error;
  std::filesystem::directory_iterator fds("/proc/self/fd", error);
  if (!error) open_fds_.Set(static_cast<double>(std::distance(begin(fds), end(fds)) - 1));  // without its own
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) max_fds_.Set(static_cast<double>(limit.rlim_cur));
}

}  // namespace agent::metrics
