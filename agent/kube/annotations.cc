// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/annotations.h"

#include <algorithm>

#include "agent/config/decode.h"
#include "agent/text/regex.h"

namespace agent::kube {
namespace {

constexpr std::string_view kPrefix = "__meta_kubernetes_pod_annotation_sluice_io_";
constexpr size_t kMaxRegex = 1024;

std::string Find(const LabelMap& labels, std::string_view name) {
  const auto found = labels.find(name);
  return found == labels.end() ? std::string() : found->second;
}

std::string Wish(const LabelMap& labels, std::string_view name) { return Find(labels, std::string(kPrefix) + std::string(name)); }

std::string PodOf(const LabelMap& labels) {
  return Find(labels, "__meta_kubernetes_namespace") + "/" + Find(labels, "__meta_kubernetes_pod_name");
}

}  // namespace

bool IsWish(std::string_view label) { return label.starts_with(kPrefix); }

PodWishes ReadWishes(const LabelMap& discovered, const std::vector<std::string>& pipelines) {
  PodWishes out;
  const auto problem = [&](std::string_view annotation, const std::string& what) {
    out.problems.push_back("pod " + PodOf(discovered) + ": annotation sluice.io/" + std::string(annotation) + ": " + what);
  };
  if (const std::string text = Wish(discovered, "exclude"); !text.empty()) {
    if (const Result<bool> flag = config::ParseGoBool(text)) {
      out.exclude = *flag;
    } else {
      problem("exclude", "\"" + text + "\" is neither true nor false; the pod is not excluded");
    }
  }
  if (const std::string name = Wish(discovered, "pipeline"); !name.empty()) {
    if (std::find(pipelines.begin(), pipelines.end(), name) != pipelines.end()) {
      out.pipeline = name;
    } else {
      const std::string guess = config::DidYouMean(name, pipelines);
      problem("pipeline", "there is no pipeline \"" + name + "\"; the default one is used" +
                              (guess.empty() ? "" : " (did you mean \"" + guess + "\"?)"));
    }
  }
  if (const std::string pattern = Wish(discovered, "multiline_firstline"); !pattern.empty()) {
    const auto regex = text::Regex::Compile(pattern);
    if (pattern.size() > kMaxRegex) {
      problem("multiline-firstline", "is longer than " + std::to_string(kMaxRegex) + " bytes; lines are not joined");
    } else if (!regex) {
      problem("multiline-firstline", "\"" + pattern + "\" is no regular expression: " + regex.error().what +
                                         "; lines are not joined");
    } else {
      out.multiline_firstline = pattern;
    }
  }
  return out;
}

}  // namespace agent::kube
