// SPDX-License-Identifier: Apache-2.0
#include "agent/model/dump.h"

#include <cstdio>

#include "agent/core/time_text.h"

namespace agent {

std::string Dump(const Record& record) {
  const auto [seconds, nanos] = Split(record.time);
  char time[48];
  std::snprintf(time, sizeof time, "%lld.%09lld ", static_cast<long long>(seconds), static_cast<long long>(nanos));
  std::string out = time;
  out += FormatLabels(record.labels == nullptr ? LabelMap{} : record.labels->ToMap());
  out += ' ';
  AppendGoQuoted(out, record.line);
  if (record.metadata != nullptr) {
    out += " [";
    for (const MetadataPair* pair = record.metadata; pair != nullptr; pair = pair->next) {
      out.append(pair->name) += '=';
      AppendGoQuoted(out, pair->value);
      if (pair->next != nullptr) out += ", ";
    }
    out += ']';
  }
  return out;
}

std::string Dump(const std::vector<Record*>& records) {
  std::string out;
  for (const Record* record : records) out += Dump(*record) + "\n";
  return out;
}

}  // namespace agent
