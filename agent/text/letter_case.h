// SPDX-License-Identifier: Apache-2.0
// Upper and lower case as Go's strings package maps them: character by character, all
// of Unicode; bytes that are no UTF-8 become U+FFFD. Pure.
#pragma once

#include <string>
#include <string_view>

namespace agent::text {

std::string ToLower(std::string_view text);
std::string ToUpper(std::string_view text);

}  // namespace agent::text
