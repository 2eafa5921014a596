// SPDX-License-Identifier: Apache-2.0
// One container's log as the kubelet and the runtime keep it: framing, numbering, and
// rotation. Owns its descriptor. Thread-compatible.
//
// Rotation is the kubelet's (container_log_manager.go): remove leftovers, keep the newest
// generations, gzip every plain rotated file, rename, and only then does the runtime
// reopen: lines written meanwhile land in the renamed file.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "bench/podgen/samples.h"

namespace bench {

enum class LogFormat { kCri, kDocker, kPlain };

struct PodFileOptions {
  LogFormat format = LogFormat::kCri;
  bool marks = false;        // number the lines (bench/common/mark.h)
  bool mark_times = false;   // and say when each was written
  uint64_t partial_at = 16384;  // CRI: longer lines come in pieces; 0: never
  double stderr_share = 0.1;
  uint64_t keep = 5;  // generations, the live one included
};

struct PodName {
  std::string pod_namespace, pod, uid, container;
};

class PodFile {
 public:
  // Makes the directories of `root`/NS_POD_UID/CONTAINER/0.log; the first Flush opens it.
  // Whatever cannot be written ends the program: there is nothing to generate then.
  PodFile(const std::string& root, PodName name, uint64_t writer, uint64_t seed, PodFileOptions options);
  ~PodFile();
  PodFile(const PodFile&) = delete;

  // Appends one record of the pool: a line, or a trace. Buffered until Flush.
  void Append(const SamplePool& pool, int64_t nanos);
  void Flush();
  void Close();  // flushes; the next Flush opens the file again
  // False if this second's archive name is taken: try again later.
  bool Rename();
  void Reopen();
  // A container restart: the next N.log.
  void Restart();

  const PodName& name() const { return name_; }
  const std::string& path() const { return path_; }
  uint64_t writer() const { return writer_; }
  uint64_t lines() const { return lines_; }
  uint64_t records() const { return records_; }
  uint64_t line_bytes() const { return line_bytes_; }  // without framing
  uint64_t file_bytes() const { return file_bytes_; }  // all generations
  uint64_t live_bytes() const { return live_bytes_; }
  uint64_t buffered() const { return buffer_.size(); }
  uint64_t rotations() const { return rotations_; }

 private:
  void AppendLine(const Sample& sample, bool to_stderr, int64_t nanos);
  void Frame(std::string_view line, bool to_stderr, int64_t nanos);
  void FrameDocker(std::string_view line, const char* stream, int64_t nanos);
  void AppendTime(int64_t nanos);
  void Open();
  void Sweep() const;

  PodName name_;
  std::string directory_, path_;
  uint64_t writer_;
  PodFileOptions options_;
  std::mt19937_64 random_;
  int fd_ = -1;
  uint64_t restarts_ = 0;
  uint64_t lines_ = 0, records_ = 0, line_bytes_ = 0, file_bytes_ = 0, live_bytes_ = 0, rotations_ = 0;
  std::string buffer_, line_;
  int64_t second_ = -1;  // what time_text_ shows
  char time_text_[48] = {};
};

}  // namespace bench
