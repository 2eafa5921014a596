// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/framing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return agent::fuzz::CheckFraming(agent::frame::Format::kCri, data, size);
}
