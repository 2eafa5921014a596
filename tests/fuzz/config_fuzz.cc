// SPDX-License-Identifier: Apache-2.0
// Configuration text through everything that touches it: expansion, the YAML reader,
// the writer (what it writes must read back to the same tree), every Get of a
// MapReader in every mode.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/config/decode.h"
#include "agent/config/expand_env.h"
#include "agent/config/node.h"

namespace {

using namespace agent;
using namespace agent::config;

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

bool Same(const Node& a, const Node& b) {
  if (a.is_null() && b.is_null()) return true;
  if (a.kind != b.kind || a.scalar != b.scalar || a.type() != b.type()) return false;
  if (a.items.size() != b.items.size() || a.members.size() != b.members.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!Same(a.items[i], b.items[i])) return false;
  }
  for (size_t i = 0; i < a.members.size(); ++i) {
    if (a.members[i].first.scalar != b.members[i].first.scalar) return false;
    if (!Same(a.members[i].second, b.members[i].second)) return false;
  }
  return true;
}

void Decode(const Node& node, Mode mode, int depth) {
  constexpr int kDeepest = 4;
  if (depth > kDeepest) return;
  Diagnostics diagnostics;
  MapReader reader(node, "x", diagnostics, mode);
  for (const auto& [key, value] : node.members) {
    std::string text;
    bool flag = false;
    int64_t number = 0;
    double real = 0;
    Duration duration{};
    uint64_t bytes = 0;
    std::vector<std::string> list;
    LabelMap map;
    reader.String(key.scalar, text);
    reader.Bool(key.scalar, flag);
    reader.Int(key.scalar, number);
    reader.Double(key.scalar, real);
    reader.GoDuration(key.scalar, duration);
    reader.PrometheusDuration(key.scalar, duration);
    reader.Bytes(key.scalar, bytes);
    reader.StringList(key.scalar, list);
    reader.StringMap(key.scalar, map);
    if (const Node* child = reader.Child(key.scalar)) Decode(*child, mode, depth + 1);
  }
  reader.Finish();
  for (const Diagnostic& diagnostic : diagnostics.all()) Require(!diagnostic.message.empty(), "an error without words");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const EnvLookup lookup = [](std::string_view name) -> std::optional<std::string> {
    if (name.size() % 2 == 0) return std::nullopt;
    return std::string(name);
  };
  Diagnostics diagnostics;
  const std::optional<std::string> expanded = ExpandEnv(text, "f.yaml", lookup, diagnostics);
  Require(expanded.has_value() == diagnostics.ok(), "expansion failed without an error, or the reverse");
  for (const std::string_view yaml : {text, expanded ? std::string_view(*expanded) : std::string_view()}) {
    Diagnostics problems;
    const Node root = ParseYaml(yaml, "f.yaml", problems);
    static_cast<void>(problems.Text());
    for (const Mode mode : {Mode::kTyped, Mode::kStrictStage, Mode::kWeakStage}) Decode(root, mode, 0);
    if (!problems.ok()) continue;
    Diagnostics again;
    const std::string written = WriteYaml(root);
    Require(Same(ParseYaml(written, "w.yaml", again), root) && again.ok(), "what was written does not read back the same");
  }
  return 0;
}
