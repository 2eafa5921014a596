// SPDX-License-Identifier: Apache-2.0
// What a lane does with files, and nothing else: reads generations of a chain one after
// the other, splits lines, keeps receipts, acknowledges when the test says so. Lines
// are remembered as they "arrive"; a batch is one call of Read.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/model/tailed_file.h"

namespace agent::source {

class StandInLane final : public FileSink {
 public:
  struct Line {
    std::string text;
    LabelMap labels;
    std::string path;
    BatchId batch = 0;
    uint64_t end = 0;  // behind its last byte
    std::shared_ptr<TailedFile> file;
  };

  void Add(std::shared_ptr<TailedFile> file) override {
    ++added_;
    file->receipts = ReceiptTracker(file->start_offset);
    chains_[file->chain].push_back(file);
    ready_[file->id] = true;
    files_.push_back(std::move(file));
  }
  void Readable(const std::shared_ptr<TailedFile>& file) override {
    ++readables_;
    ready_[file->id] = true;
  }

  // Reads whatever is ready, up to `most` bytes a file and turn; one batch.
  void Read(MonoTime now, size_t most = 1 << 20) {
    ++batch_;
    for (auto it = chains_.begin(); it != chains_.end();) {
      while (!it->second.empty() && ReadFile(*it->second.front(), now, most)) it->second.pop_front();
      it = it->second.empty() ? chains_.erase(it) : std::next(it);
    }
  }

  // Everything that has arrived so far is stored.
  void AcknowledgeAll() {
    while (!open_.empty()) Acknowledge(0);
    for (const auto& file : files_) Publish(*file);
    Forget();
  }
  // One batch is stored, out of order if `index` is not 0.
  void Acknowledge(size_t index) {
    const auto it = std::next(open_.begin(), static_cast<std::ptrdiff_t>(index));
    for (const auto& file : it->second) {
      file->receipts.Acknowledge(it->first);
      Publish(*file);
    }
    open_.erase(it);
  }
  size_t open_batches() const { return open_.size(); }
  BatchId open_batch(size_t index) const { return std::next(open_.begin(), static_cast<std::ptrdiff_t>(index))->first; }

  const std::vector<Line>& lines() const { return lines_; }
  std::vector<std::string> texts() const {
    std::vector<std::string> out;
    for (const Line& line : lines_) out.push_back(line.text);
    return out;
  }
  void ForgetLines() { lines_.clear(); }
  size_t added() const { return added_; }
  size_t readables() const { return readables_; }
  size_t open_files() const { return chains_.size(); }
  const std::vector<std::shared_ptr<TailedFile>>& files() const { return files_; }  // in the order they came in
  uint64_t read_errors() const { return read_errors_; }

 private:
  // True: it is read to its end.
  bool ReadFile(TailedFile& file, MonoTime now, size_t most) {
    if (!ready_[file.id]) return false;
    if (file.predecessor != nullptr) file.predecessor.reset();
    size_t limit = most;
    while (true) {
      if (buffer_.size() < limit) buffer_.resize(limit);
      if (file.abandoned.load()) return Done(file);
      const uint64_t offset = file.receipts.processed();
      const bool finished = file.finished.load(std::memory_order_acquire);
      const uint64_t size = file.size.load();
      const auto got = file.bytes->ReadAt(offset, {buffer_.data(), limit});
      if (!got) {
        ++read_errors_;
        return false;  // still ready: tried again
      }
      size_t filled = *got;
      size_t newline = std::string_view(buffer_.data(), filled).rfind('\n');
      // Without a line end a short read is not the end: only a read of nothing is.
      while (newline == std::string_view::npos && filled > 0 && filled < limit) {
        const auto more = file.bytes->ReadAt(offset + filled, {buffer_.data() + filled, limit - filled});
        if (!more) {
          ++read_errors_;
          return false;
        }
        if (*more == 0) break;
        filled += *more;
        newline = std::string_view(buffer_.data(), filled).rfind('\n');
      }
      const std::string_view bytes(buffer_.data(), filled);
      if (newline == std::string_view::npos) {
        if (bytes.size() == limit) {
          limit *= 2;
          continue;
        }
        file.at_end.store(true);
        ready_[file.id] = false;
        if (!finished) return false;
        if (bytes.empty()) return Done(file);
        Arrive(file, bytes, offset, now);
        ready_[file.id] = true;
        continue;
      }
      Arrive(file, bytes.substr(0, newline + 1), offset, now);
      // As a lane does: growth beyond a size that was seen must be announced.
      if (!finished && size > 0 && bytes.size() < limit && offset + bytes.size() >= size) {
        file.at_end.store(true);
        ready_[file.id] = false;
        return false;
      }
    }
  }

  void Arrive(TailedFile& file, std::string_view bytes, uint64_t offset, MonoTime now) {
    uint64_t at = offset;
    while (!bytes.empty()) {
      const size_t newline = std::min(bytes.find('\n'), bytes.size());
      const auto shared = file.shared_from_this();
      if (file.receipts.AddToBatch(batch_, at)) open_[batch_].push_back(shared);
      const size_t used = std::min(newline + 1, bytes.size());
      lines_.push_back({std::string(bytes.substr(0, newline)), file.labels, file.path, batch_, at + used, shared});
      bytes.remove_prefix(used);
      at += used;
    }
    file.receipts.SetProcessed(at);
    file.bytes->Consumed(at);
    file.read_offset.store(at);
    file.last_data_ns.store(now.time_since_epoch().count());
    file.at_end.store(false);
    Publish(file);
  }

  bool Done(TailedFile& file) {
    file.read_done = true;
    Publish(file);
    return true;
  }
  void Publish(TailedFile& file) {
    file.committed_offset.store(file.receipts.Committed());
    if (file.read_done && file.receipts.Settled()) file.drained.store(true, std::memory_order_release);
  }
  void Forget() {
    std::erase_if(files_, [](const auto& file) { return file->drained.load(); });
  }

  std::map<uint64_t, std::deque<std::shared_ptr<TailedFile>>> chains_;
  std::vector<std::shared_ptr<TailedFile>> files_;
  std::unordered_map<uint64_t, bool> ready_;
  std::map<BatchId, std::vector<std::shared_ptr<TailedFile>>> open_;
  std::vector<Line> lines_;
  std::vector<char> buffer_;
  BatchId batch_ = 0;
  size_t added_ = 0;
  size_t readables_ = 0;
  uint64_t read_errors_ = 0;
};

}  // namespace agent::source
