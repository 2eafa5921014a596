// SPDX-License-Identifier: Apache-2.0
// Names of the extracted map, numbered once per pipeline when it is built, so that
// at run time a name is an index. Built single-threaded, then immutable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/model/record.h"

namespace agent::stage {

class SymbolTable {
 public:
  Symbol Intern(std::string_view name) {
    for (Symbol i = 0; i < names_.size(); ++i) {
      if (names_[i] == name) return i;
    }
    names_.emplace_back(name);
    return static_cast<Symbol>(names_.size() - 1);
  }
  const std::string& name(Symbol symbol) const { return names_[symbol]; }
  size_t size() const { return names_.size(); }
  // The symbol of a name, or size() if it has none.
  Symbol Find(std::string_view name) const {
    Symbol i = 0;
    while (i < names_.size() && names_[i] != name) ++i;
    return i;
  }

 private:
  std::vector<std::string> names_;
};

}  // namespace agent::stage
