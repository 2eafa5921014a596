// SPDX-License-Identifier: Apache-2.0
// Which bytes a match of a regular expression can begin with, if it can only begin
// where the text does. Rules most lines out before the expression is run. An
// expression that is not tied to the beginning allows everything. Immutable.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace agent::stage {

class FirstByte {
 public:
  FirstByte() = default;  // allows everything
  explicit FirstByte(const std::string& pattern);

  // False: the pattern does not match this text.
  bool Allows(std::string_view text) const {
    if (text.empty()) return true;
    const auto byte = static_cast<unsigned char>(text[0]);
    return byte >= low_ && byte <= high_;
  }

 private:
  unsigned char low_ = 0;
  unsigned char high_ = 255;
};

}  // namespace agent::stage
