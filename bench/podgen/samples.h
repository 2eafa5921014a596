// SPDX-License-Identifier: Apache-2.0
// What generated pods say: pools of lines, made once from a seed, drawn from at random.
// Kinds: nginx, app, klog, ssh (plain text), json, java (stack traces), long (over 16 KiB),
// fixed (one length), or the lines of given files. Immutable after Make.
//
// Pools exist so that writing costs a copy: a benchmark must not wait for its generator.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

// A line without its newline, open where a mark may be put in.
struct Sample {
  std::string before, after;
  bool json = false;          // the mark becomes a member
  bool starts_record = true;  // false: goes on what the line before began (a stack frame)
};

class SamplePool {
 public:
  // `kind` as above; "file" takes `lines`. An empty pool: no such kind.
  static SamplePool Make(std::string_view kind, uint64_t seed, uint64_t line_size,
                         const std::vector<std::string>& lines);

  size_t size() const { return samples_.size(); }
  const Sample& at(size_t i) const { return samples_[i]; }
  // The first sample of a record, at or after i.
  size_t RecordAt(size_t i) const;

 private:
  std::vector<Sample> samples_;
};

}  // namespace bench
