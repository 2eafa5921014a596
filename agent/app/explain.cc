// SPDX-License-Identifier: Apache-2.0
// The part of AgentStatus that answers "why are there no logs of ...?": the links of a
// line's way in order, each with what was found. The first broken one is the verdict.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agent/app/origins.h"
#include "agent/app/status.h"
#include "agent/kube/pod_path.h"
#include "agent/platform/glob.h"

namespace agent::app {
namespace {

using State = admin::ExplainLink::State;

constexpr size_t kMostSimilar = 10;

admin::ExplainLink Link(std::string name, bool ok, std::string text, std::string advice) {
  return {.name = std::move(name), .state = ok ? State::kOk : State::kBroken, .text = std::move(text),
          .advice = ok ? std::string() : std::move(advice)};
}

bool Names(const std::string& id, const std::string& wanted) {
  return id == wanted || id.ends_with("/" + wanted) || id == "job:" + wanted;
}

// Everything behind the first broken link is skipped; the verdict is that link.
void Conclude(admin::Explanation& out) {
  bool broken = false;
  for (admin::ExplainLink& link : out.links) {
    if (broken) {
      link.state = State::kSkipped;
      link.advice.clear();
    } else if (link.state == State::kBroken) {
      broken = true;
      out.verdict = link.text + (link.advice.empty() ? "" : " " + link.advice);
    }
  }
  if (!broken) out.verdict = "Nothing is broken: its lines are read, and Loki takes them.";
}

std::string Ago(WallNanos then, WallNanos now) {
  if (then == 0) return "never";
  return fmt::format("{:.1f} s ago", static_cast<double>(std::max<WallNanos>(now - then, 0)) / 1e9);
}

std::string Lines(uint64_t count) { return fmt::format("{} {}", count, count == 1 ? "line" : "lines"); }

}  // namespace

// -- a pod of which no file is known --

// The folders in which pods' directories may be, of every scrape config.
std::set<std::string> AgentStatus::PodRoots() const {
  std::set<std::string> roots;
  for (const auto& of_scrape : parts_.targets.all()) {
    for (const TargetOrFailure& one : of_scrape) {
      if (one.target != nullptr) roots.insert(FixedFolder(one.target->path));
    }
  }
  return roots;
}

void AgentStatus::ExplainUnknown(const admin::ExplainQuery& query, admin::Explanation& out) const {
  std::vector<std::string> directories;
  std::vector<std::string> files;
  std::string error;
  const std::set<std::string> roots = PodRoots();
  platform::Fs& fs = platform::RealFs();
  for (const std::string& root : roots) {
    const auto entries = fs.List(root);
    if (!entries) {
      error = root + ": " + entries.error().what;
      continue;
    }
    for (const platform::DirEntry& entry : *entries) {
      const auto pod = kube::ParsePodPath(platform::Join(platform::Join(root, entry.name), "c/0.log"));
      if (!pod || !Names(pod->name_space + "/" + pod->pod, query.pod)) continue;
      out.pod = pod->name_space + "/" + pod->pod;
      directories.push_back(platform::Join(root, entry.name));
      const auto containers = fs.List(directories.back());
      for (const platform::DirEntry& container : containers ? *containers : std::vector<platform::DirEntry>{}) {
        const std::string folder = platform::Join(directories.back(), container.name);
        const auto logs = fs.List(folder);
        for (const platform::DirEntry& log : logs ? *logs : std::vector<platform::DirEntry>{}) {
          if (log.name.ends_with(".log")) files.push_back(platform::Join(folder, log.name));
        }
      }
    }
  }
  const bool is_path = query.pod.starts_with("/");
  if (is_path && fs.Stat(query.pod)) files.push_back(query.pod);
  std::string where;
  for (const std::string& root : roots) where += (where.empty() ? "" : ", ") + root;
  if (directories.empty() && files.empty()) {
    const std::string text = !error.empty() ? "Directories of pods cannot be read: " + error + "."
                             : is_path      ? query.pod + " does not exist."
                             : roots.empty()
                                 ? "No scrape config of the configuration has a target."
                                 : fmt::format("No directory of a pod \"{}\" is under {} on this node.", query.pod, where);
    out.links.push_back(Link("directory", false, text,
                             !error.empty() ? "The agent's user must be able to list it, and the path must be mounted."
                                            : "Check the name, that the pod runs on this node, and the paths of the "
                                              "scrape configs."));
    return;
  }
  out.links.push_back(Link("directory", true, (directories.empty() ? files.front() : directories.front()) + " is there.", ""));
  if (files.empty()) {
    out.links.push_back(Link("files", false, "No log file is in " + directories.front() + ".",
                             "The container has not started, or has written nothing."));
    return;
  }
  out.links.push_back(Link("files", false, WhyNotRead(files.front()),
                           "Change the scrape config (see /service-discovery), or wait for the next look."));
}

// Which rule keeps a file that is there from being read.
std::string AgentStatus::WhyNotRead(const std::string& path) const {
  std::string text;
  for (const auto& of_scrape : parts_.targets.all()) {
    for (const TargetOrFailure& one : of_scrape) {
      if (one.target != nullptr && one.target->resolve) {
        LabelMap labels;
        std::string why;
        const auto glob = platform::Glob::Parse(one.target->path);
        if (glob && glob->Matches(path) && !one.target->resolve(path, labels, why)) {
          text += fmt::format("Job \"{}\" excludes {}: {}. ", one.target->job, path, why);
        }
      } else if (one.target == nullptr) {
        // A discovered target that relabelling took out, and that would have covered it.
        const auto found = one.discovered.find("__path__");
        const auto glob = found == one.discovered.end() ? Result<platform::Glob>(Fail(Code::kNotFound, ""))
                                                        : platform::Glob::Parse(found->second);
        if (glob && glob->Matches(path)) text += fmt::format("A target for {} is {}. ", path, one.why);
      }
    }
  }
  if (!text.empty()) {
    text.pop_back();
    return text;
  }
  for (const std::string& sentence : parts_.tailer.Explain(path)) text += (text.empty() ? "" : " ") + sentence;
  return text;
}

// -- one whose files are known --

admin::ExplainLink AgentStatus::ReadLink(const PodNumbers& pod) const {
  const std::string text = fmt::format("{} of {} bytes are read, the last {}.", pod.read, pod.size,
                                       Ago(pod.last_read, parts_.clock.Wall()));
  if (pod.size == 0) {
    return Link("read", false, "Its log files are empty.", "The container has written nothing.");
  }
  if (pod.read >= pod.size) return Link("read", true, text, "");
  if (parts_.budget.used() >= parts_.budget.limit()) {
    return Link("read", pod.read > 0, text + " Reading waits because the memory budget is used up.",
                "Loki does not take lines fast enough; see the link `loki`, or raise -memory-limit.");
  }
  return Link("read", pod.read > 0, text,
              "Reading has not begun: the agent is busy with other files, or the file has no line end yet.");
}

admin::ExplainLink AgentStatus::PipelineLink(const PodNumbers& pod) const {
  const std::string what = pod.lines == 0 ? "No line has come to the pipeline yet."
                                          : fmt::format("Of {}, {} left the pipeline and {} were dropped{}.", Lines(pod.lines),
                                                        pod.out, pod.dropped,
                                                        pod.last_drop.empty() ? "" : ", the last by " + pod.last_drop);
  const bool all_dropped = pod.dropped > 0 && pod.out == 0;
  return Link("pipeline", !all_dropped, all_dropped && !pod.last_drop.empty() ? "Every line is dropped by " + pod.last_drop + ". " + what : what,
              "Change that stage, or limit; `agent --dry-run FILE` shows what it does.");
}

admin::ExplainLink AgentStatus::LokiLink(const PodNumbers& pod) const {
  for (const push::ClientStatus& client : parts_.pushers.Status()) {
    if (client.last_error.empty() || pod.committed >= pod.read) continue;
    return Link("loki", false,
                fmt::format("Loki does not take its lines: {}: {}", client.url, client.last_error),
                "Nothing is lost yet: lines wait in their files until Loki takes them.");
  }
  if (pod.refusal != nullptr && pod.refusal->last >= pod.last_stored) {
    return Link("loki", false,
                fmt::format("Loki refused {} for good ({}): {}", Lines(pod.refusal->sum.lines), pod.refusal->reason,
                            pod.refusal->detail),
                "The ledger counts them; change what the reason names.");
  }
  return Link("loki", true, "No push of it fails.", "");
}

void AgentStatus::ExplainKnown(const admin::PodDetail& pod, admin::Explanation& out) const {
  const PodNumbers numbers = NumbersOf(pod);
  out.links.push_back(Link("directory", true, pod.files.front().path + " is there.", ""));
  out.links.push_back(Link("files", true, fmt::format("{} {} of it, by job \"{}\".", pod.files.size(),
                                                      pod.files.size() == 1 ? "file is read" : "files are read", pod.summary.job), ""));
  const auto unreadable = std::find_if(pod.files.begin(), pod.files.end(),
                                       [](const admin::FileDetail& file) { return file.state == "unreadable"; });
  out.links.push_back(unreadable == pod.files.end()
                          ? Link("opened", true, "They are open.", "")
                          : Link("opened", false, "It cannot be opened: " + unreadable->trouble + ".",
                                 "The agent's user must be able to read the file and to enter its directories."));
  out.links.push_back(ReadLink(numbers));
  if (numbers.loss != nullptr) {
    out.links.push_back(Link("kept", false,
                             fmt::format("{} bytes went away unread ({}): {}", numbers.loss->sum.bytes, numbers.loss->reason,
                                         numbers.loss->detail),
                             "The kubelet or the writer removed them before they were stored. Larger or more log files per "
                             "container (containerLogMaxSize, containerLogMaxFiles) give more time."));
  }
  out.links.push_back(PipelineLink(numbers));
  if (numbers.limit != nullptr) {
    out.links.push_back(Link("limits", numbers.out > 0 && numbers.last_stored > 0,
                             fmt::format("{} taken out by a limit ({}): {}.", Lines(numbers.limit->sum.lines),
                                         numbers.limit->reason, numbers.limit->detail),
                             "Raise the limit in limits_config."));
  }
  out.links.push_back(LokiLink(numbers));
  const bool stored = numbers.last_stored != 0 || (numbers.out == 0 && numbers.dropped > 0);
  out.links.push_back(numbers.last_stored != 0 || numbers.committed == 0
                          ? Link("accepted", stored, "Loki took a line of it " + Ago(numbers.last_stored, parts_.clock.Wall()) + ".",
                                 "Nothing of it has been stored since the agent started.")
                          : Link("accepted", true, "Everything of it was settled before the agent started.", ""));
  ExplainNode(out);
}

// What is wrong with the node and delays lines, or endangers the next start.
void AgentStatus::ExplainNode(admin::Explanation& out) const {
  if (parts_.tailer.polling()) {
    out.links.push_back(Link("watched", false,
                             "Lines arrive late: directories are polled, because the system's limit of inotify watches or "
                             "instances is reached.",
                             "Raise fs.inotify.max_user_watches and fs.inotify.max_user_instances on the node."));
  }
  if (!parts_.positions.trouble().empty()) {
    out.links.push_back(Link("positions", false, "Lines arrive, but positions cannot be saved: " + parts_.positions.trouble() + ".",
                             "After a restart lines would be sent again. Free the disk, or set positions.filename."));
  }
}

admin::Explanation AgentStatus::MakeExplanation(const admin::ExplainQuery& query) const {
  admin::Explanation out;
  out.pod = query.pod;
  std::vector<admin::PodDetail> pods = MakePods();
  const auto pod = std::find_if(pods.begin(), pods.end(), [&](const admin::PodDetail& one) {
    return Names(one.summary.id, query.pod) ||
           std::any_of(one.files.begin(), one.files.end(), [&](const auto& file) { return file.path == query.pod; });
  });
  if (pod == pods.end()) {
    ExplainUnknown(query, out);
    for (const admin::PodDetail& one : pods) {
      if (out.similar.size() < kMostSimilar && one.summary.id.find(query.pod) != std::string::npos) {
        out.similar.push_back(one.summary.id);
      }
    }
  } else {
    out.pod = pod->summary.id;
    out.streams = StreamsOf(pod->summary.id);
    if (!query.container.empty()) {
      std::erase_if(pod->files, [&](const auto& file) { return file.container != query.container; });
    }
    if (pod->files.empty()) {
      out.links.push_back(Link("files", false, "No file of a container \"" + query.container + "\" is known.",
                               "Its containers: " + fmt::format("{}", fmt::join(pod->summary.containers, ", ")) + "."));
    } else {
      ExplainKnown(*pod, out);
    }
  }
  Conclude(out);
  return out;
}

}  // namespace agent::app
