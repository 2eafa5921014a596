// SPDX-License-Identifier: Apache-2.0
// The writers of the tailer's model: what programs, the kubelet and logrotate do to log files.
#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/source/model_book.h"

namespace agent::source {

class ModelWriters : protected ModelBook {
 protected:
  void AddPath(const std::string& directory, const std::string& name, Style style, const std::string& glob) {
    Path path;
    path.directory = directory;
    path.log = directory + "/" + name;
    path.style = style;
    paths_.push_back(std::move(path));
    AddTarget(glob, "job" + std::to_string(paths_.size()));
  }

  void Open(size_t index) {
    Path& path = paths_[index];
    if (path.writing && inodes_[*path.writing].names.contains(path.log)) return;
    if (path.writing) {
      path.old = path.writing;
      path.old_writer = path.writer;
    }
    mem.MakeDirectories(path.directory);
    path.writer = mem.OpenToAppend(path.log);
    Inode inode;
    inode.number = mem.InodeOf(path.log);
    inode.names.insert(path.log);
    inodes_.push_back(inode);
    path.writing = inodes_.size() - 1;
    at_[path.log] = *path.writing;
  }

  void Write(size_t index, uint32_t count, uint32_t length) {
    Open(index);
    for (uint32_t i = 0; i < count; ++i) AppendLine(index, *paths_[index].writing, paths_[index].writer, length, false);
  }

  void AppendLine(size_t index, size_t inode, const std::shared_ptr<testing::MemFs::Handle>& handle, size_t length,
                  bool late) {
    std::string text = NewText(index) + std::string(length, '.');
    if (!inodes_[inode].part.empty()) {
      text = inodes_[inode].part + "-" + text;
      mem.Append(handle, text.substr(inodes_[inode].part.size()) + "\n");
      inodes_[inode].part.clear();
    } else {
      mem.Append(handle, text + "\n");
    }
    AddLine(index, inode, text, late);
  }

  void WritePart(size_t index) {
    Open(index);
    Inode& inode = inodes_[*paths_[index].writing];
    if (!inode.part.empty()) return;
    inode.part = NewText(index) + "part";
    mem.Append(paths_[index].writer, inode.part);
  }

  void Rotate(size_t index, bool reopen) {
    Path& path = paths_[index];
    if (!mem.Exists(path.log)) return;
    EndPart(index, at_.at(path.log));
    ++path.rotations;
    if (path.style == Style::kKubelet) {
      char stamp[32];
      std::snprintf(stamp, sizeof stamp, ".202401%02d-%06d", 1 + path.rotations / 1000, path.rotations);
      path.rotated.push_back(path.log + stamp);
      Rename(path.log, path.rotated.back());
    } else {
      ShiftNumbers(path);
      Rename(path.log, path.log + ".1");
      path.rotated.push_back(path.log + ".1");
    }
    if (reopen) Open(index);
  }

  // .1 becomes .2, and so on; the fifth is dropped.
  void ShiftNumbers(Path& path) {
    for (int i = 5; i >= 1; --i) {
      for (const char* ending : {"", ".gz"}) {
        const std::string from = path.log + "." + std::to_string(i) + ending;
        if (!mem.Exists(from)) continue;
        if (i == 5) Remove(from);
        else Rename(from, path.log + "." + std::to_string(i + 1) + ending);
      }
    }
    path.rotated.clear();
    path.archives.clear();
    for (int i = 6; i >= 2; --i) {
      const std::string name = path.log + "." + std::to_string(i);
      if (mem.Exists(name)) path.rotated.push_back(name);
      if (mem.Exists(name + ".gz")) path.archives.push_back(name + ".gz");
    }
  }

  void LateWrite(size_t index) {
    Path& path = paths_[index];
    std::optional<size_t> inode = path.old;
    std::shared_ptr<testing::MemFs::Handle> handle = path.old_writer;
    if (path.writing && !inodes_[*path.writing].names.contains(path.log)) {
      inode = path.writing;
      handle = path.writer;
    }
    if (!inode || inodes_[*inode].ended || inodes_[*inode].names.empty()) return;
    if (inodes_[*inode].archive != 0 || handle == nullptr) return;
    AppendLine(index, *inode, handle, 20, true);
  }

