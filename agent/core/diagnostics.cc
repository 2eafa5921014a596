// SPDX-License-Identifier: Apache-2.0
#include "agent/core/diagnostics.h"

#include <algorithm>
#include <tuple>

namespace agent {

void Diagnostics::AddError(Place place, std::string_view key, std::string_view message) {
  ++errors_;
  all_.push_back({Diagnostic::Severity::kError, std::move(place), std::string(key), std::string(message)});
}

void Diagnostics::AddWarning(Place place, std::string_view key, std::string_view message) {
  all_.push_back({Diagnostic::Severity::kWarning, std::move(place), std::string(key), std::string(message)});
}

std::string Diagnostics::Text() const {
  std::vector<const Diagnostic*> sorted;
  for (const Diagnostic& d : all_) sorted.push_back(&d);
  std::stable_sort(sorted.begin(), sorted.end(), [](const Diagnostic* a, const Diagnostic* b) {
    return std::tie(a->place.file, a->place.line, a->place.column) <
           std::tie(b->place.file, b->place.line, b->place.column);
  });
  std::string out;
  for (const Diagnostic* d : sorted) {
    if (!d->place.file.empty()) out += d->place.file + ":";
    if (d->place.line > 0) {
      out += std::to_string(d->place.line) + ":" + std::to_string(d->place.column) + ":";
    }
    if (!out.empty() && out.back() == ':') out += ' ';
    out += d->severity == Diagnostic::Severity::kError ? "error: " : "warning: ";
    if (!d->key.empty()) out += d->key + ": ";
    out += d->message + "\n";
  }
  return out;
}

}  // namespace agent
