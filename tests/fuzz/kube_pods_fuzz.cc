// SPDX-License-Identifier: Apache-2.0
// What an API server sends: the first byte says list or watch, the second where the rest
// is cut. However it is cut, the same objects come out, and each makes the same labels;
// a pod's packed form can always be read again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "agent/kube/internal/json_splitter.h"
#include "agent/kube/internal/pod.h"

namespace {

using agent::kube::JsonSplitter;

std::vector<std::string> Objects(JsonSplitter::Kind kind, std::string_view text, size_t piece, bool& complete) {
  std::vector<std::string> out;
  JsonSplitter splitter(kind, [&](std::string_view object) {
    out.emplace_back(object);
    return true;
  });
  complete = true;
  for (size_t at = 0; at < text.size() && complete; at += piece) complete = splitter.Feed(text.substr(at, piece));
  complete = complete && splitter.Complete();
  return out;
}

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto kind = data[0] % 2 == 0 ? JsonSplitter::Kind::kItems : JsonSplitter::Kind::kObjects;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  bool complete = false;
  bool complete_in_pieces = false;
  const auto whole = Objects(kind, text, text.size() + 1, complete);
  const auto pieces = Objects(kind, text, data[1] % 16 + 1u, complete_in_pieces);
  Require(whole == pieces && complete == complete_in_pieces);
  agent::text::JsonParser parser;
  agent::Arena arena;
  for (const std::string& object : whole) {
    agent::text::JsonValue value;
    if (!parser.ParseValue(object, arena, value)) continue;
    const auto pod = agent::kube::ReadPod(value, [](std::string_view) { return false; });
    if (!pod) continue;
    agent::kube::PodDiscoveryOptions options;
    options.attach_deployment = options.attach_job = options.attach_cronjob = true;
    std::vector<agent::DiscoveredTarget> targets;
    agent::kube::AppendTargets(pod->packed, options, targets);
    for (const auto& target : targets) {
      Require(target.labels.contains("__address__") && target.labels.contains("__meta_kubernetes_pod_uid"));
    }
    Require(agent::kube::ReadPod(value, [](std::string_view) { return false; })->packed == pod->packed);
  }
  return 0;
}