  void Compress(Path& path) {
    // Rotation leaves the newest one alone: its writer may still be at it.
    if (path.rotated.size() < 2 || path.style == Style::kCopy) return;
    const std::string plain = path.rotated.front();
    path.rotated.pop_front();
    const size_t inode = at_.at(plain);
    mem.Append(plain + ".tmp", Gzip(mem.Content(plain)));
    mem.Move(plain + ".tmp", plain + ".gz");
    inodes_[inode].archive = mem.InodeOf(plain + ".gz");
    inodes_[inode].names.insert(plain + ".gz");
    at_[plain + ".gz"] = inode;
    path.archives.push_back(plain + ".gz");
    Remove(plain);
  }

  void DropOldest(Path& path) {
    std::string name;
    if (!path.archives.empty()) {
      name = path.archives.front();
      path.archives.erase(path.archives.begin());
    } else if (!path.rotated.empty()) {
      name = path.rotated.front();
      path.rotated.pop_front();
    } else {
      return;
    }
    Remove(name);
  }

  // Whether there was anything to truncate.
  bool Truncate(size_t index, bool copy) {
    Path& path = paths_[index];
    // With a beginning that could not be read nobody can tell a copy from a new file.
    if (!mem.Exists(path.log) || faulted_) return false;
    const size_t old = at_.at(path.log);
    if (copy) {
      if (path.style != Style::kCopy) return false;
      EndPart(index, old);
      ShiftNumbers(path);
      const std::string to = path.log + ".1";
      mem.Append(to, mem.Content(path.log));
      path.rotated.push_back(to);
      inodes_[old].number = mem.InodeOf(to);
      inodes_[old].names = {to};
      inodes_[old].ended = true;
      at_[to] = old;
    } else {
      EndPart(index, old);
      inodes_[old].names.clear();
      Excuse(old);
    }
    mem.Truncate(path.log, 0);
    Inode fresh;
    fresh.number = mem.InodeOf(path.log);
    fresh.names = {path.log};
    inodes_.push_back(fresh);
    if (path.writing == old) path.writing = inodes_.size() - 1;
    if (path.old == old) path.old.reset();
    at_[path.log] = inodes_.size() - 1;
    return true;
  }

  void Delete(Path& path) {
    if (!mem.Exists(path.log)) return;
    EndPart(static_cast<size_t>(&path - paths_.data()), at_.at(path.log));
    Remove(path.log);
  }

  // The kubelet numbers the runs of a container.
  void RestartContainer(size_t index, bool write) {
    Path& path = paths_[index];
    if (path.style != Style::kKubelet || !mem.Exists(path.log)) return;
    EndPart(index, at_.at(path.log));
    path.last_runs.push_back(path.log);
    path.log = path.directory + "/" + std::to_string(++path.runs) + ".log";
    Open(index);
    if (write) Write(index, 1, 10);
  }

  void DropOldestRun(Path& path) {
    if (path.last_runs.empty()) return;
    const std::string log = path.last_runs.front();
    path.last_runs.pop_front();
    std::vector<std::string> names;
    for (const auto& [name, inode] : at_) {
      if (name == log || name.starts_with(log + ".")) names.push_back(name);
    }
    for (const std::string& name : names) Remove(name);
    std::erase_if(path.rotated, [&](const std::string& name) { return name.starts_with(log + "."); });
    std::erase_if(path.archives, [&](const std::string& name) { return name.starts_with(log + "."); });
  }

  void RemoveDirectory(Path& path) {
    if (!mem.Exists(path.directory)) return;
    if (mem.Exists(path.log)) EndPart(static_cast<size_t>(&path - paths_.data()), at_.at(path.log));
    std::vector<std::string> names;
    for (const auto& [name, inode] : at_) {
      if (name.starts_with(path.directory + "/")) names.push_back(name);
    }
    for (const std::string& name : names) Remove(name);
    mem.RemoveAll(path.directory);
    path.rotated.clear();
    path.archives.clear();
    path.last_runs.clear();
  }
};

}  // namespace agent::source
