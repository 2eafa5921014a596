// SPDX-License-Identifier: Apache-2.0
// The directories that patterns lead through, and what happens in them.
//
// A pattern walks down the tree as a state machine over path segments: each directory
// remembers which patterns have reached it, and how far. A new name is tried against
// those states only, so a new pod costs one match per pattern and no walk. Only
// directories are watched, and of the parents of a literal path only the deepest one
// that exists (with its name in it still missing): then the child is awaited there.
//
// Fed by the Watcher's events, or by Rescan where there are none; tells a Listener which
// files appeared, moved, changed and vanished. What it tells is a hint: the listener
// looks at the file. io thread only; borrows `fs`, `watcher` (may be null) and the listener.
// Cost: one inotify watch per directory with patterns in it; a rescan is one stat per
// directory, and a listing of those that changed.
// Failure: no watch to be had (limits, remote file systems) = `polled`: the owner
// rescans often. Reported once per cause.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/core/time.h"
#include "agent/platform/fs.h"
#include "agent/platform/glob.h"
#include "agent/platform/watcher.h"

namespace agent::source {

using PatternId = uint64_t;

class TreeListener {
 public:
  virtual ~TreeListener() = default;
  // A file is (or may be) there; `patterns` match it. Also for names that no pattern
  // matches, in pinned directories.
  virtual void Appeared(const std::string& path, const std::vector<PatternId>& patterns) = 0;
  // A file that rotation may have made out of `base` is there; `patterns` match base.
  virtual void RotatedAppeared(const std::string& base, const std::vector<PatternId>& patterns) = 0;
  virtual void Vanished(const std::string& path) = 0;
  virtual void Moved(const std::string& from, const std::string& to) = 0;
  virtual void Modified(const std::string& path) = 0;
  // Everything below is gone, or may be another thing now.
  virtual void DirectoryGone(const std::string& directory) = 0;
  virtual void Overflowed() = 0;
};

class DirTree {
 public:
  DirTree(platform::Fs& fs, platform::Watcher* watcher, TreeListener& listener)
      : fs_(fs), watcher_(watcher), listener_(listener) {}
  ~DirTree();

  void AddPatterns(std::vector<std::pair<PatternId, platform::Glob>> patterns);
  void RemovePatterns(const std::set<PatternId>& patterns);
  // Watches a directory for its own sake (a file that is followed lives in it).
  void Pin(const std::string& directory);
  void Unpin(const std::string& directory);
  // Quiet: no events for writes. Returns true if the watch could be changed.
  bool SetQuiet(const std::string& directory, bool quiet);

  // Reads and dispatches what the watcher has; the number of events.
  size_t HandleEvents();
  // Looks at directories again: those that are polled or failed, or all; `force` also lists those
  // that seem unchanged.
  enum class Scope { kPolled, kAll };
  void Rescan(Scope scope, bool force);

  bool Polled(const std::string& directory) const;
  bool any_polled() const { return polled_ > 0; }
  bool any_failed() const { return !failed_.empty(); }  // to be looked at: Rescan tries again
  size_t watches() const { return by_watch_.size(); }
  size_t directories() const { return nodes_.size(); }
  uint64_t overflows() const { return overflows_; }

 private:
  struct State {  // the first `segment` segments of an alternative have matched
    PatternId pattern;
    const platform::Glob::Alternative* alternative;
    size_t segment;
    auto operator<=>(const State&) const = default;
  };
  struct Node {
    std::string path;
    std::vector<State> states;  // sorted
    uint32_t pins = 0;
    int watch = -1;
    uint32_t mask = 0;
    bool polled = false;
    bool quiet = false;
    bool exists = false;   // a pinned node outlives its directory
    bool list_again = false;
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t modified_ns = 0;  // the directory's own, when it was listed last
  };
  struct Event {
    int watch;
    uint32_t mask;
    uint32_t cookie;
    std::string name;
  };
  struct Work {
    std::string path;
    std::vector<State> states;
  };

  // -- the walk --
  void Run();
  void AddStates(const std::string& path, std::set<State> states);
  void Expand(const std::string& path, const std::vector<State>& states);
  void TryLiterals(const std::string& path, const std::vector<State>& states);
  void List(const std::string& path, const std::vector<State>& states);
  void Try(const std::string& directory, const std::string& name, platform::FileType type,
           const std::vector<State>& states);
  void TryUnrotated(const std::string& directory, const std::string& name, const std::vector<State>& states);
  static bool Insert(std::vector<State>& states, const State& state);
  static void AddClosed(std::set<State>& states, State state);
  static const platform::Glob::Segment& SegmentOf(const State& state) {
    return (*state.alternative)[state.segment];
  }
  static bool IsLast(const State& state) { return state.segment + 1 == state.alternative->size(); }
  bool IsLoop(const std::string& path, const platform::FileStat& stat);

  // -- nodes and their watches --
  Node* Find(const std::string& path);
  Node* Ensure(const std::string& path);
  bool Identify(Node& node);
  // The disk cannot tell now: Rescan looks again.
  void NotNow(const std::string& path, const Error& error);
  bool NeedsWatch(const Node& node) const;
  uint32_t MaskFor(const Node& node) const;
  void Arm(Node& node);
  void Disarm(Node& node);
  void SetPolled(Node& node, bool polled);
  void ReportFailure(const Error& error);
  void Drop(const std::string& path);
  void EraseIfUnused(const std::string& path);
  void Recheck(const std::string& child);
  void RescanNode(const std::string& path, bool force);

  // -- events --
  void Dispatch(const std::vector<Event>& events, size_t index);
  void DispatchDirectory(const std::string& directory, const Event& event);
  void DispatchFile(const std::string& directory, const std::vector<Event>& events, size_t index);
  const std::string& RealOf(int number) const;
  const Event* OtherHalf(const std::vector<Event>& events, size_t index) const;

  platform::Fs& fs_;
  platform::Watcher* watcher_;
  TreeListener& listener_;
  std::unordered_map<PatternId, std::unique_ptr<platform::Glob>> patterns_;
  std::map<std::string_view, std::unique_ptr<Node>> nodes_;  // by their paths: a subtree is a range
  std::unordered_map<int, std::vector<Node*>> by_watch_;
  std::unordered_map<uint64_t, bool> remote_;  // by device
  std::vector<Work> work_;
  size_t polled_ = 0;
  uint64_t overflows_ = 0;
  std::set<Code> reported_;
  std::set<std::string> failed_;  // to be looked at again, nodes all of them
};

}  // namespace agent::source
