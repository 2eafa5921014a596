// SPDX-License-Identifier: Apache-2.0
// Canonical text of records, for tests and for people: stable, one record a line:
//   1700000000.000000123 {a="x", b="y"} "the line" [name="value"]
#pragma once

#include <string>

#include "agent/model/record.h"

namespace agent {

std::string Dump(const Record& record);
std::string Dump(const std::vector<Record*>& records);

}  // namespace agent
