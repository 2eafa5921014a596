// SPDX-License-Identifier: Apache-2.0
// What the watcher says, and what it means for a directory and for its files.
#include <algorithm>

#include "agent/source/internal/dir_tree.h"

namespace agent::source {

using platform::FileType;
namespace watch = platform::watch;

namespace {

constexpr uint32_t kSelfGone = watch::kDeleteSelf | watch::kMoveSelf | watch::kUnmount | watch::kIgnored;
constexpr size_t kHalvesApart = 256;

}  // namespace

size_t DirTree::HandleEvents() {
  if (watcher_ == nullptr) return 0;
  std::vector<platform::WatchEvent> read;
  std::vector<Event> events;
  bool overflowed = false;
  while (watcher_->Read(read)) {
    for (const platform::WatchEvent& event : read) {
      if ((event.mask & watch::kOverflow) != 0) overflowed = true;
      else events.push_back({event.watch, event.mask, event.cookie, std::string(event.name)});
    }
    read.clear();
  }
  for (size_t i = 0; i < events.size(); ++i) {
    Dispatch(events, i);
    Run();
  }
  if (overflowed) {
    ++overflows_;
    listener_.Overflowed();
    Rescan(Scope::kAll, true);
  }
  return events.size();
}

void DirTree::Dispatch(const std::vector<Event>& events, size_t index) {
  const Event& event = events[index];
  const auto found = by_watch_.find(event.watch);
  if (found == by_watch_.end()) return;  // of a watch that was given up
  std::vector<std::string> directories;
  for (const Node* node : found->second) directories.push_back(node->path);
  for (const std::string& directory : directories) {
    if ((event.mask & kSelfGone) != 0) {
      Drop(directory);
      Recheck(directory);
    } else if ((event.mask & watch::kIsDirectory) != 0) {
      DispatchDirectory(directory, event);
    } else {
      DispatchFile(directory, events, index);
    }
  }
}

void DirTree::DispatchDirectory(const std::string& directory, const Event& event) {
  const std::string path = platform::Join(directory, event.name);
  if ((event.mask & (watch::kDelete | watch::kMovedFrom)) != 0) {
    Drop(path);
    Recheck(path);
  } else if ((event.mask & (watch::kCreate | watch::kMovedTo)) != 0) {
    const Node* known = Find(path);
    const auto stat = fs_.Stat(path);
    if (known != nullptr && !stat && stat.error().code != Code::kNotFound) NotNow(path, stat.error());
    if (known != nullptr && stat && (known->inode != stat->inode || known->device != stat->device)) Drop(path);
    const Node* node = Find(directory);
    if (node == nullptr) return;
    Try(directory, event.name, FileType::kDirectory, {node->states.begin(), node->states.end()});
    if (Node* parent = Find(directory)) Arm(*parent);
  }
}

void DirTree::DispatchFile(const std::string& directory, const std::vector<Event>& events, size_t index) {
  const Event& event = events[index];
  const std::string path = platform::Join(directory, event.name);
  if ((event.mask & watch::kModify) != 0) {
    listener_.Modified(path);
    return;
  }
  if ((event.mask & watch::kMovedFrom) != 0) {
    const Event* other = OtherHalf(events, index);
    if (other == nullptr) {
      listener_.Vanished(path);
    } else {
      const bool here = other->watch == event.watch;
      listener_.Moved(path, platform::Join(here ? directory : RealOf(other->watch), other->name));
    }
    return;
  }
  if ((event.mask & watch::kDelete) != 0) {
    listener_.Vanished(path);
    return;
  }
  const Node* node = Find(directory);
  if (node == nullptr) return;
  Try(directory, event.name, FileType::kUnknown, {node->states.begin(), node->states.end()});
}

// Of several paths of one directory the pinned one is free of symlinks.
const std::string& DirTree::RealOf(int number) const {
  const std::vector<Node*>& nodes = by_watch_.at(number);
  const auto pinned = std::find_if(nodes.begin(), nodes.end(), [](const Node* node) { return node->pins > 0; });
  return pinned == nodes.end() ? nodes.front()->path : (*pinned)->path;
}

// The kernel queues both halves of a rename at once, but other events may come between.
const DirTree::Event* DirTree::OtherHalf(const std::vector<Event>& events, size_t index) const {
  const size_t end = std::min(events.size(), index + kHalvesApart);
  for (size_t i = index + 1; i < end; ++i) {
    const Event& event = events[i];
    if (event.cookie == events[index].cookie && (event.mask & watch::kMovedTo) != 0 && by_watch_.contains(event.watch)) {
      return &event;
    }
  }
  return nullptr;
}

}  // namespace agent::source
