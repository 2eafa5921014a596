// SPDX-License-Identifier: Apache-2.0
// What a batch's compression costs: ours beside the library's, over the same bytes, which
// are podgen's lines framed as a push. `ratio` is raw over compressed.
//
//   batch_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=7
#include <benchmark/benchmark.h>
#include <snappy.h>

#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "agent/batch/internal/encode.h"
#include "agent/batch/internal/wire.h"
#include "agent/model/record.h"
#include "bench/podgen/samples.h"

namespace agent::batch {
namespace {

constexpr size_t kStreams = 20;
constexpr size_t kBatch = 1 << 20;

// One batch: a buffer of entries per stream.
std::vector<std::string> MakeStreams(const std::string& kind) {
  const bench::SamplePool pool = bench::SamplePool::Make(kind, 1, 128, {});
  std::mt19937_64 dice(1);
  std::vector<std::string> streams(kStreams);
  int64_t time = 1'700'000'000'000'000'000;
  for (std::string& stream : streams) {
    size_t at = pool.RecordAt(dice() % pool.size());
    while (stream.size() < kBatch / kStreams) {
      const bench::Sample& sample = pool.at(at);
      at = sample.starts_record ? dice() % pool.size() : (at + 1) % pool.size();
      std::string line = sample.before + "seq=7:" + std::to_string(dice() % 1'000'000) + sample.after;
      Record record;
      record.time = time += static_cast<int64_t>(dice() % 2'000'000);
      record.line = line;
      std::string entry(line.size() + wire::kEntryOverhead, '\0');
      entry.resize(static_cast<size_t>(wire::PutEntry(entry.data(), record, line) - entry.data()));
      stream += entry;
    }
  }
  return streams;
}

const std::vector<std::string>& Streams(const std::string& kind) {
  static std::map<std::string, std::vector<std::string>> made;
  auto& streams = made[kind];
  if (streams.empty()) streams = MakeStreams(kind);
  return streams;
}

void Count(benchmark::State& state, size_t raw, size_t compressed) {
  state.SetBytesProcessed(static_cast<int64_t>(raw) * state.iterations());
  state.counters["ratio"] = static_cast<double>(raw) / static_cast<double>(compressed);
}

void Ours(benchmark::State& state, const std::string& kind) {
  size_t raw = 0, compressed = 0;
  std::vector<std::string_view> pieces;
  for (const std::string& stream : Streams(kind)) {
    pieces.emplace_back(stream);
    raw += stream.size();
  }
  Compressor compressor;
  for (auto _ : state) compressed = compressor.Compress(pieces).size;
  Count(state, raw, compressed);
}

// As the library is used best: one piece of memory, nothing gathered.
void Library(benchmark::State& state, const std::string& kind) {
  std::string raw;
  for (const std::string& stream : Streams(kind)) raw += stream;
  std::vector<char> out(snappy::MaxCompressedLength(raw.size()));
  size_t compressed = 0;
  for (auto _ : state) snappy::RawCompress(raw.data(), raw.size(), out.data(), &compressed);
  Count(state, raw.size(), compressed);
}

}  // namespace
}  // namespace agent::batch

int main(int argc, char** argv) {
  for (const std::string kind : {"nginx", "app", "klog", "ssh", "json", "java"}) {
    benchmark::RegisterBenchmark(("library/" + kind).c_str(), agent::batch::Library, kind);
    benchmark::RegisterBenchmark(("ours/" + kind).c_str(), agent::batch::Ours, kind);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
