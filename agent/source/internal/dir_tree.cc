// SPDX-License-Identifier: Apache-2.0
#include "agent/source/internal/dir_tree.h"

#include <algorithm>
#include <cerrno>

#include "agent/core/log.h"
#include "agent/source/internal/rotated_names.h"

namespace agent::source {

using platform::FileType;
using platform::Glob;
using Kind = Glob::Segment::Kind;
namespace watch = platform::watch;

namespace {

constexpr uint32_t kStructure = watch::kCreate | watch::kDelete | watch::kMovedFrom | watch::kMovedTo |
                                watch::kDeleteSelf | watch::kMoveSelf;
constexpr uint32_t kWrites = watch::kModify | watch::kAttrib;
constexpr size_t kDeepest = 64;

// Of a name: not what stays as it is, such as a link to itself.
bool MayPass(const Error& error) {
  return error.code != Code::kNotFound && error.code != Code::kPermission && error.sys_errno != ELOOP;
}

}  // namespace

DirTree::~DirTree() {
  if (watcher_ == nullptr) return;
  for (const auto& [number, nodes] : by_watch_) watcher_->Unwatch(number);
}

// -- the walk --

void DirTree::AddPatterns(std::vector<std::pair<PatternId, Glob>> patterns) {
  std::set<State> states;
  for (auto& [id, glob] : patterns) {
    auto& kept = patterns_[id];
    kept = std::make_unique<Glob>(std::move(glob));
    for (const Glob::Alternative& alternative : kept->alternatives()) AddClosed(states, {id, &alternative, 0});
  }
  AddStates("/", std::move(states));
  Run();
}

void DirTree::RemovePatterns(const std::set<PatternId>& patterns) {
  std::vector<std::string> paths;
  for (auto& [path, node] : nodes_) {
    const size_t removed =
        std::erase_if(node->states, [&](const State& state) { return patterns.contains(state.pattern); });
    if (removed > 0) paths.push_back(node->path);
  }
  for (const std::string& path : paths) {
    EraseIfUnused(path);
    if (Node* node = Find(path)) Arm(*node);
  }
  for (const PatternId id : patterns) patterns_.erase(id);
}

// A `**` also stands for no directory at all.
void DirTree::AddClosed(std::set<State>& states, State state) {
  while (states.insert(state).second && SegmentOf(state).kind == Kind::kAnyDepth && !IsLast(state)) ++state.segment;
}

// False: it is there already.
bool DirTree::Insert(std::vector<State>& states, const State& state) {
  const auto at = std::lower_bound(states.begin(), states.end(), state);
  if (at != states.end() && *at == state) return false;
  states.insert(at, state);
  return true;
}

void DirTree::AddStates(const std::string& path, std::set<State> states) {
  Node* node = Ensure(path);
  if (node == nullptr) return;
  std::vector<State> added;
  for (const State& state : states) {
    if (Insert(node->states, state)) added.push_back(state);
  }
  if (!added.empty()) work_.push_back({path, std::move(added)});
}

void DirTree::Run() {
  while (!work_.empty()) {
    std::vector<Work> now;
    now.swap(work_);
    // A directory that many patterns lead to is gone through once, not once for each.
    for (auto work = now.begin(); work != now.end();) {
      Work& first = *work;
      for (++work; work != now.end() && work->path == first.path; ++work) {
        first.states.insert(first.states.end(), work->states.begin(), work->states.end());
      }
      std::sort(first.states.begin(), first.states.end());
      Expand(first.path, first.states);
    }
  }
}

void DirTree::Expand(const std::string& path, const std::vector<State>& states) {
  TryLiterals(path, states);
  Node* node = Find(path);
  if (node == nullptr) return;
  const int watch_before = node->watch;
  Arm(*node);
  const bool newly_watched = node->watch != watch_before;
  const bool all_literal =
      std::all_of(states.begin(), states.end(), [](const State& s) { return SegmentOf(s).kind == Kind::kLiteral; });
  if (!all_literal) List(path, states);
  // What was made between the look and the watch.
  if (newly_watched) TryLiterals(path, states);
}

void DirTree::TryLiterals(const std::string& path, const std::vector<State>& states) {
  for (const State& state : states) {
    const Glob::Segment& segment = SegmentOf(state);
    if (segment.kind != Kind::kLiteral) continue;
    const std::string child = platform::Join(path, segment.text);
    const auto stat = fs_.LinkStat(child);
    if (stat) Try(path, segment.text, stat->type, {state});
    else if (stat.error().code != Code::kNotFound) NotNow(path, stat.error());
    else if (IsLast(state)) listener_.RotatedAppeared(child, {state.pattern});  // perhaps: it is not listed
  }
}

void DirTree::List(const std::string& path, const std::vector<State>& states) {
  auto entries = fs_.List(path);
  if (!entries && entries.error().code != Code::kNotFound) NotNow(path, entries.error());
  if (!entries) return;
  std::sort(entries->begin(), entries->end(),
            [](const platform::DirEntry& a, const platform::DirEntry& b) { return a.name < b.name; });
  for (const platform::DirEntry& entry : *entries) Try(path, entry.name, entry.type, states);
}

void DirTree::Try(const std::string& directory, const std::string& name, FileType type,
                  const std::vector<State>& states) {
  std::set<State> below;
  std::vector<PatternId> matched;
  for (const State& state : states) {
    const Glob::Segment& segment = SegmentOf(state);
    if (!segment.Matches(name)) continue;
    if (IsLast(state)) matched.push_back(state.pattern);
    if (segment.kind == Kind::kAnyDepth) AddClosed(below, state);
    else if (!IsLast(state)) AddClosed(below, {state.pattern, state.alternative, state.segment + 1});
  }
  const Node* node = Find(directory);
  const bool pinned = node != nullptr && node->pins > 0;
  if (matched.empty() && below.empty() && !pinned) {
    if (type != FileType::kDirectory) TryUnrotated(directory, name, states);
    return;
  }
  const std::string path = platform::Join(directory, name);
  bool loop = false;
  if (type == FileType::kSymlink || type == FileType::kUnknown) {
    const auto stat = fs_.Stat(path);
    if (!stat && MayPass(stat.error())) NotNow(directory, stat.error());
    type = stat ? stat->type : FileType::kUnknown;
    loop = stat && stat->type == FileType::kDirectory && IsLoop(path, *stat);
  }
  if (type == FileType::kDirectory) {
    if (!below.empty() && !loop) AddStates(path, std::move(below));
    return;
  }
  matched.erase(std::unique(matched.begin(), matched.end()), matched.end());
  if (!matched.empty() || pinned) listener_.Appeared(path, matched);
  TryUnrotated(directory, name, states);
}

void DirTree::TryUnrotated(const std::string& directory, const std::string& name, const std::vector<State>& states) {
  for (size_t at = name.find_first_of(".-_", 1); at != std::string::npos; at = name.find_first_of(".-_", at + 1)) {
    const std::string_view base = std::string_view(name).substr(0, at);
    if (!IsRotatedName(base, name)) continue;
    std::vector<PatternId> matched;
    for (const State& state : states) {
      if (IsLast(state) && SegmentOf(state).Matches(base)) matched.push_back(state.pattern);
    }
    if (!matched.empty()) listener_.RotatedAppeared(platform::Join(directory, base), matched);
  }
}

// A link to a directory that it lies in.
bool DirTree::IsLoop(const std::string& path, const platform::FileStat& stat) {
  size_t depth = 0;
  for (std::string_view up = platform::DirectoryOf(path);; up = platform::DirectoryOf(up)) {
    const auto above = fs_.Stat(std::string(up));
    if (above && above->inode == stat.inode && above->device == stat.device) return true;
    if (up == "/" || ++depth > kDeepest) return depth > kDeepest;
  }
}

// -- nodes and their watches --

DirTree::Node* DirTree::Find(const std::string& path) {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : found->second.get();
}

// What the disk cannot tell now counts as there: the next look finds which it is, or none.
bool DirTree::Identify(Node& node) {
  const auto stat = fs_.Stat(node.path);
  if (!stat && stat.error().code != Code::kNotFound) {
    NotNow(node.path, stat.error());
    node.exists = node.list_again = true;
    node.device = node.inode = 0;
    return true;
  }
  node.exists = stat && stat->type == FileType::kDirectory;
  if (!node.exists) return false;
  node.device = stat->device;
  node.inode = stat->inode;
  node.modified_ns = stat->modified_ns;
  node.list_again = true;
  return true;
}

DirTree::Node* DirTree::Ensure(const std::string& path) {
  if (Node* found = Find(path); found != nullptr) {
    if (!found->exists) Identify(*found);
    return found->exists ? found : nullptr;
  }
  auto node = std::make_unique<Node>();
  node->path = path;
  if (!Identify(*node)) return nullptr;
  return nodes_.emplace(node->path, std::move(node)).first->second.get();
}

bool DirTree::NeedsWatch(const Node& node) const {
  if (node.pins > 0) return true;
  return std::any_of(node.states.begin(), node.states.end(), [&](const State& state) {
    const Glob::Segment& segment = SegmentOf(state);
    if (segment.kind != Kind::kLiteral || IsLast(state)) return true;
    const auto child = nodes_.find(platform::Join(node.path, segment.text));
    return child == nodes_.end() || !child->second->exists;  // pinned by a deleted file, and gone
  });
}

uint32_t DirTree::MaskFor(const Node& node) const {
  const bool files = node.pins > 0 || std::any_of(node.states.begin(), node.states.end(), [](const State& state) {
                       return IsLast(state) || SegmentOf(state).kind == Kind::kAnyDepth;
                     });
  return kStructure | (files && !node.quiet ? kWrites : 0);
}

void DirTree::Arm(Node& node) {
  if (!node.exists || !NeedsWatch(node)) {
    Disarm(node);
    return;
  }
  const uint32_t mask = MaskFor(node);
  if (node.watch >= 0 && node.mask == mask) return;
  auto [remote, unknown_device] = remote_.try_emplace(node.device, false);
  if (unknown_device) {
    const auto space = fs_.Space(node.path);
    remote->second = space && space->remote;
    if (remote->second) ReportFailure({Code::kNotFound, node.path + " is on a network or user-space file system"});
  }
  if (watcher_ == nullptr || remote->second) {
    SetPolled(node, true);
    return;
  }
  auto number = watcher_->Watch(node.path, mask);
  if (!number) {
    if (number.error().code != Code::kNotFound) {
      ReportFailure(number.error());
      SetPolled(node, true);
    }
    return;
  }
  SetPolled(node, false);
  std::vector<Node*>& sharing = by_watch_[*number];
  if (node.watch != *number) {
    Disarm(node);
    sharing.push_back(&node);
    node.watch = *number;
  }
  node.mask = mask;
  uint32_t together = 0;
  for (const Node* other : sharing) together |= other->mask;
  if (together != mask) (void)watcher_->Watch(node.path, together).has_value();
}

void DirTree::Disarm(Node& node) {
  SetPolled(node, false);
  if (node.watch < 0) return;
  const auto found = by_watch_.find(node.watch);
  if (found != by_watch_.end()) {
    std::erase(found->second, &node);
    if (found->second.empty()) {
      watcher_->Unwatch(node.watch);
      by_watch_.erase(found);
    }
  }
  node.watch = -1;
  node.mask = 0;
}

void DirTree::SetPolled(Node& node, bool polled) {
  if (node.polled == polled) return;
  node.polled = polled;
  if (polled) ++polled_;
  else --polled_;
}

void DirTree::ReportFailure(const Error& error) {
  if (!reported_.insert(error.code).second) return;
  LogWarn("a directory cannot be watched with inotify; it and others like it are polled instead",
          {{"err", error.what}});
}

void DirTree::Pin(const std::string& directory) {
  Node* node = Ensure(directory);
  if (node == nullptr) {
    node = Find(directory);
    if (node == nullptr) {
      auto made = std::make_unique<Node>();
      made->path = directory;
      node = nodes_.emplace(made->path, std::move(made)).first->second.get();
    }
  }
  ++node->pins;
  Arm(*node);
}

void DirTree::Unpin(const std::string& directory) {
  Node* node = Find(directory);
  if (node == nullptr || node->pins == 0) return;
  --node->pins;
  EraseIfUnused(directory);
  node = Find(directory);
  if (node != nullptr) Arm(*node);
}

bool DirTree::SetQuiet(const std::string& directory, bool quiet) {
  Node* node = Find(directory);
  if (node == nullptr || node->watch < 0) return false;
  const std::vector<Node*> sharing = by_watch_[node->watch];
  for (Node* other : sharing) other->quiet = quiet;
  for (Node* other : sharing) Arm(*other);
  return true;
}

bool DirTree::Polled(const std::string& directory) const {
  const auto found = nodes_.find(directory);
  return found != nodes_.end() && found->second->polled;
}

// Forgets a directory and all below it; pinned ones stay, without a watch.
void DirTree::Drop(const std::string& path) {
  std::vector<std::string> gone;
  const std::string prefix = path == "/" ? path : path + "/";
  if (nodes_.contains(path)) gone.push_back(path);
  for (auto it = nodes_.upper_bound(prefix); it != nodes_.end() && it->first.starts_with(prefix); ++it) {
    gone.push_back(it->second->path);
  }
  for (const std::string& each : gone) {
    Node* node = Find(each);
    Disarm(*node);
    node->exists = false;
    node->states.clear();
    EraseIfUnused(each);
  }
  listener_.DirectoryGone(path);
}

void DirTree::EraseIfUnused(const std::string& path) {
  Node* node = Find(path);
  if (node == nullptr || node->pins > 0 || !node->states.empty()) return;
  Disarm(*node);
  failed_.erase(path);
  nodes_.erase(path);
}

void DirTree::NotNow(const std::string& path, const Error& error) {
  if (failed_.insert(path).second) LogWarn("cannot look at a directory; trying again", {{"err", error.what}});
}

// A child is gone: await it again, and look whether it is back already. Nothing else may tell: the
// event may be lost, and a listing that was made while the child was known has added nothing.
void DirTree::Recheck(const std::string& child) {
  if (child == "/") return;
  const std::string directory(platform::DirectoryOf(child));
  Node* node = Find(directory);
  if (node == nullptr) return;
  const std::vector<State> states = node->states;
  Arm(*node);
  TryLiterals(directory, states);
  const auto back = fs_.LinkStat(child);
  if (back) Try(directory, std::string(platform::BaseOf(child)), back->type, states);
  else if (back.error().code != Code::kNotFound) NotNow(directory, back.error());
}

void DirTree::Rescan(Scope scope, bool force) {
  std::string path;
  for (auto it = nodes_.begin(); it != nodes_.end(); it = nodes_.upper_bound(path)) {
    path = it->first;
    const bool failed = failed_.contains(path);
    if (scope == Scope::kAll || it->second->polled || failed) RescanNode(path, force || failed);
    Run();
  }
}

void DirTree::RescanNode(const std::string& path, bool force) {
  Node* node = Find(path);
  const auto stat = fs_.Stat(path);
  if (!stat && stat.error().code != Code::kNotFound) {
    NotNow(path, stat.error());
    return;
  }
  failed_.erase(path);
  if (!node->exists) {
    if (stat && Identify(*node)) Arm(*node);
    return;
  }
  if (node->inode == 0 && stat && stat->type == FileType::kDirectory) {  // it could not be told before
    node->device = stat->device;
    node->inode = stat->inode;
  }
  if (!stat || stat->type != FileType::kDirectory || stat->inode != node->inode || stat->device != node->device) {
    Drop(path);
    Recheck(path);
    return;
  }
  const bool changed = stat->modified_ns != node->modified_ns;
  if (!changed && !node->list_again && !force) return;
  // A change in the same clock tick as the listing would look like none: list once more.
  node->list_again = changed;
  node->modified_ns = stat->modified_ns;
  const std::vector<State> states = node->states;
  // Another directory with the same number has no watch, and the event that told may be lost.
  if (force) node->mask = 0;
  Arm(*node);
  if (!states.empty()) Expand(path, states);
  // A listing shows what rotation left; where none is needed, something may have changed.
  for (const State& state : states) {
    const Glob::Segment& segment = SegmentOf(state);
    if (segment.kind != Kind::kLiteral || !IsLast(state)) continue;
    listener_.RotatedAppeared(platform::Join(path, segment.text), {state.pattern});
  }
}

}  // namespace agent::source
