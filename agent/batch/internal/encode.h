// SPDX-License-Identifier: Apache-2.0
// A snappy block over scattered pieces: nothing is concatenated first. Lane-local;
// keeps its scratch memory.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "agent/model/push_batch.h"

namespace agent::batch {

class Compressor {
 public:
  // The pieces must stay valid during the call only.
  Bytes Compress(const std::vector<std::string_view>& pieces);
  // Gives the scratch memory back.
  void Release() {
    scratch_.reset();
    capacity_ = 0;
  }

 private:
  std::unique_ptr<char[]> scratch_;
  size_t capacity_ = 0;
};

}  // namespace agent::batch
