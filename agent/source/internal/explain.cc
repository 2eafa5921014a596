// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "agent/source/internal/rotated_names.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {
namespace {

GenerationView ViewOf(const Generation& generation) {
  GenerationView view;
  view.location = generation.place == Place::kDeleted ? std::string_view() : generation.location();
  view.inode = generation.identity.inode;
  view.start = generation.file->start_offset;
  view.read = generation.file->read_offset.load(std::memory_order_relaxed);
  view.committed = generation.file->committed_offset.load(std::memory_order_relaxed);
  view.size = generation.size;
  view.lines = generation.file->lines.load(std::memory_order_relaxed);
  view.dropped = generation.file->dropped_lines.load(std::memory_order_relaxed);
  view.last_drop = generation.file->last_drop.load(std::memory_order_relaxed);
  view.last_data_ns = generation.file->last_data_ns.load(std::memory_order_relaxed);
  view.finished = generation.finished();
  view.abandoned = generation.file->abandoned.load(std::memory_order_relaxed);
  return view;
}

FileView ViewOf(const Chain& chain) {
  FileView view;
  view.path = chain.path;
  view.target = chain.slot->target;
  view.trouble = chain.trouble;
  view.sys_errno = chain.sys_errno;
  if (chain.excluded) view.state = FileState::kExcluded;
  else if (!chain.trouble.empty()) view.state = chain.ignored ? FileState::kIgnored : FileState::kUnreadable;
  else if (chain.current == nullptr) view.state = FileState::kWaiting;
  for (const auto& generation : chain.generations) view.generations.push_back(ViewOf(*generation));
  return view;
}

std::string Sentence(const FileView& view) {
  const std::string of = fmt::format("{} (job \"{}\", pattern {})", view.path, view.target->job, view.target->path);
  switch (view.state) {
    case FileState::kFollowed: return of + " is read.";
    case FileState::kWaiting: return of + " is not there now; an older generation of it is still being read.";
    case FileState::kUnreadable: return of + " cannot be read, and is tried again: " + view.trouble + ".";
    case FileState::kIgnored: return of + " is not read: " + view.trouble + ".";
    case FileState::kExcluded: return of + " is excluded: " + view.trouble + ".";
  }
  return of;
}

}  // namespace

std::vector<FileView> Tailer::Impl::Files() const {
  std::vector<FileView> views;
  for (const auto& [path, chain] : chains_) {
    views.push_back(ViewOf(*chain));
    views.back().seconds_to_loss = SecondsToLoss(*chain);
  }
  return views;
}

std::vector<std::string> Tailer::Impl::Explain(const std::string& path) const {
  std::vector<std::string> lines;
  const auto [first, last] = chains_.equal_range(path);
  for (auto it = first; it != last; ++it) {
    const FileView view = ViewOf(*it->second);
    lines.push_back(Sentence(view));
    for (const GenerationView& generation : view.generations) {
      lines.push_back(fmt::format("  inode {}{}: {} of {} bytes read, {} stored{}.", generation.inode,
                                  generation.location.empty() ? " (deleted)" : " at " + generation.location,
                                  generation.read, generation.size, generation.committed,
                                  generation.finished ? ", complete" : ""));
    }
  }
  const auto [here, end] = by_location_.equal_range(path);
  for (auto it = here; it != end && lines.empty(); ++it) {
    lines.push_back(fmt::format("{} is an older generation of {}, and is read as such.", path, it->second->chain->path));
  }
  for (const auto& [id, slot] : slots_) {
    if (slot->retired || !slot->glob.Matches(path)) continue;
    if (slot->exclude && slot->exclude->Matches(path)) {
      lines.push_back(fmt::format("Job \"{}\" would read it by {}, but __path_exclude__ {} matches it too.",
                                  slot->target->job, slot->target->path, slot->target->exclude));
    } else if (lines.empty()) {
      const auto stat = parts_.fs.Stat(path);
      lines.push_back(stat ? fmt::format("Job \"{}\" matches it by {}; it will be opened at the next look.",
                                         slot->target->job, slot->target->path)
                           : fmt::format("Job \"{}\" waits for it by {}: {}.", slot->target->job, slot->target->path,
                                         stat.error().what));
    }
  }
  if (lines.empty()) lines.push_back(fmt::format("No target's __path__ matches {}.", path));
  return lines;
}

}  // namespace agent::source
