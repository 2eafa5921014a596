// SPDX-License-Identifier: Apache-2.0
// podgen: makes trees shaped like /var/log/pods, or goes on writing into one like a node
// full of containers, with kubelet-style rotation. See bench/README.md.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "bench/common/flags.h"
#include "bench/common/json.h"
#include "bench/podgen/pod_file.h"
#include "bench/podgen/samples.h"

namespace bench {
namespace {

volatile std::sig_atomic_t stopped = 0;

struct Options {
  std::string directory, kind = "mixed", lines_from, format = "cri", manifest, name_prefix;
  uint64_t pods = 20, containers = 1, active = 0, idle_lines = 10, bytes = 0, lines = 0;
  uint64_t line_size = 128, seed = 1, start = 0, first_writer = 0;
  uint64_t rate = 0, lines_per_second = 0, tick_ms = 10, rotate_size = 0, rotate_every_ms = 0;
  uint64_t reopen_delay_ms = 5, restart_every_ms = 0;
  double seconds = 0, hot = 1;
  bool sequence = false;
  PodFileOptions file;
};

int64_t WallNow() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::vector<std::string> ReadLines(const std::string& from) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(from)) {
    for (const auto& entry : std::filesystem::directory_iterator(from)) {
      if (entry.path().extension() == ".log") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
  } else {
    files.emplace_back(from);
  }
  std::vector<std::string> lines;
  for (const auto& file : files) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) lines.push_back(line);
    }
  }
  return lines;
}

PodName NameOf(uint64_t index, const Options& options) {
  static constexpr const char* kNamespaces[] = {"default", "shop", "payments", "monitoring", "kube-system"};
  static constexpr const char* kApps[] = {"web", "orders", "basket", "gateway", "search", "mailer", "stock"};
  const uint64_t pod = index / options.containers;
  std::mt19937_64 random(options.seed * 104729 + pod);
  const auto hex = [&](size_t digits) {
    std::string text;
    while (text.size() < digits) text.push_back("0123456789abcdef"[random() % 16]);
    return text;
  };
  PodName name;
  name.pod_namespace = kNamespaces[pod % 5];
  name.pod = options.name_prefix + kApps[pod % 7] + "-" + hex(10) + "-" + hex(5);
  name.uid = hex(8) + "-" + hex(4) + "-4" + hex(3) + "-8" + hex(3) + "-" + hex(12);
  const uint64_t container = index % options.containers;
  name.container = container == 0 ? kApps[pod % 7] : "sidecar-" + std::to_string(container);
  return name;
}

class Generator {
 public:
  explicit Generator(const Options& options) : options_(options) {}

  // An empty string, or what is wrong with the options.
  std::string Prepare() {
    std::vector<std::string> lines;
    std::vector<std::string> kinds = {options_.kind};
    if (!options_.lines_from.empty()) {
      lines = ReadLines(options_.lines_from);
      kinds = {"file"};
      if (lines.empty()) return "--lines-from: no lines in " + options_.lines_from;
    } else if (options_.kind == "mixed") {
      kinds = {"nginx", "app", "klog", "ssh"};
    }
    for (const std::string& kind : kinds) {
      pools_.push_back(SamplePool::Make(kind, options_.seed, options_.line_size, lines));
      if (pools_.back().size() == 0) return "--kind: no such kind of lines: " + kind;
    }
    const uint64_t count = options_.pods * options_.containers;
    for (uint64_t i = 0; i < count; ++i) {
      files_.emplace_back(options_.directory, NameOf(i, options_), options_.first_writer + i, options_.seed,
                          options_.file);
    }
    return {};
  }

  void MakeTree() {
    const uint64_t active = options_.active == 0 ? files_.size() : std::min(options_.active, files_.size());
    const int64_t start = options_.start != 0 ? static_cast<int64_t>(options_.start) * 1'000'000'000
                                              : WallNow() - int64_t{3600} * 1'000'000'000;
    for (size_t i = 0; i < files_.size() && stopped == 0; ++i) {
      const bool busy = i < active;
      const uint64_t bytes = busy ? options_.bytes / active : 0;
      const uint64_t lines = busy ? options_.lines / active : options_.idle_lines;
      FillOne(i, bytes, lines, start);
    }
  }

