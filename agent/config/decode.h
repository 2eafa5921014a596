// SPDX-License-Identifier: Apache-2.0
// Typed options from a configuration tree. A MapReader walks one YAML map: each Get
// names a key, a target with its default in place, and afterwards Finish() reports
// every key that nobody asked for, with a "did you mean". All problems go to the
// Diagnostics; a target keeps its default when its value is bad.
//
//   MapReader reader(node, "clients[0]", diagnostics);
//   reader.String("url", options.url);
//   reader.GoDuration("batchwait", options.batch_wait);
//   reader.Finish();
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config/node.h"
#include "agent/core/result.h"
#include "agent/core/time.h"
#include "agent/model/label_set.h"

namespace agent::config {

// -- scalars, with Promtail's rules (promtail's Go libraries name them) --
Result<Duration> ParseGoDuration(std::string_view text);          // "1h30m", "300ms", "0"
Result<Duration> ParsePrometheusDuration(std::string_view text);  // "1d", "5m", "1h30m"
Result<uint64_t> ParseBytes(std::string_view text);               // "256kb", "1MB", "17"
Result<bool> ParseGoBool(std::string_view text);                  // strconv.ParseBool
// The nearest of `candidates` within two typing errors, or empty.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);

// How a map is read: kTyped = Promtail's typed configuration (unknown keys are errors,
// keys are exact). kStrictStage / kWeakStage = a stage's options (keys in any case,
// unknown keys are a warning; strict: a number or bool where text belongs is an
// error; weak: scalars are converted).
enum class Mode { kTyped, kStrictStage, kWeakStage };

class MapReader {
 public:
  // A null node reads as an empty map; anything else but a map is an error.
  MapReader(const Node& node, std::string path, Diagnostics& diagnostics, Mode mode = Mode::kTyped);

  // Each returns true if the key is present (even if its value is bad). A null value
  // counts as absent.
  bool String(std::string_view key, std::string& out);
  bool Bool(std::string_view key, bool& out);
  bool Int(std::string_view key, int64_t& out);
  bool Unsigned(std::string_view key, uint64_t& out);
  bool Double(std::string_view key, double& out);
  bool GoDuration(std::string_view key, Duration& out);  // a bare integer is nanoseconds
  bool PrometheusDuration(std::string_view key, Duration& out);
  bool Bytes(std::string_view key, uint64_t& out);
  bool StringList(std::string_view key, std::vector<std::string>& out);
  bool StringMap(std::string_view key, LabelMap& out);
  // The raw member; null if it is absent or its value is null. Counts as known.
  const Node* Child(std::string_view key);
  // Known and accepted, but without effect here: a warning that says `why`, if present.
  void Ignore(std::string_view key, std::string_view why);
  // Known to Promtail, refused here by name.
  void Refuse(std::string_view key, std::string_view why);

  void Error(std::string_view key, std::string_view message);
  void Warning(std::string_view key, std::string_view message);
  // For keys that are missing but required.
  void Require(std::string_view key, bool present);
  // Reports unknown keys. Call it last.
  void Finish();

  const Node& node() const { return node_; }
  const std::string& path() const { return path_; }
  std::string PathOf(std::string_view key) const;
  Diagnostics& diagnostics() { return diagnostics_; }

 private:
  const Node* Known(std::string_view key);
  // Of the key's value, or of the map if the key is absent.
  Place PlaceOf(std::string_view key) const;
  // The value into `out`, or its error into the diagnostics.
  template <class T>
  void Store(std::string_view key, Result<T> value, T& out) {
    if (value) {
      out = std::move(*value);
    } else {
      Error(key, value.error().what);
    }
  }

  const Node& node_;
  std::string path_;
  Diagnostics& diagnostics_;
  Mode mode_;
  std::vector<std::string> known_;
};

}  // namespace agent::config
