// SPDX-License-Identifier: Apache-2.0
// Writing JSON text. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace agent {

// Appends a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
void AppendJsonString(std::string& out, std::string_view text);

}  // namespace agent