  void WriteLive() {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    auto last = begin, rotated = begin, restarted = begin;
    double credit = 0;
    const double rate = static_cast<double>(options_.rate != 0 ? options_.rate : options_.lines_per_second);
    while (stopped == 0) {
      const auto now = Clock::now();
      const double passed = std::chrono::duration<double>(now - begin).count();
      if (options_.seconds > 0 && passed >= options_.seconds) break;
      credit += rate * std::chrono::duration<double>(now - last).count();
      last = now;
      while (credit > 0) credit -= WriteOne();
      for (PodFile& file : files_) file.Flush();
      const auto due = [now](auto since, uint64_t ms) { return ms != 0 && now - since >= std::chrono::milliseconds(ms); };
      const bool all = due(rotated, options_.rotate_every_ms);
      if (all) rotated = now;
      RotateWhatIsDue(all);
      if (due(restarted, options_.restart_every_ms)) {
        restarted = now;
        files_[restart_next_++ % files_.size()].Restart();
      }
      std::this_thread::sleep_until(now + std::chrono::milliseconds(options_.tick_ms));
    }
  }

  bool WriteManifest() const {
    std::string out;
    JsonWriter json(&out);
    uint64_t lines = 0, records = 0, line_bytes = 0, bytes = 0, rotations = 0;
    json.Open('{').Key("writers").Open('[');
    for (const PodFile& file : files_) {
      json.Open('{').Field("writer", file.writer()).Field("namespace", file.name().pod_namespace);
      json.Field("pod", file.name().pod).Field("container", file.name().container).Field("path", file.path());
      json.Field("lines", file.lines()).Field("records", file.records()).Field("line_bytes", file.line_bytes());
      json.Field("bytes", file.file_bytes()).Field("rotations", file.rotations()).Close('}');
      lines += file.lines();
      records += file.records();
      line_bytes += file.line_bytes();
      bytes += file.file_bytes();
      rotations += file.rotations();
    }
    json.Close(']').Field("lines", lines).Field("records", records).Field("line_bytes", line_bytes);
    json.Field("bytes", bytes).Field("rotations", rotations).Close('}');
    std::FILE* to = options_.manifest.empty() ? stdout : std::fopen(options_.manifest.c_str(), "w");
    if (to == nullptr) return false;
    std::fprintf(to, "%s\n", out.c_str());
    return to == stdout ? std::fflush(to) == 0 : std::fclose(to) == 0;
  }

