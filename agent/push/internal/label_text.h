// SPDX-License-Identifier: Apache-2.0
// Reads a stream's labels as Loki and we write them: `{a="x", b="y"}`, values quoted as
// Go quotes them. Pure; for any bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "agent/model/label_set.h"

namespace agent::push {

struct LabelText {
  LabelMap labels;
  size_t size = 0;  // bytes of the text that were read, the closing brace included
};

// Nothing if `text` does not begin with such a label set. What follows it is left alone.
std::optional<LabelText> ReadLabelText(std::string_view text);

// Does `theirs`, as Loki names a stream in an error, mean our stream `ours`? Loki leaves
// empty labels out and adds some of its own (service_name, __stream_shard__ ...).
bool MeansStream(const LabelMap& theirs, const LabelMap& ours);

}  // namespace agent::push
