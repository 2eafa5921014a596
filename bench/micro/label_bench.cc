// SPDX-License-Identifier: Apache-2.0
// What the label policy costs per line: nothing over budget (the goal: under 10 ns), a
// demoted label of few values, and a storm of values. Allocations are counted.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "agent/label/policy.h"
#include "agent/model/record.h"
#include "agent/model/tailed_file.h"

namespace {
uint64_t g_allocations = 0;
}
// Not inlined, so that compilers do not pair this new with that free.
[[gnu::noinline]] void* operator new(size_t size) {
  ++g_allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace agent::label {
namespace {

constexpr size_t kRecords = RecordBatch::kMaxRecords;

struct Bench {
  explicit Bench(PolicyOptions options) : policy(std::move(options), 1, registry) {
    file.id = 1;
    file.labels = {{"namespace", "shop"}, {"pod", "cart-7d9f8b6c5-x2x7v"}, {"container", "cart"}, {"node_name", "n1"}};
    base = LabelPin(labels.Intern(file.labels));
  }
  void Fill(const std::vector<const LabelSet*>& sets) {
    batch.Reset();
    for (size_t i = 0; i < kRecords; ++i) {
      Record* record = batch.Append();
      record->labels = sets[i % sets.size()];
      record->origin.file = &file;
    }
  }
  void Apply() { policy.Apply(0, batch.records(), batch.arena(), labels, 0, MonoTime(std::chrono::hours(1))); }

  metrics::Registry registry;
  LabelInterner labels;
  TailedFile file;
  LabelPin base;
  RecordBatch batch;
  Policy policy;
};

void Report(benchmark::State& state, uint64_t allocations) {
  const auto records = static_cast<double>(state.iterations()) * static_cast<double>(kRecords);
  state.SetItemsProcessed(static_cast<int64_t>(records));
  state.counters["ns_per_line"] = benchmark::Counter(records * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocations_per_line"] = static_cast<double>(allocations) / records;
}

void UnderBudget(benchmark::State& state) {
  Bench bench{PolicyOptions{}};
  std::vector<const LabelSet*> sets;
  for (int64_t i = 0; i < state.range(0); ++i) {
    sets.push_back(bench.labels.With(bench.base.get(), "level", "l" + std::to_string(i)));
  }
  bench.Fill(sets);
  bench.Apply();
  const uint64_t before = g_allocations;
  for (auto _ : state) {
    bench.Apply();
    benchmark::ClobberMemory();
  }
  Report(state, g_allocations - before);
  if (bench.batch.records().size() != kRecords || bench.policy.decisions() != 0) state.SkipWithError("not under budget");
}
BENCHMARK(UnderBudget)->Arg(1)->Arg(20)->Arg(200);

// 300 values of a label whose budget is 200: every line is changed, every set is known.
void Demoted(benchmark::State& state) {
  Bench bench{PolicyOptions{}};
  std::vector<const LabelSet*> sets;
  for (int i = 0; i < 300; ++i) sets.push_back(bench.labels.With(bench.base.get(), "customer", "c" + std::to_string(i)));
  const auto before_of = [&] {
    bench.Fill(sets);
    bench.Apply();
    bench.Fill(sets);
    bench.Apply();
    return g_allocations;
  };
  const uint64_t before = before_of();
  for (auto _ : state) {
    bench.Fill(sets);
    bench.Apply();
  }
  Report(state, g_allocations - before);
  if (bench.batch.records()[0]->labels != bench.base.get()) state.SkipWithError("not demoted");
}
BENCHMARK(Demoted);

// Every line has a value of its own; what the lane's label sets cost is not counted.
void Storm(benchmark::State& state) {
  Bench bench{PolicyOptions{}};
  uint64_t next = 0;
  uint64_t allocations = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<const LabelSet*> sets;
    if (bench.labels.size() > 8192) bench.labels.Sweep();
    for (size_t i = 0; i < kRecords; ++i) {
      sets.push_back(bench.labels.With(bench.base.get(), "request_id", "r" + std::to_string(next++)));
    }
    bench.Fill(sets);
    const uint64_t before = g_allocations;
    state.ResumeTiming();
    bench.Apply();
    allocations += g_allocations - before;
  }
  Report(state, allocations);
  if (bench.batch.records()[0]->labels->Find("request_id") != nullptr && next > 1000) state.SkipWithError("not demoted");
}
BENCHMARK(Storm);

// Batches under budget, for a tool that counts instructions. The exit code.
int Count(uint64_t batches) {
  Bench bench{PolicyOptions{}};
  std::vector<const LabelSet*> sets;
  for (int i = 0; i < 20; ++i) sets.push_back(bench.labels.With(bench.base.get(), "level", "l" + std::to_string(i)));
  bench.Fill(sets);
  for (uint64_t i = 0; i < batches; ++i) bench.Apply();
  return bench.policy.decisions() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace agent::label

// label_bench [Google Benchmark's options] | label_bench --count=BATCHES (of 512 lines)
int main(int argc, char** argv) {
  constexpr std::string_view kCount = "--count=";
  if (argc == 2 && std::string_view(argv[1]).starts_with(kCount)) {
    return agent::label::Count(std::strtoull(argv[1] + kCount.size(), nullptr, 10));
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