 private:
  // Thousands of files are made one after another: a descriptor each would be too many.
  void FillOne(size_t i, uint64_t bytes, uint64_t lines, int64_t nanos) {
    PodFile& file = files_[i];
    std::mt19937_64 gaps(options_.seed + i);
    while ((file.file_bytes() + file.buffered() < bytes || file.lines() < lines) && stopped == 0) {
      nanos += static_cast<int64_t>(200'000 + gaps() % 1'000'000);
      file.Append(pools_[i % pools_.size()], nanos);
      if (file.buffered() > (1u << 20)) file.Flush();
      if (options_.rotate_size != 0 && file.live_bytes() > options_.rotate_size && file.Rename()) file.Reopen();
    }
    file.Close();
  }

  // The first pod writes `hot` times as many records as each of the others.
  double WriteOne() {
    if (turn_ >= files_.size()) {
      turn_ = 0;
      hot_left_ = options_.hot;
    }
    const size_t i = turn_;
    if (i != 0 || (hot_left_ -= 1) < 1) ++turn_;
    PodFile& file = files_[i];
    const uint64_t before = file.buffered();
    const uint64_t lines = file.lines();
    file.Append(pools_[i % pools_.size()], WallNow());
    return static_cast<double>(options_.rate != 0 ? file.buffered() - before : file.lines() - lines);
  }

  void RotateWhatIsDue(bool all) {
    std::vector<PodFile*> renamed;
    for (PodFile& file : files_) {
      const bool full = options_.rotate_size != 0 && file.live_bytes() >= options_.rotate_size;
      if ((full || (all && file.live_bytes() > 0)) && file.Rename()) renamed.push_back(&file);
    }
    if (renamed.empty()) return;
    // The writer does not know yet: it goes on in the renamed files.
    for (PodFile* file : renamed) {
      file->Append(pools_[file->writer() % pools_.size()], WallNow());
      file->Flush();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(options_.reopen_delay_ms));
    for (PodFile* file : renamed) file->Reopen();
  }

  const Options options_;
  std::vector<SamplePool> pools_;
  std::deque<PodFile> files_;
  size_t turn_ = 0, restart_next_ = 0;
  double hot_left_ = 1;
};

// A node's worth of files stays open in live mode.
void RaiseDescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void Declare(Flags& flags, Options& options) {
  flags.Number("pods", &options.pods, "how many");
  flags.Number("containers", &options.containers, "in each pod");
  flags.Text("kind", &options.kind, "mixed, nginx, app, klog, ssh, json, java, long, fixed");
  flags.Size("line-size", &options.line_size, "of --kind=fixed, without framing and mark");
  flags.Text("lines-from", &options.lines_from, "take the lines of this file, or of *.log in this folder");
  flags.Text("format", &options.format, "cri, docker or plain");
  flags.Real("stderr", &options.file.stderr_share, "share of records on stderr");
  flags.Size("partial-at", &options.file.partial_at, "CRI: split longer lines into partials; 0: never");
  flags.Bool("sequence", &options.sequence, "mark every line with writer, number and write time");
  flags.Number("seed", &options.seed, "same seed, same lines and names");
  flags.Number("first-writer", &options.first_writer, "number of the first writer in the marks");
  flags.Text("name-prefix", &options.name_prefix, "before every pod's name");
  flags.Text("manifest", &options.manifest, "write the manifest here instead of stdout");
  flags.Size("bytes", &options.bytes, "tree: in all files together, framing included");
  flags.Number("lines", &options.lines, "tree: in all files together");
  flags.Number("active", &options.active, "tree: only the first N files get them; 0: all");
  flags.Number("idle-lines", &options.idle_lines, "tree: lines in each of the others");
  flags.Number("start", &options.start, "tree: Unix second of the first line; 0: an hour ago");
  flags.Size("rate", &options.rate, "live: bytes per second, such as 10MB/s, framing included");
  flags.Number("lines-per-second", &options.lines_per_second, "live: instead of --rate");
  flags.Real("seconds", &options.seconds, "live: end after so long; 0: never");
  flags.Number("tick-ms", &options.tick_ms, "live: write so often");
  flags.Real("hot", &options.hot, "live: the first pod writes so many times more than each other");
  flags.Size("rotate-size", &options.rotate_size, "rotate a file of this size; 0: never");
  flags.Number("rotate-every-ms", &options.rotate_every_ms, "live: rotate every file so often; 0: never");
  flags.Number("keep", &options.file.keep, "generations kept by rotation, the live one included");
  flags.Number("reopen-delay-ms", &options.reopen_delay_ms, "live: between rename and reopen");
  flags.Number("restart-every-ms", &options.restart_every_ms, "live: one container restarts so often; 0: never");
}

int Main(int argc, char** argv) {
  Options options;
  Flags flags(
      "podgen DIRECTORY [options]: writes pod logs, NAMESPACE_POD_UID/CONTAINER/0.log.\n"
      "With --rate or --lines-per-second it goes on writing until --seconds are over or SIGTERM\n"
      "comes; else it makes --bytes or --lines and ends. A manifest (JSON) says what was written.\n\nOptions:");
  Declare(flags, options);
  std::vector<std::string> rest;
  if (!flags.Parse(argc, argv, &rest)) return flags.exit_code();
  if (rest.size() != 1) return flags.Wrong("podgen needs one directory; --help shows the options");
  options.directory = rest[0];
  const std::map<std::string, LogFormat> formats = {
      {"cri", LogFormat::kCri}, {"docker", LogFormat::kDocker}, {"plain", LogFormat::kPlain}};
  if (!formats.contains(options.format)) return flags.Wrong("--format: cri, docker or plain");
  options.file.format = formats.at(options.format);
  const bool live = options.rate != 0 || options.lines_per_second != 0;
  options.file.marks = options.sequence;
  options.file.mark_times = live;
  if (options.containers == 0) return flags.Wrong("--containers: at least 1");

  std::signal(SIGTERM, [](int) { stopped = 1; });
  std::signal(SIGINT, [](int) { stopped = 1; });
  Generator generator(options);
  const std::string wrong = generator.Prepare();
  if (!wrong.empty()) return flags.Wrong(wrong);
  if (live) RaiseDescriptorLimit();
  live ? generator.WriteLive() : generator.MakeTree();
  return generator.WriteManifest() ? 0 : flags.Wrong("--manifest: cannot write " + options.manifest);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
