// SPDX-License-Identifier: Apache-2.0
// A snappy block over scattered pieces. What fills a fragment by itself is compressed where
// it lies, the rest is gathered first. Lane-local; keeps its scratch memory.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "agent/batch/internal/snappy_block.h"
#include "agent/model/push_batch.h"

namespace agent::batch {

class Compressor {
 public:
  // The pieces must stay valid during the call only.
  Bytes Compress(const std::vector<std::string_view>& pieces);
  // Gives the scratch memory back.
  void Release();

 private:
  struct Scratch {
    snappy_block::Table table;
    char gathered[snappy_block::kFragment];
  };

  char* Flush(char* to);

  std::unique_ptr<Scratch> scratch_;
  size_t gathered_ = 0;  // bytes, of scratch_->gathered
  std::unique_ptr<char[]> output_;
  size_t capacity_ = 0;  // of output_
};

}  // namespace agent::batch
