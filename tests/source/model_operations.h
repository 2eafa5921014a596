// SPDX-License-Identifier: Apache-2.0
// What may happen in a sequence of the tailer's model, and how it is printed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace agent::source {

enum class Do {
  kWrite, kWritePart, kRotate, kLateWrite, kGzip, kDropOldest, kTruncate, kCopyTruncate, kDelete, kRemoveDirectory,
  kRestart, kDropOldestRun, kMeanwhile,
  kEvents, kRead, kAcknowledge, kTick, kPass, kPassLong, kKill, kStart, kStop, kOutage, kOverflow, kFaults, kHeal,
};
inline constexpr const char* kDoNames[] = {
    "write", "write part", "rotate", "late write", "gzip", "drop oldest", "truncate", "copytruncate", "delete",
    "remove directory", "restart", "drop oldest run", "meanwhile", "events", "read", "acknowledge", "tick", "pass", "pass long", "kill", "start", "stop",
    "outage", "overflow", "faults", "heal"};

struct Operation {
  Do what;
  uint32_t a = 0;
  uint32_t b = 0;
};

inline std::string Describe(const std::vector<Operation>& operations) {
  std::string out;
  for (const Operation& each : operations) {
    out += std::string(kDoNames[static_cast<int>(each.what)]) + " " + std::to_string(each.a) + " " +
           std::to_string(each.b) + "\n";
  }
  return out;
}

}  // namespace agent::source
