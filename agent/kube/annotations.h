// SPDX-License-Identifier: Apache-2.0
// What a pod asks for by its annotations, if the configuration lets it:
//   sluice.io/exclude: "true"                       its logs are not read
//   sluice.io/pipeline: NAME                        the pipeline of that name
//   sluice.io/multiline-firstline: REGEX            lines are joined before the pipeline
// They reach here as discovered labels (__meta_kubernetes_pod_annotation_sluice_io_...).
// A bad annotation is reported and has no effect. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/model/label_set.h"

namespace agent::kube {

struct PodWishes {
  bool exclude = false;
  std::string pipeline;             // empty: the scrape config's own
  std::string multiline_firstline;  // empty: none; else a good regular expression
  std::vector<std::string> problems;  // one sentence each, with the pod

  bool any() const { return exclude || !pipeline.empty() || !multiline_firstline.empty(); }
};

// `pipelines`: the names that exist.
PodWishes ReadWishes(const LabelMap& discovered, const std::vector<std::string>& pipelines);

// Whether this is a label that ReadWishes reads (for PodWatcherOptions::wanted).
bool IsWish(std::string_view label);

}  // namespace agent::kube
