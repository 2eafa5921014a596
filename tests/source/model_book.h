// SPDX-License-Identifier: Apache-2.0
// The book of the tailer's model: every line ever written, in which inode it is, under which
// names, and whether anything may excuse its loss.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/core/check.h"
#include "tests/source/tailer_world.h"

namespace agent::source {

class ModelBook : protected TailerWorld {
 protected:
  enum class Style { kKubelet, kNumeric, kCopy };
  struct Inode {
    uint64_t number = 0;  // in the file system
    uint64_t archive = 0;
    std::vector<size_t> lines;
    std::string part;    // an unterminated line
    bool ended = false;  // its last line stays unterminated
    std::set<std::string> names;
  };
  struct Line {
    std::string text;
    size_t inode = 0;
    size_t path = 0;
    bool excused = false;
    bool late = false;
    int stored = 0;
    int allowed = 1;
  };
  struct Path {
    std::string directory, log;
    Style style = Style::kKubelet;
    std::shared_ptr<testing::MemFs::Handle> writer, old_writer;
    std::optional<size_t> writing, old;  // inodes
    std::deque<std::string> rotated;     // names of plain files, oldest first
    std::vector<std::string> archives;
    std::deque<std::string> last_runs;   // paths of runs that are over, oldest first
    int rotations = 0;
    int runs = 0;
  };

  std::string NewText(size_t index) { return std::to_string(index) + ":" + std::to_string(next_text_++) + ":"; }

  void AddLine(size_t index, size_t inode, const std::string& text, bool late) {
    lines_.push_back({text, inode, index, false, late, 0, 1});
    inodes_[inode].lines.push_back(lines_.size() - 1);
    by_text_[text] = lines_.size() - 1;
  }

  // What is unterminated stays so.
  void EndPart(size_t index, size_t number) {
    Inode& inode = inodes_[number];
    if (inode.part.empty()) return;
    inode.ended = true;
    const std::string text = std::exchange(inode.part, "");
    AddLine(index, number, text, false);
  }

  void Rename(const std::string& from, const std::string& to) {
    const size_t inode = at_.at(from);
    CHECK(!mem.Exists(to), "the model renames over a file");
    mem.Move(from, to);
    at_.erase(from);
    at_[to] = inode;
    inodes_[inode].names.erase(from);
    inodes_[inode].names.insert(to);
  }

  void Remove(const std::string& name) {
    const size_t number = at_.at(name);
    Inode& inode = inodes_[number];
    mem.Unlink(name);
    at_.erase(name);
    inode.names.erase(name);
    if (inode.names.empty() && !AgentHas(number)) Excuse(number);
  }

  void Excuse(size_t inode) {
    for (const size_t line : inodes_[inode].lines) {
      if (lines_[line].stored == 0) lines_[line].excused = true;
    }
  }

  // A line that nothing excuses and that was not stored, if there is one.
  std::string Missing() const {
    for (const Line& line : lines_) {
      if (line.stored == 0 && !line.excused) return line.text + (line.late ? " (late)" : "");
    }
    return "";
  }

  // The agent has it open (numbers are reused, so the place must fit as well).
  bool AgentHas(size_t number) {
    if (tailer == nullptr) return false;
    const Inode& inode = inodes_[number];
    for (const FileView& file : tailer->Files()) {
      for (const GenerationView& view : file.generations) {
        if (view.abandoned) continue;  // given up; the number may be another file's
        if (view.inode != inode.number && (inode.archive == 0 || view.inode != inode.archive)) continue;
        const auto found = at_.find(view.location);
        if (view.location.empty() || found == at_.end() || found->second == number) return true;
      }
    }
    return false;
  }

  std::vector<Path> paths_;
  std::vector<Inode> inodes_;
  std::vector<Line> lines_;
  std::map<std::string, size_t> by_text_;
  std::map<std::string, size_t> at_;  // name -> inode
  size_t next_text_ = 0;
  bool faulted_ = false;  // a disk error has been: a beginning may be unknown
};

}  // namespace agent::source
