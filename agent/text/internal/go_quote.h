// SPDX-License-Identifier: Apache-2.0
// Go's interpreted string literals.
#pragma once

#include <string>
#include <string_view>

namespace agent::text {

// Takes a literal in double quotes off the beginning of `text` and decodes it. On
// failure returns what is wrong (a constant text), else null.
const char* TakeGoString(std::string_view& text, std::string& out);

}  // namespace agent::text
