// SPDX-License-Identifier: Apache-2.0
// lane: the agent's hot path alone, on one thread or several: read, frame, pipeline, batch, encode.
// No inotify, no positions, no network; batches count as stored as soon as they close.
// For instruction counts (bench/instructions.py), profiles, and allocations per record.
// Unlike the other yardsticks it is made of the agent's rooms.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <new>
#include <numeric>
#include <sstream>
#include <thread>

#include "agent/config/node.h"
#include "agent/flow/lane.h"
#include "bench/common/flags.h"
#include "bench/common/json.h"
#include "bench/common/usage.h"

namespace {

thread_local uint64_t allocations = 0;

}  // namespace

// Counts what the C++ parts allocate.
void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace bench {
namespace {

namespace fs = std::filesystem;

class FileBytes final : public agent::ByteSource {
 public:
  explicit FileBytes(const fs::path& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~FileBytes() override { close(fd_); }
  agent::Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override {
    const ssize_t got = pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
    return got < 0 ? size_t{0} : static_cast<size_t>(got);
  }

 private:
  const int fd_;
};

class Collector final : public agent::PushSink {
 public:
  void Send(std::unique_ptr<agent::PushBatch> batch) override {
    entries += batch->entries;
    out_bytes += batch->body.size;
    ++count;
    waiting.push_back(std::move(batch));
  }
  std::deque<std::unique_ptr<agent::PushBatch>> waiting;
  uint64_t entries = 0, out_bytes = 0, count = 0;
};

std::shared_ptr<agent::TailedFile> Tail(const fs::path& path, uint64_t id, std::shared_ptr<const agent::Target> target) {
  auto file = std::make_shared<agent::TailedFile>();
  file->id = file->chain = id;
  file->path = path.string();
  file->target = std::move(target);
  std::istringstream pod(path.parent_path().parent_path().filename().string());
  for (const char* name : {"namespace", "pod"}) std::getline(pod, file->labels[name], '_');
  file->labels["container"] = path.parent_path().filename().string();
  file->bytes = std::make_unique<FileBytes>(path);
  file->size = fs::file_size(path);
  return file;
}

// Returns the pipeline, or ends the program with what is wrong with it.
std::shared_ptr<const agent::stage::PipelinePlan> ReadPipeline(const std::string& path, agent::metrics::Registry& registry) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  agent::Diagnostics diagnostics;
  const agent::config::Node node = agent::config::ParseYaml(text.str(), path, diagnostics);
  auto plan = agent::stage::BuildPipeline(&node, "pipeline_stages", "bench", diagnostics, registry);
  if (!diagnostics.ok()) {
    std::fprintf(stderr, "%s\n", diagnostics.Text().c_str());
    std::exit(2);
  }
  return plan;
}

class Driver {
 public:
  Driver(std::shared_ptr<const agent::stage::PipelinePlan> plan, const std::vector<fs::path>& paths)
      : lane_(OptionsFor(std::move(plan)), budget_, collector_, observer_, [] {}) {
    for (const fs::path& path : paths) {
      files_.push_back(Tail(path, files_.size() + 1, target_));
      lane_.Add(files_.back());
    }
  }

  // Until everything is read, sent and acknowledged.
  void Run() {
    agent::MonoTime now{std::chrono::hours(1)};
    bool closing = false;
    while (true) {
      const bool more = lane_.RunOnce(now, 1'700'000'000'000'000'000);
      // A few in flight, as a real connection has.
      while (collector_.waiting.size() > (more ? 2 : 0)) {
        agent::Delivery delivery;
        delivery.batch = std::move(collector_.waiting.front());
        collector_.waiting.pop_front();
        lane_.Settled(std::move(delivery));
      }
      if (more) continue;
      if (closing && lane_.Idle()) return;
      if (!closing && AllRead()) {
        lane_.Stop(true);
        closing = true;
      }
    }
  }

  const Collector& collector() const { return collector_; }
  const agent::flow::LaneStats& stats() const { return lane_.stats(); }

 private:
  static agent::flow::LaneOptions OptionsFor(std::shared_ptr<const agent::stage::PipelinePlan> plan) {
    agent::flow::LaneOptions options;
    options.pipelines.push_back(std::move(plan));
    options.clients.emplace_back();
    return options;
  }
  bool AllRead() const {
    return std::all_of(files_.begin(), files_.end(), [](const auto& file) { return file->at_end.load(); });
  }

  agent::ByteBudget budget_{64u << 20};
  Collector collector_;
  agent::flow::Observer observer_;
  std::shared_ptr<const agent::Target> target_ = std::make_shared<agent::Target>();
  std::vector<std::shared_ptr<agent::TailedFile>> files_;
  agent::flow::Lane lane_;
};

// Every lane has its own files, as in the agent; allocations of all of them.
uint64_t RunAll(std::vector<std::unique_ptr<Driver>>& drivers) {
  std::vector<uint64_t> allocated(drivers.size());
  const auto run = [&](size_t lane) {
    const uint64_t before = allocations;
    drivers[lane]->Run();
    allocated[lane] = allocations - before;
  };
  std::vector<std::jthread> others;
  for (size_t lane = 1; lane < drivers.size(); ++lane) others.emplace_back(run, lane);
  run(0);
  others.clear();
  return std::accumulate(allocated.begin(), allocated.end(), uint64_t{0});
}

int Main(int argc, char** argv) {
  std::string pipeline;
  uint64_t lanes = 1;
  Flags flags("lane --pipeline=FILE DIRECTORY: runs the agent's hot path over the *.log files there, prints JSON.\n\nOptions:");
  flags.Text("pipeline", &pipeline, "a YAML list of stages");
  flags.Number("lanes", &lanes, "threads, each with its share of the files");
  std::vector<std::string> rest;
  if (!flags.Parse(argc, argv, &rest)) return flags.exit_code();
  if (rest.size() != 1 || pipeline.empty()) return flags.Wrong("lane needs --pipeline and one directory");
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(rest[0])) {
    if (entry.path().extension() == ".log") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());

  agent::metrics::Registry registry;
  const auto plan = ReadPipeline(pipeline, registry);
  std::vector<std::vector<fs::path>> shares(std::max<uint64_t>(lanes, 1));
  for (size_t at = 0; at < paths.size(); ++at) shares[at % shares.size()].push_back(paths[at]);
  std::vector<std::unique_ptr<Driver>> drivers;
  for (const auto& share : shares) drivers.push_back(std::make_unique<Driver>(plan, share));
  const auto began = std::chrono::steady_clock::now();
  const uint64_t allocated = RunAll(drivers);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - began;

  const Usage usage = UsageSoFar();
  const auto sum = [&](auto value) {
    uint64_t all = 0;
    for (const auto& driver : drivers) all += value(*driver);
    return all;
  };
  std::string out;
  JsonWriter json(&out);
  json.Open('{').Field("bytes", sum([](const Driver& d) { return d.stats().bytes_read.load(); }));
  json.Field("lines", sum([](const Driver& d) { return d.stats().lines_read.load(); }));
  json.Field("entries", sum([](const Driver& d) { return d.collector().entries; }));
  json.Field("batches", sum([](const Driver& d) { return d.collector().count; }));
  json.Field("out_bytes", sum([](const Driver& d) { return d.collector().out_bytes; }));
  json.Field("allocations", allocated).Field("wall_s", wall.count());
  json.Field("cpu_s", usage.cpu_s()).Field("max_rss_kib", usage.peak_rss_kib);
  json.Close('}');
  std::printf("%s\n", out.c_str());
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
