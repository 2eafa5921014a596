// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/lookout.h"

#include <algorithm>
#include <map>

#include "agent/app/scrape.h"
#include "agent/core/log.h"

namespace agent::app {

void Lookout::Tick(MonoTime now) {
  if (now < next_) return;
  pause_ = std::min(2 * pause_, kLongest);
  next_ = now + pause_;
  const std::vector<source::FileView> files = tailer_.Files();
  LookForNothing(files, now);
  LookForExcluded(files);
  LookForSilenced(files);
}

bool Lookout::Say(std::string what) { return said_.size() < kMostSaid && said_.insert(std::move(what)).second; }

void Lookout::LookForNothing(const std::vector<source::FileView>& files, MonoTime now) {
  const bool before = nothing_;
  nothing_ = files.empty();
  if (!nothing_ && !before) return;
  if (!nothing_) {
    if (said_.erase("nothing") > 0) LogInfo("log files are found now", {{"files", files.size()}});
    return;
  }
  if (now < started_ + kPatience || !Say("nothing")) return;
  std::set<std::string> paths;
  for (const auto& of_scrape : targets_.all()) {
    for (const TargetOrFailure& one : of_scrape) {
      if (one.target != nullptr) paths.insert(one.target->path);
    }
  }
  std::string text;
  for (const std::string& path : paths) text += (text.empty() ? "" : ", ") + path;
  LogWarn("no log file is found; are the paths right, and are the directories mounted?",
          {{"paths", text.empty() ? "none: there is no target" : text}});
}

void Lookout::LookForExcluded(const std::vector<source::FileView>& files) {
  struct Sum {
    size_t files = 0;
    std::string example;
  };
  std::map<std::pair<std::string, std::string>, Sum> by_rule;
  for (const source::FileView& file : files) {
    if (file.state != source::FileState::kExcluded) continue;
    Sum& sum = by_rule[{file.target->job, file.trouble}];
    ++sum.files;
    sum.example = file.path;
  }
  for (const auto& [rule, sum] : by_rule) {
    if (!Say("excluded " + rule.first + '\0' + rule.second)) continue;
    LogInfo("files are excluded by the configuration",
            {{"job", rule.first}, {"why", rule.second}, {"files", sum.files}, {"example", sum.example}});
  }
}

void Lookout::LookForSilenced(const std::vector<source::FileView>& files) {
  if (tallies_.Silenced() == 0) return;
  for (const source::FileView& file : files) {
    const std::string pod = PodIdOf(LabelsOfFile(*file.target, file.path), file.target->job);
    const auto tally = tallies_.Find(pod);
    if (tally == nullptr || !tally->silenced() || !Say("silenced " + pod)) continue;
    const std::string* stage = nullptr;
    for (const source::GenerationView& generation : file.generations) {
      if (generation.last_drop != nullptr) stage = generation.last_drop;
    }
    LogInfo("every line of a pod is dropped so far",
            {{"pod", pod},
             {"lines", tally->lines_dropped.load(std::memory_order_relaxed)},
             {"by", stage == nullptr ? "limits_config" : *stage}});
  }
}

}  // namespace agent::app
